public import TesseraCompute

/// Everything one run measured: what `tessera bench --json` prints and `--compare` reads.
public struct BenchmarkRun: Codable, Sendable, Hashable {
  /// Version of Tessera.
  public var version: String
  /// The time of the measurement, as ISO 8601; nil if nobody said.
  public var date: String?
  /// The measured devices, in the order in which they were measured.
  public var devices: [DeviceBenchmark]
  /// The reasons why other devices could not be measured, in sentences.
  public var problems: [String]

  /// Takes the results as they are.
  public init(
    version: String = TesseraVersion.current, date: String? = nil, devices: [DeviceBenchmark],
    problems: [String] = []
  ) {
    self.version = version
    self.date = date
    self.devices = devices
    self.problems = problems
  }
}

/// Holds what was measured on one device.
public struct DeviceBenchmark: Codable, Sendable, Hashable {
  /// The identifier that `--device` takes.
  public var device: String
  /// The product name.
  public var name: String
  /// The kind of device: `cpu`, `gpu`, `accelerator` or `reference`.
  public var kind: String
  /// The maker of the hardware or driver.
  public var vendor: String
  /// Driver or library version.
  public var driver: String
  /// The code path in use.
  public var variant: String
  /// Cores of a CPU, or what the driver counts as compute units.
  public var computeUnits: Int
  /// Memory that the device can hold, in bytes.
  public var memoryBytes: Int
  /// The figures, in the order in which they were measured.
  public var measurements: [BenchmarkFigure]
  /// The tasks that could not be measured, and why.
  public var unavailable: [Unavailable]

  /// Returns the most that a device can do in a task: the best rate, but of memory the rate at the
  /// largest size, since smaller ones may stay in a cache. Nil if it was not measured.
  public func peak(_ task: BenchmarkTask) -> Double? {
    let mine = measurements.filter { $0.task == task }
    guard task.unit == .bytes else { return mine.map(\.rate).max() }
    let largest = BenchmarkSize.allCases.last { size in mine.contains { $0.size == size } }
    return mine.first { $0.size == largest }?.rate
  }
}

/// One task at one size on one device.
public struct BenchmarkFigure: Codable, Sendable, Hashable {
  /// The task that was timed.
  public var task: BenchmarkTask
  /// The amount of work.
  public var size: BenchmarkSize
  /// Rows, dimension, queries and the like.
  public var shape: [String: Int]
  /// The first call, which builds programs and starts threads.
  public var coldSeconds: Double
  /// The median of the calls after it.
  public var warmSeconds: Double
  /// The shortest of the warm calls.
  public var leastSeconds: Double
  /// The longest of the warm calls.
  public var mostSeconds: Double
  /// Warm calls.
  public var repeats: Int
  /// Units of work a second, from the median.
  public var rate: Double
  /// The unit of work that `rate` counts.
  public var unit: BenchmarkUnit
  /// The rate over the peak of another task on this device: ``BenchmarkTask/peak``. Above 1 where a
  /// filter reads or multiplies less than the plain algorithm, and in a cache. Nil where nothing bounds the task, or its peak was
  /// not measured.
  public var shareOfPeak: Double?
  /// Numbers of the result that were compared with the reference.
  public var checked: Int
}

/// Names a task that a device has no measurement of.
public struct Unavailable: Codable, Sendable, Hashable {
  /// The task and its size.
  public var what: String
  /// The reason, in a sentence.
  public var reason: String
}
