import TesseraCompute
import TesseraOpenCL

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Holds what is kept of a device between runs.
struct DeviceRecord: Codable, Hashable {
  var speeds: DeviceProfile?
  /// When the speeds were measured, in seconds since 1970.
  var measured: Double?
  var tuning: TuningRecord?

  /// The speeds, unless they should be measured again.
  func currentSpeeds(at now: Date) -> DeviceProfile? {
    speeds.flatMap { $0.isPlausible && objectionToSpeeds(at: now) == nil ? $0 : nil }
  }

  /// Says why the speeds should be measured again; nil if they are good.
  func objectionToSpeeds(at now: Date = .now) -> String? {
    guard let speeds, speeds.isPlausible else { return "the speeds kept are none" }
    let age = measured.map { now.timeIntervalSince1970 - $0 } ?? .infinity
    // A clock that was set back says nothing.
    guard age >= -60, age < 30 * 86_400 else { return "was measured more than 30 days ago" }
    if speeds.spread ?? 0 > 0.5, age > 3600 {
      return "was measured while the machine did other work"
    }
    return nil
  }
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
