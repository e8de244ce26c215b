/// Names a piece of work that is timed. The raw value is its name in the command line and in files.
public enum BenchmarkTask: String, Sendable, Hashable, CaseIterable, Codable {
  /// Rows copied on the device, every one of them (`gather`): the measured memory bandwidth.
  case copy
  /// Host memory to the device.
  case upload
  /// Device memory to the host.
  case download
  /// Float32 matrices multiplied (`multiply`): the measured arithmetic rate.
  case multiply
  /// Matrices rounded to Float16 multiplied by a matrix unit, as filters do.
  case multiplyFloat16
  /// The same of Int8.
  case multiplyInt8
  /// One query against many rows (`nearest`), which has to go over the rows once.
  case read
  /// Many queries against many rows (`nearest`): filter, selection and canonical scores.
  case nearest
  /// The best of each row of scores (`topK`).
  case topK
  /// One update of k-means (`assignNearest`, `accumulateClusters`).
  case kmeans
  /// Product-quantizer codes of points (`encode`).
  case encode
  /// Sums of table entries by code (`lookupScores`).
  case lookupScores
  /// Codes of 4 bits scanned for the best (`nearestCodes`), as table entries that all sums have.
  case nearestCodes

  /// The unit that `rate` of this task counts.
  public var unit: BenchmarkUnit {
    switch self {
    case .copy, .upload, .download, .read, .topK: .bytes
    case .multiply, .multiplyFloat16, .multiplyInt8, .nearest, .kmeans, .encode: .operations
    case .lookupScores, .nearestCodes: .lookups
    }
  }

  /// The task whose rate this one's is a share of; nil where none bounds it.
  public var peak: BenchmarkTask? {
    switch self {
    case .read, .topK: .copy
    case .nearest, .kmeans, .encode: .multiply
    case .copy, .upload, .download, .multiply, .multiplyFloat16, .multiplyInt8, .lookupScores,
      .nearestCodes:
      nil
    }
  }
}

/// The unit of work that a rate counts, in a second.
public enum BenchmarkUnit: String, Sendable, Hashable, Codable {
  case bytes = "B/s"
  /// Multiplications and additions that the plain algorithm needs.
  case operations = "FLOP/s"
  /// Table entries added.
  case lookups = "lookups/s"
}

/// The amount of work that a task is given.
public enum BenchmarkSize: String, Sendable, Hashable, CaseIterable, Codable {
  case small, medium, large
  /// Gigabytes: for GPUs, measured only if it is asked for.
  case huge

  /// The one of four values that belongs to this size.
  func pick<Value>(_ small: Value, _ medium: Value, _ large: Value, _ huge: Value) -> Value {
    switch self {
    case .small: small
    case .medium: medium
    case .large: large
    case .huge: huge
    }
  }
}
