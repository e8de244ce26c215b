internal import Kernels
internal import Synchronization
internal import TesseraCompute

/// Knows which operations of a device have shown that their kernels work, and which were found
/// wrong.
///
/// Operations that passed are kept beside the program cache, so that only the first process that
/// uses a device with this driver and these kernels tries them.
final class KernelTrust: Sendable {
  /// Operations of a test are not tested themselves.
  @TaskLocal static var isTesting = false

  private let cache: ProgramCache
  private let isBlind: Bool
  private let verdicts = Mutex<[String: Verdict]>([:])
  private let findings = Mutex(Findings())

  private enum Verdict: Sendable {
    case right
    case wrong(TesseraError)
  }

  private struct Findings {
    var faults: [TesseraError] = []
    var distrusted: Set<DeviceOperation> = []
  }

  /// - Parameter isBlind: Whether kernels are used without having been tried.
  init(_ cache: ProgramCache, isBlind: Bool) {
    self.isBlind = isBlind
    self.cache = ProgramCache(
      directory: cache.directory, deviceKey: cache.deviceKey, prefix: "passed")
  }

  /// The faults that were overcome so far, oldest first.
  var faults: [TesseraError] { findings.withLock(\.faults) }
  var distrusted: Set<DeviceOperation> { findings.withLock(\.distrusted) }

  func note(_ fault: TesseraError) { findings.withLock { $0.faults.append(fault) } }

  /// Returns why the kernels of `test` are not to be used on `device`; nil if they work. They are
  /// tried if nobody has done that yet, while other threads wait.
  ///
  /// - Throws: what kept the test from being done: it says nothing of the kernels.
  func objection(to test: SelfTest, on device: OpenCLDevice) throws(TesseraError) -> TesseraError? {
    guard !isBlind, !Self.isTesting else { return nil }
    let verdict = try verdicts.withLock { verdicts throws(TesseraError) -> Verdict in
      if let known = verdicts[test.name] { return known }
      let verdict = try judge(test, on: device)
      verdicts[test.name] = verdict
      return verdict
    }
    return if case .wrong(let error) = verdict { error } else { nil }
  }

  /// Work-groups or items that a device, or its compiler for this kernel, does not take.
  private static let groupRefusals: Set<Int32> = [-54, -55]

  private func judge(_ test: SelfTest, on device: OpenCLDevice) throws(TesseraError) -> Verdict {
    let key = cache.key(
      source: "passed \(test.name)\n\(Self.kernelFingerprint)",
      options: device.options(of: KernelSource("common")))
    if cache.binary(for: key) != nil { return .right }
    guard let error = try failure(of: test, on: device) else {
      cache.store([1], for: key)
      return .right
    }
    findings.withLock {
      $0.faults.append(error)
      $0.distrusted.insert(test.operation)
      if test.operation == .multiply { $0.distrusted.insert(.innerProducts) }
    }
    return .wrong(error)
  }

  private func failure(
    of test: SelfTest, on device: OpenCLDevice
  ) throws(TesseraError) -> TesseraError? {
    let outcome = Self.$isTesting.withValue(true) {
      Result { () throws(TesseraError) in try test.problem(device) }
    }
    let info = device.info
    let remedy =
      (test.isLeftToHost ? "the host does it from now on" : "use another device")
      + ", and update the driver (\(info.name), \(info.driver))"
    let wrong = TesseraError(
      .deviceFailure, "\(info.identifier): \(test.name) gives wrong numbers; \(remedy)")
    switch outcome {
    case .success(let bits):
      return try bits == test.problem(ReferenceDevice.shared) ? nil : wrong
    case .failure(let error)
    where error.code == .deviceFailure && error.status == nil && device.context.loss == nil:
      // No call failed: what came back made no sense.
      return wrong
    case .failure(let error) where error.code == .buildFailure:
      return TesseraError(
        .buildFailure, "\(info.identifier): \(test.name): \(error.message)\n\(remedy)",
        status: error.status)
    case .failure(let error) where Self.groupRefusals.contains(error.status ?? 0):
      return TesseraError(
        .deviceFailure,
        "\(info.identifier): \(test.name): its work-groups are too large for the driver "
          + "(\(error.message)); \(remedy)", status: error.status)
    case .failure(let error) where error.isFailureOfDevice || error.isStop:
      throw error
    case .failure(let error):
      // There is nothing to refuse in the problem.
      return TesseraError(
        .deviceFailure,
        "\(info.identifier): \(test.name) refuses what is right (\(error.message)); \(remedy)")
    }
  }

  /// A number for the text of all kernels.
  static let kernelFingerprint: UInt64 = {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var index = 0
    while let text = kernels_text(index) {
      var next = text
      while next.pointee != 0 {
        hash = (hash ^ UInt64(UInt8(bitPattern: next.pointee))) &* 0x100_0000_01b3
        next += 1
      }
      index += 1
    }
    return hash
  }()
}

extension OpenCLDevice {
  /// Tells whether the kernels of `test` work. If not, the host does the operation.
  func trusts(_ test: SelfTest) throws(TesseraError) -> Bool {
    try trust.objection(to: test, on: self) == nil
  }

  /// Throws unless the kernels of `test` work: for operations that the host has a device for.
  func requireTrust(_ test: SelfTest) throws(TesseraError) {
    if let objection = try trust.objection(to: test, on: self) { throw objection }
  }
}

/// The same memory as a device, with none of its kernels: what the protocol's defaults see.
///
/// It does an operation that the device cannot do itself, such as one in Float64 where there is
/// none.
final class HostPath: Device {
  private let device: OpenCLDevice

  init(_ device: OpenCLDevice) { self.device = device }

  var info: DeviceInfo { device.info }

  func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    try device.allocate(byteCount: byteCount)
  }

  func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    try device.upload(source, to: target, at: byteOffset)
  }

  func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try device.download(source, at: byteOffset, to: target)
  }
}
