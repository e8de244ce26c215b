internal import COpenCL
internal import Synchronization
public import TesseraCompute
internal import TesseraHost

/// An OpenCL device: GPU, CPU or accelerator.
///
/// It has a context and an in-order queue of its own. Calls may come from any thread; work is done
/// in the order in which it is asked for. Programs are built at first use and kept on disk for the
/// next run.
///
/// A device that loses its context throws `.deviceLost`: what was stored on it is gone, and new
/// memory comes from a new context, once. One that gives no answer is given up, with
/// `.deviceFailure`. Kernels are tried on a small problem before their first use; where they fail it,
/// searches are refused, and other operations done by the host.
public final class OpenCLDevice: Device {
  /// The kernel body in use.
  public let body: KernelBody

  /// Items in a work-group of kernels that have no reason of their own: 1 for wide items.
  let groupSize: Int
  let cache: ProgramCache
  let trust: KernelTrust
  /// What multiplies rounded numbers, if anything does.
  let matrixUnit: MatrixUnit?
  /// What the filter of a search computes in, if the dimension allows.
  let filter: SearchFilter
  /// Whether the filter was asked for, and is used where it does not pay too.
  let isFilterForced: Bool
  let launchTuning = Mutex(LaunchTuning())
  private let description: DeviceInfo
  private let macros: [String: Int]
  private let sessions: Mutex<OpenCLSessions>

  private static let native: Set<DeviceOperation> = [
    .nearest, .assignNearest, .innerProducts, .topK, .lookupScores, .nearestCodes, .gather,
    .multiply,
  ]
  /// Their arithmetic is fixed in Float64; the host does them for a device without it.
  private static let nativeInFloat64: Set<DeviceOperation> = [
    .accumulateClusters, .canonicalScores, .encode,
  ]

  /// - Throws: what the device could not do of the little every device must.
  init(
    _ id: cl_device_id, of platform: OpenCLLibrary.Platform, identifier: String,
    options: OpenCLOptions
  ) throws(TesseraError) {
    let context = try OpenCLContext(
      id, of: platform.library, launchDeadline: options.launchDeadline)
    let name = context.text(CL_DEVICE_NAME)
    let driver = context.text(CL_DRIVER_VERSION)
    cache = ProgramCache(
      directory: options.cacheDirectory,
      deviceKey: [name, driver, platform.name, platform.version].joined(separator: "\n"))
    let memoryBytes = Int(clamping: context.number(CL_DEVICE_GLOBAL_MEM_SIZE, absent: UInt64(0)))
    let maxAllocationBytes = Int(
      clamping: context.number(CL_DEVICE_MAX_MEM_ALLOC_SIZE, absent: UInt64(0)))
    let alignmentBits = context.number(CL_DEVICE_MEM_BASE_ADDR_ALIGN, absent: UInt32(0))
    let arena = Arena(
      context, alignment: max(128, Int(alignmentBits) / 8),
      sharedBlockBytes: options.sharedBlockBytes,
      maxBlockBytes: min(maxAllocationBytes, memoryBytes), memoryBytes: memoryBytes)
    let abilities = try Probe(context, arena: arena, cache: cache).run()

    let type = context.number(CL_DEVICE_TYPE, absent: cl_device_type(0))
    let isCPU = type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0
    let isGPU = type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0
    body = options.body ?? (isCPU ? .wideItem : .tile)
    groupSize = body == .wideItem ? 1 : min(256, abilities.workGroupSize)
    macros = [body.macro: 1, "GROUP": groupSize]
      .merging(abilities.hasFloat64 ? ["HAS_FLOAT64": 1] : [:]) { $1 }
    let matrix = try MatrixChoice(
      options, candidates: context.matrixUnits(of: platform),
      probe: { [macros, cache] () throws(TesseraError) in
        let context = try OpenCLContext(
          id, of: platform.library, launchDeadline: options.launchDeadline)
        let arena = Arena(
          context, alignment: 128, sharedBlockBytes: options.sharedBlockBytes,
          maxBlockBytes: maxAllocationBytes, memoryBytes: memoryBytes)
        return MatrixProbe(context: context, arena: arena, cache: cache, macros: macros)
      })
    matrixUnit = matrix.unit
    filter = matrix.filter
    isFilterForced = options.filter != nil
    trust = KernelTrust(cache, isBlind: !options.triesKernels)
    sessions = Mutex(OpenCLSessions(OpenCLSession(context, arena: arena)))
    description = DeviceInfo(
      identifier: identifier, name: name, kind: isCPU ? .cpu : isGPU ? .gpu : .accelerator,
      vendor: context.text(CL_DEVICE_VENDOR), driver: driver,
      variant: matrix.variant(of: body),
      memoryBytes: memoryBytes, maxAllocationBytes: maxAllocationBytes,
      computeUnits: Int(context.number(CL_DEVICE_MAX_COMPUTE_UNITS, absent: UInt32(1))),
      localMemoryBytes: abilities.localMemoryBytes, maxWorkGroupSize: abilities.workGroupSize,
      hasFloat64: abilities.hasFloat64,
      accelerated: Self.native.union(abilities.hasFloat64 ? Self.nativeInFloat64 : []))
  }

  /// What the device is. Operations whose kernels turned out wrong are not among the native ones.
  public var info: DeviceInfo {
    var info = description
    info.accelerated.subtract(trust.distrusted)
    return info
  }

  public var faults: [TesseraError] { trust.faults }

  // MARK: Memory

  public func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    try reserve(byteCount)
  }

  public func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    let target = try own(target, "upload")
    try checkBounds(target, "upload", source.count, at: byteOffset)
    try context.write(source, to: target.buffer, at: target.start + byteOffset)
  }

  public func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    let source = try own(source, "download")
    try checkBounds(source, "download", target.count, at: byteOffset)
    try context.read(source.buffer, at: source.start + byteOffset, to: target)
  }

  public func synchronize() throws(TesseraError) { try context.finish() }

  private func checkBounds(
    _ storage: OpenCLStorage, _ operation: String, _ count: Int, at byteOffset: Int
  ) throws(TesseraError) {
    guard byteOffset >= 0, count <= storage.byteCount - byteOffset else {
      throw TesseraError(
        .invalidShape,
        "\(operation): \(count) bytes at \(byteOffset) are outside the \(storage.byteCount) there")
    }
  }

  // MARK: For the operations

  /// The session in use.
  var session: OpenCLSession { sessions.withLock(\.current) }
  /// The context in use.
  var context: OpenCLContext { session.context }

  /// Memory for the device's own use. It may be let go as soon as the commands that use it are
  /// queued.
  func reserve(_ byteCount: Int) throws(TesseraError) -> OpenCLStorage {
    let session = try sessions.withLock { sessions throws(TesseraError) in
      if let loss = try sessions.renewIfLost() {
        trust.note(
          TesseraError(
            .deviceLost, "\(description.identifier) was lost and started anew: \(loss.message)",
            status: loss.status))
      }
      return sessions.current
    }
    return try OpenCLStorage(byteCount, from: session.arena)
  }

  /// Tries matrix units, in the context in use.
  var matrixProbe: MatrixProbe {
    let session = session
    return MatrixProbe(
      context: session.context, arena: session.arena, cache: cache, macros: macros)
  }

  /// Memory for `count` elements of type `Element`.
  func reserve<Element>(_ count: Int, of: Element.Type) throws(TesseraError) -> OpenCLStorage {
    let (byteCount, overflow) = count.multipliedReportingOverflow(
      by: MemoryLayout<Element>.stride)
    guard !overflow else {
      throw TesseraError(.outOfMemory, "allocate: \(count) elements are too many for any memory")
    }
    return try reserve(byteCount)
  }

  /// The matrix as a kernel's argument: its buffer and its first element.
  func argument<Element>(
    _ matrix: Matrix<Element>, _ operation: String
  ) throws(TesseraError) -> KernelArgument {
    let storage = try own(matrix.storage, operation)
    return .memory(
      storage, firstElement: storage.start / MemoryLayout<Element>.stride + matrix.offset)
  }

  /// Queues `kernel` of `source` over `grid`; the source is built first if this is its first use.
  func launch(
    _ kernel: String, of source: KernelSource, _ arguments: [KernelArgument], over grid: Grid
  ) throws(TesseraError) {
    try StopSignal.check()
    let session = session
    try session.programs.withLock { programs throws(TesseraError) in
      if programs.built[source] == nil {
        programs.built[source] = try Program.build(
          source, macros: macros, in: session.context, cache: cache)
      }
      try programs.built[source]?.launch(kernel, arguments, over: grid, on: session.context)
    }
  }

  /// The compiler options `source` is built with.
  func options(of source: KernelSource) -> String { source.options(macros) }

  func own(_ storage: Storage, _ operation: String) throws(TesseraError) -> OpenCLStorage {
    guard let storage = storage as? OpenCLStorage else {
      throw TesseraError(.wrongDevice, "\(operation): the memory belongs to another device")
    }
    try requireCurrent(storage, operation)
    return storage
  }

  /// Throws `.wrongDevice` for memory of another device, and `.deviceLost` for memory that was lost.
  func requireCurrent(_ storage: OpenCLStorage, _ operation: String) throws(TesseraError) {
    let owner = storage.buffer.context
    guard owner !== context else { return }
    try owner.requireAlive()
    throw TesseraError(.wrongDevice, "\(operation): the memory belongs to another device")
  }
}
