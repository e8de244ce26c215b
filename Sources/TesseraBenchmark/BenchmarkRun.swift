public import TesseraCompute

/// Everything one run measured: what `tessera bench --json` prints and `--compare` reads.
public struct BenchmarkRun: Codable, Sendable, Hashable {
  /// Version of Tessera.
  public var version: String
  /// When it was measured, as ISO 8601; nil if nobody said.
  public var date: String?
  public var devices: [DeviceBenchmark]
  /// What stood in the way of other devices.
  public var problems: [String]

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

/// What was measured on one device.
public struct DeviceBenchmark: Codable, Sendable, Hashable {
  public var device: String
  public var name: String
  public var kind: String
  public var vendor: String
  public var driver: String
  /// The code path in use.
  public var variant: String
  public var computeUnits: Int
  public var memoryBytes: Int
  public var measurements: [BenchmarkFigure]
  /// What could not be measured, and why.
  public var unavailable: [Unavailable]

  /// What a device can do at most in a task: the best rate, but of memory the rate at the largest
  /// size, since smaller ones may stay in a cache. Nil if it was not measured.
  public func peak(_ task: BenchmarkTask) -> Double? {
    let mine = measurements.filter { $0.task == task }
    guard task.unit == .bytes else { return mine.map(\.rate).max() }
    let largest = BenchmarkSize.allCases.last { size in mine.contains { $0.size == size } }
    return mine.first { $0.size == largest }?.rate
  }
}

/// One task at one size on one device.
public struct BenchmarkFigure: Codable, Sendable, Hashable {
  public var task: BenchmarkTask
  public var size: BenchmarkSize
  /// Rows, dimension, queries and the like.
  public var shape: [String: Int]
  /// The first call, which builds programs and starts threads.
  public var coldSeconds: Double
  /// The median of the calls after it.
  public var warmSeconds: Double
  public var leastSeconds: Double
  public var mostSeconds: Double
  /// Warm calls.
  public var repeats: Int
  /// Units of work a second, from the median.
  public var rate: Double
  public var unit: BenchmarkUnit
  /// The rate over the peak of another task on this device: ``BenchmarkTask/peak``. Above 1 where a
  /// filter reads or multiplies less than the plain algorithm, and in a cache. Nil where nothing bounds the task, or its peak was
  /// not measured.
  public var shareOfPeak: Double?
  /// Numbers of the result that were compared with the reference.
  public var checked: Int
}

/// What a device has no measurement of.
public struct Unavailable: Codable, Sendable, Hashable {
  public var what: String
  public var reason: String
}
