import TesseraCompute
import TesseraFormats
import TesseraHost
import TesseraOpenCL

/// Holds what is kept of a device between runs.
struct DeviceRecord: Hashable {
  var speeds: DeviceProfile?
  /// When the speeds were measured, in seconds since 1970.
  var measured: Double?
  var tuning: TuningRecord?

  /// Seconds since 1970.
  static var now: Double { Double(time(nil)) }

  /// The speeds, unless they should be measured again.
  func currentSpeeds(at now: Double) -> DeviceProfile? {
    speeds.flatMap { $0.isPlausible && objectionToSpeeds(at: now) == nil ? $0 : nil }
  }

  /// Says why the speeds should be measured again; nil if they are good.
  func objectionToSpeeds(at now: Double = Self.now) -> String? {
    guard let speeds, speeds.isPlausible else { return "the speeds kept are none" }
    let age = measured.map { now - $0 } ?? .infinity
    // A clock that was set back says nothing.
    guard age >= -60, age < 30 * 86_400 else { return "was measured more than 30 days ago" }
    if speeds.spread ?? 0 > 0.5, age > 3600 {
      return "was measured while the machine did other work"
    }
    return nil
  }
}

/// The state of the tuning of an OpenCL device, complete or not.
struct TuningRecord: Hashable {
  /// The kernels it was measured with.
  var kernels = LaunchTuning.kernelFingerprint
  /// The record of each ``LaunchClass``, by its name.
  var classes: [String: ClassRecord] = [:]

  /// One class of shapes.
  struct ClassRecord: Hashable {
    var trials: [Trial] = []
    /// The values to launch with: the defaults where this is empty.
    var chosen: [String: Int] = [:]
    /// Time with the defaults over time with what was chosen, when it was last confirmed.
    var gain = 1.0
    var isFinished = false
  }

  /// Values that were tried.
  struct Trial: Hashable {
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

// MARK: As JSON

extension DeviceRecord {
  /// Nil for what no record is.
  init?(_ json: JSONValue) {
    guard json.entries != nil else { return nil }
    measured = json["measured"]?.double
    if let own = json["speeds"] {
      guard let profile = DeviceProfile(own) else { return nil }
      speeds = profile
    }
    if let own = json["tuning"] {
      guard let record = TuningRecord(own) else { return nil }
      tuning = record
    }
  }

  var json: JSONValue {
    var entries: [String: JSONValue] = [:]
    entries["speeds"] = speeds?.json
    entries["measured"] = measured.map { .number($0) }
    entries["tuning"] = tuning?.json
    return .object(entries)
  }
}

extension DeviceProfile {
  init?(_ json: JSONValue) {
    guard let overhead = json["overheadSeconds"]?.double,
      let prepared = json["preparedBytesPerSecond"]?.double,
      let products = json["productsPerSecond"]?.double
    else { return nil }
    self.init(
      overheadSeconds: overhead, preparedBytesPerSecond: prepared, productsPerSecond: products,
      spread: json["spread"]?.double)
  }

  var json: JSONValue {
    var entries: [String: JSONValue] = [
      "overheadSeconds": .number(overheadSeconds),
      "preparedBytesPerSecond": .number(preparedBytesPerSecond),
      "productsPerSecond": .number(productsPerSecond),
    ]
    entries["spread"] = spread.map { .number($0) }
    return .object(entries)
  }
}

extension TuningRecord {
  init?(_ json: JSONValue) {
    guard case .string(let kernels)? = json["kernels"], let classes = json["classes"]?.entries
    else { return nil }
    self.kernels = kernels
    for (name, own) in classes {
      guard let record = ClassRecord(own) else { return nil }
      self.classes[name] = record
    }
  }

  var json: JSONValue {
    .object(["kernels": .string(kernels), "classes": .object(classes.mapValues(\.json))])
  }
}

extension TuningRecord.ClassRecord {
  init?(_ json: JSONValue) {
    guard let trials = json["trials"]?.values, let chosen = json["chosen"].flatMap(wholeNumbers),
      let gain = json["gain"]?.double, case .boolean(let isFinished)? = json["isFinished"]
    else { return nil }
    for own in trials {
      guard let trial = TuningRecord.Trial(own) else { return nil }
      self.trials.append(trial)
    }
    (self.chosen, self.gain, self.isFinished) = (chosen, gain, isFinished)
  }

  var json: JSONValue {
    .object([
      "trials": .array(trials.map(\.json)), "chosen": .object(chosen.mapValues { .integer($0) }),
      "gain": .number(gain), "isFinished": .boolean(isFinished),
    ])
  }
}

extension TuningRecord.Trial {
  init?(_ json: JSONValue) {
    guard let values = json["values"].flatMap(wholeNumbers), let gain = json["gain"]?.double
    else { return nil }
    (self.values, self.gain) = (values, gain)
  }

  var json: JSONValue {
    .object(["values": .object(values.mapValues { .integer($0) }), "gain": .number(gain)])
  }
}

/// Returns an object of whole numbers; nil for other values.
private func wholeNumbers(_ json: JSONValue) -> [String: Int]? {
  guard let entries = json.entries else { return nil }
  var numbers: [String: Int] = [:]
  for (name, value) in entries {
    guard case .integer(let number) = value else { return nil }
    numbers[name] = number
  }
  return numbers
}
