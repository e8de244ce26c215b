/// How work that can be done again goes on when its device fails.
///
///     let (clusters, device) = try Recovery(of: gpu, fallback: cpu).run { device in
///       try KMeans(options).cluster(points, on: device)
///     }
public struct Recovery: Sendable {
  public let device: any Device
  public let fallback: (any Device)?
  private let note: @Sendable (String) -> Void

  /// - Parameters:
  ///   - fallback: Who takes over if the device fails · nil lets the error through.
  ///   - note: Hears, in a sentence, of every failure that was overcome.
  public init(
    of device: any Device, fallback: (any Device)? = nil,
    note: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.device = device
    self.fallback = fallback
    self.note = note
  }

  /// What `work` returns, and the device that did it: once more the same one if it only lost what
  /// was stored on it, else the fallback.
  ///
  /// - Parameter work: Starts from what the host has, and keeps nothing on a device that failed.
  /// - Throws: Whatever is not the device's fault, and the device's failure without a fallback.
  public func run<Result>(
    _ work: (any Device) throws(TesseraError) -> Result
  ) throws(TesseraError) -> (result: Result, device: any Device) {
    do throws(TesseraError) {
      return (try patiently(work), device)
    } catch {
      guard error.isFailureOfDevice, let fallback, fallback !== device else { throw error }
      note("\(device.info.identifier) failed: \(error); \(fallback.info.identifier) takes over")
      return (try work(fallback), fallback)
    }
  }

  private func patiently<Result>(
    _ work: (any Device) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    let known = device.faults
    defer { for fault in device.faults where !known.contains(fault) { note(fault.description) } }
    do throws(TesseraError) {
      return try work(device)
    } catch {
      guard error.code == .deviceLost else { throw error }
      return try work(device)
    }
  }
}
