internal import COpenBLAS
internal import CSIMD
public import TesseraCompute
internal import TesseraHost

/// Which filter a search runs over all rows before it scores some of them canonically.
public enum FilterPolicy: String, Sendable, CaseIterable {
  /// What a sample of the rows says is fastest.
  case auto
  /// All dimensions as Float32: the path to compare the others with.
  case float32
  /// All dimensions as bytes, where the instruction set multiplies bytes.
  case bytes
}

/// The processor: SIMD kernels chosen at run time, OpenBLAS for large products, a bounded number
/// of threads.
public final class CPUDevice: Device {
  public let info: DeviceInfo
  let kernels: Kernels
  let workers: WorkerPool
  let filterPolicy: FilterPolicy

  /// The instruction sets this machine can run, slowest first.
  public static let variants: [String] = Kernels.runnable.map(\.name)

  /// - Parameters:
  ///   - variant: One of ``variants``. By default `TESSERA_CPU`, else the fastest.
  ///   - threads: At least 1. By default `TESSERA_THREADS`, else the number of cores.
  ///   - filter: By default `TESSERA_FILTER`, else `.auto`. It changes the time a search takes and
  ///     the memory it keeps, never its result.
  /// - Throws: `.unsupported` for an instruction set this machine lacks, `.invalidArgument` for a
  ///   thread count that is not a positive number and for a filter there is not.
  public init(
    variant: String? = nil, threads: Int? = nil, filter: FilterPolicy? = nil
  ) throws(TesseraError) {
    filterPolicy = if let filter { filter } else { try Self.chosenFilterPolicy() }
    kernels = try Self.chosenKernels(variant ?? Environment["TESSERA_CPU"])
    workers = WorkerPool(count: try Self.chosenThreads(threads))
    info = DeviceInfo(
      identifier: "cpu", name: HostLimits.current.processorName, kind: .cpu, vendor: "host",
      driver: "OpenBLAS \(String(cString: openblas_get_config()).split(separator: " ")[1])",
      variant: kernels.name, memoryBytes: HostLimits.current.memoryBytes, computeUnits: workers.count,
      accelerated: Set(DeviceOperation.allCases))
  }

  private static func chosenKernels(_ name: String?) throws(TesseraError) -> Kernels {
    guard let name, !name.isEmpty else { return Kernels.runnable[Kernels.runnable.count - 1] }
    guard let kernels = Kernels.runnable.first(where: { $0.name == name }) else {
      throw TesseraError(
        .unsupported,
        "cpu: this machine cannot run the instruction set \"\(name)\"; "
          + "choose one of \(variants.joined(separator: ", "))")
    }
    return kernels
  }

  private static func chosenThreads(_ threads: Int?) throws(TesseraError) -> Int {
    if threads == nil, let text = Environment["TESSERA_THREADS"] {
      guard let number = Int(text), number > 0 else {
        throw TesseraError(
          .invalidArgument, "cpu: TESSERA_THREADS is \"\(text)\", expected a number above 0")
      }
      return number
    }
    let count = threads ?? HostLimits.current.cores
    guard count > 0 else {
      throw TesseraError(.invalidArgument, "cpu: \(count) threads, expected at least 1")
    }
    return count
  }

  private static func chosenFilterPolicy() throws(TesseraError) -> FilterPolicy {
    guard let text = Environment["TESSERA_FILTER"] else { return .auto }
    guard let policy = FilterPolicy(rawValue: text) else {
      let known = FilterPolicy.allCases.map(\.rawValue).joined(separator: ", ")
      throw TesseraError(
        .invalidArgument, "cpu: TESSERA_FILTER is \"\(text)\", expected one of \(known)")
    }
    return policy
  }

  // MARK: Memory

  public func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    try HostStorage(allocating: byteCount)
  }

  public func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    try HostStorage.copy(source, to: target, at: byteOffset)
  }

  public func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try HostStorage.copy(source, at: byteOffset, to: target)
  }
}
