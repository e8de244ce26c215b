public import TesseraCompute
import TesseraOpenCL

extension Devices {
  /// Looks for launch parameters that are faster than the built-in ones, and keeps them in the
  /// user's cache folder, where every later process finds them.
  ///
  /// Goes on where the last call stopped. Parameters change speed only: every candidate's result is
  /// compared with the default's, bit for bit, and is kept only if it was faster by 5 % in
  /// alternating measurements.
  ///
  /// - Parameters:
  ///   - choice: `.openCL`; the first one if it has no number.
  ///   - budgetSeconds: When to stop; at least one measurement is made.
  ///   - afresh: Forgets what was measured before.
  ///   - progress: Is told the share of shapes that are done, 0 to 1.
  /// - Throws: `.deviceUnavailable`; `.unsupported` for a device that has nothing to tune.
  public static func tune(
    _ choice: DeviceChoice = .openCL(nil), budgetSeconds: Double = 60, afresh: Bool = false,
    progress: (Double) -> Void = { _ in }
  ) throws(TesseraError) -> TuningReport {
    guard case .openCL = choice else {
      throw TesseraError(
        .unsupported, "tune: \(choice) has no launch parameters; use opencl or opencl:N")
    }
    if afresh { OpenCLDevice.forgetBodyChoices() }
    let selected = try Backends.live(threads: nil).select(choice, for: typicalSearch)
    guard let device = selected.device as? OpenCLDevice else {
      throw TesseraError(
        .unsupported, "tune: \(selected.device.info.identifier) has no launch parameters")
    }
    return try tune(
      Tuner(device: device), in: .user, budgetSeconds: budgetSeconds, afresh: afresh,
      progress: progress)
  }

  static func tune(
    _ tuner: Tuner, in store: ProfileStore, budgetSeconds: Double, afresh: Bool,
    progress: (Double) -> Void
  ) throws(TesseraError) -> TuningReport {
    let info = tuner.device.info
    let known = afresh ? nil : store.tuning(for: info)
    // A record that was measured with other kernels, or is not a tuning at all, is worth nothing.
    var record = known.flatMap { (try? $0.launchTuning()) == nil ? nil : $0 } ?? TuningRecord()
    let trialCount = try tuner.run(
      &record, budget: budgetSeconds, save: { store.save($0, for: info) }, progress: progress)
    return TuningReport(
      device: info, newTrials: trialCount, path: store.path,
      classes: tuner.tasks.map { task in
        let state = record.classes[task.shapes.description]
        return TuningReport.Class(
          name: task.shapes.description, work: task.description,
          trials: state?.trials.count ?? 0, isFinished: state?.isFinished ?? false,
          chosen: state?.chosen ?? [:], gain: state?.gain ?? 1,
          best: state?.trials.max { $0.gain < $1.gain }.map { ($0.values, $0.gain) })
      })
  }
}

/// Reports what is known of a device's launch parameters.
public struct TuningReport: Sendable {
  /// The device that was tuned.
  public let device: DeviceInfo
  /// Measurements made by this call; the others are from calls before.
  public let newTrials: Int
  /// The file that keeps the tuning; nil if there is no cache folder.
  public let path: String?
  /// The classes of shapes, the most used first.
  public let classes: [Class]

  /// True if nothing is left to try.
  public var isComplete: Bool { classes.allSatisfy(\.isFinished) }

  /// One class of shapes.
  public struct Class: Sendable {
    /// The name of the class in files: `search many some few`.
    public let name: String
    /// The work that stands for the class.
    public let work: String
    /// Values tried so far.
    public let trials: Int
    /// True if nothing is left to try for this class.
    public let isFinished: Bool
    /// The values in use, by name; empty for the defaults.
    public let chosen: [String: Int]
    /// Time with the defaults over time with `chosen`.
    public let gain: Double
    /// The values that did best, whether they were kept or not.
    public let best: (values: [String: Int], gain: Double)?
  }
}
