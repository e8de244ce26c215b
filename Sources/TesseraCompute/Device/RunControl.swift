public import TesseraHost

/// Steers a long call from outside: hears of its progress, ends it, and says who takes over if the
/// device fails. Searches, k-means and training all take one.
///
///     var control = RunControl { step in print(step.stage, step.done) }
///     control.fallback = cpu
///     let clusters = try KMeans(options).cluster(points, on: gpu, control: control)
public struct RunControl: Sendable {
  /// Tells how far a call has come.
  public struct Progress: Sendable, Hashable {
    /// What is being done: `search`, `iteration 3 of 20`, `rotation 2 of 20`.
    public let stage: String
    /// The share of the whole call that is done, from 0 to 1.
    public let done: Double
    /// The objective so far, where there is one: smaller is better.
    public let objective: Double?

    /// Takes a report as it is: `done` is a share of the whole call, from 0 to 1.
    public init(_ stage: String, done: Double, objective: Double? = nil) {
      self.stage = stage
      self.done = done
      self.objective = objective
    }
  }

  /// Ends the call when it is raised or its deadline has passed.
  public var stop: StopSignal
  /// The device that takes over if the chosen one fails · nil lets the error through.
  public var fallback: (any Device)?
  /// Is told after each step how far the call is, on the thread that called.
  public var progress: @Sendable (Progress) -> Void
  /// Is told, in a sentence, of every shortage or failure that was overcome.
  public var note: @Sendable (String) -> Void

  /// Takes what should differ from the defaults: no deadline, no fallback, and nobody who listens.
  ///
  /// A closure behind the parentheses hears of progress; one that hears notes is labelled:
  ///
  ///     let control = RunControl(fallback: cpu) { step in
  ///       print(step.stage, step.done)
  ///     } note: { text in
  ///       print(text)
  ///     }
  public init(
    stop: StopSignal = StopSignal(), fallback: (any Device)? = nil,
    progress: @escaping @Sendable (Progress) -> Void = { _ in },
    note: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.stop = stop
    self.fallback = fallback
    self.note = note
    self.progress = progress
  }

  /// Tells how far the call is, and ends it if that was asked of it or of a call around it.
  ///
  /// - Throws: `.cancelled` or `.deadlineExceeded`.
  package func report(
    _ stage: String, done: Double, objective: Double? = nil
  ) throws(TesseraError) {
    progress(Progress(stage, done: done, objective: objective))
    try stop.check()
    try StopSignal.check()
  }

  /// Returns this control for a stage of a longer call: its progress counts as the share `share` of
  /// the whole, and its stages are named after `name`.
  package func stage(_ name: String, _ share: ClosedRange<Double>) -> RunControl {
    var inner = self
    inner.progress = { [progress] step in
      let width = share.upperBound - share.lowerBound
      progress(
        Progress(
          name.isEmpty ? step.stage : "\(name): \(step.stage)",
          done: share.lowerBound + step.done * width, objective: step.objective))
    }
    return inner
  }

  /// Runs `work` as ``run(on:_:)`` does, and returns its result. Whatever happens on the way looks
  /// at this control's stop signal, and at that of a call around it.
  package func steer<Result>(
    on device: any Device, _ work: (any Device) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    try stop.govern { () throws(TesseraError) in
      try StopSignal.check()
      return try run(on: device, work).result
    }
  }

  /// Runs `work` on `device`; after `.deviceLost` once more on the same device, then on the
  /// fallback. Returns the result and the device that made it.
  ///
  ///     let (clusters, device) = try control.run(on: gpu) { device in
  ///       try KMeans(options).cluster(points, on: device)
  ///     }
  ///
  /// - Parameter work: Starts from what the host has, and keeps nothing on a device that failed.
  /// - Throws: Whatever is not the device's fault, and the device's failure without a fallback.
  public func run<Result>(
    on device: any Device, _ work: (any Device) throws(TesseraError) -> Result
  ) throws(TesseraError) -> (result: Result, device: any Device) {
    do throws(TesseraError) {
      return (try runAgainIfLost(device, work), device)
    } catch {
      guard error.isFailureOfDevice, let fallback, fallback !== device else { throw error }
      note("\(device.info.identifier) failed: \(error); \(fallback.info.identifier) takes over")
      return (try work(fallback), fallback)
    }
  }

  private func runAgainIfLost<Result>(
    _ device: any Device, _ work: (any Device) throws(TesseraError) -> Result
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
