import TesseraCompute
import TesseraOpenCL

/// Holds what is kept of a device between runs.
struct DeviceRecord: Codable, Hashable {
  var speeds: DeviceProfile?
  var tuning: TuningRecord?
}

/// The state of the tuning of an OpenCL device, complete or not.
struct TuningRecord: Codable, Hashable {
  /// The kernels it was measured with.
  var kernels = LaunchTuning.kernelFingerprint
  /// The record of each ``LaunchClass``, by its name.
  var classes: [String: ClassRecord] = [:]

  /// One class of shapes.
  struct ClassRecord: Codable, Hashable {
    var trials: [Trial] = []
    /// The values to launch with: the defaults where this is empty.
    var chosen: [String: Int] = [:]
    /// Time with the defaults over time with what was chosen, when it was last confirmed.
    var gain = 1.0
    var isFinished = false
  }

  /// Values that were tried.
  struct Trial: Codable, Hashable {
    var values: [String: Int]
    /// Time with the defaults over time with these; 0 if they did not give the same result.
    var gain: Double
  }

  /// - Throws: `.malformedFile` for what cannot be a tuning of these kernels.
  func launchTuning() throws(TesseraError) -> LaunchTuning {
    guard kernels == LaunchTuning.kernelFingerprint else {
      throw TesseraError(.malformedFile, "it was measured with other kernels")
    }
    var tuning = LaunchTuning()
    for (name, record) in classes {
      guard let shapes = LaunchClass(name) else {
        throw TesseraError(.malformedFile, "there is no class of shapes \"\(name)\"")
      }
      tuning[shapes] = try LaunchValues(byName: record.chosen)
    }
    return tuning
  }
}
