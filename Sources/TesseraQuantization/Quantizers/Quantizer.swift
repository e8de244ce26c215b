public import TesseraCompute

/// A trained map from vectors to short codes and back.
///
/// Codes, decoded vectors and scores are bit-identical on every device. To add one: a type that
/// conforms to this, a ``QuantizerRecipe`` that trains it, and its family's line in
/// `QuantizerFactory.swift`.
public protocol Quantizer: Sendable {
  /// Names the kind in files: `product`, `scalar`, ...
  static var kind: String { get }

  /// The factory string of the recipe that made it, such as `PQ48x8`.
  var specification: String { get }
  /// Numbers of a vector.
  var dimension: Int { get }
  /// Bytes of a code.
  var codeByteCount: Int { get }

  /// One code a vector.
  ///
  /// - Throws: `.invalidShape` for vectors of another dimension, `.nonFinite`.
  func encode(_ vectors: Vectors, on device: any Device) throws(TesseraError) -> Codes

  /// The vectors the codes stand for: `codes.count` x `dimension`, row-major.
  ///
  /// - Throws: `.invalidShape` for codes of another length, `.invalidArgument` for a code that no
  ///   vector has.
  func decode(_ codes: Codes, on device: any Device) throws(TesseraError) -> [Float]

  /// Asymmetric scores, `queries.count` x `codes.count`: exact queries against coded vectors.
  ///
  /// The default decodes and computes canonical scores; quantizers with tables or estimators do
  /// better.
  func scores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float]

  /// The arrays that a file keeps, besides the specification.
  var arrays: [String: StoredArray] { get }

  /// Makes the quantizer from the arrays that a file kept.
  ///
  /// - Throws: `.malformedFile` where a tensor is missing, or of the wrong type or shape.
  init(specification: String, arrays: [String: StoredArray]) throws(TesseraError)
}

/// Names what to train: the parameters that a factory string such as `PQ48x8` spells.
public protocol QuantizerRecipe: Sendable {
  /// The factory string; reading it back gives an equal recipe.
  var specification: String { get }

  /// Trains on `points`; equal points and recipes give equal quantizers on every device.
  ///
  /// - Parameter progress: Called after each step. What it throws ends the training.
  /// - Throws: `.invalidArgument` for parameters that do not fit the points, `.nonFinite`, and what
  ///   the device throws.
  func train(
    _ points: Vectors, on device: any Device,
    progress: (TrainingStep) throws(TesseraError) -> Void
  ) throws(TesseraError) -> TrainedQuantizer
}

/// Vectors as codes, one after the other.
public struct Codes: Sendable, Hashable {
  /// The number of codes.
  public let count: Int
  /// Bytes of one code.
  public let byteCount: Int
  /// All codes, one after the other: `count * byteCount` bytes.
  public let bytes: [UInt8]

  /// - Throws: `.invalidShape` unless `bytes` holds whole codes.
  public init(_ bytes: [UInt8], byteCount: Int) throws(TesseraError) {
    guard byteCount > 0, bytes.count % byteCount == 0 else {
      throw TesseraError(
        .invalidShape, "codes: \(bytes.count) bytes do not divide into codes of \(byteCount)")
    }
    count = bytes.count / byteCount
    self.byteCount = byteCount
    self.bytes = bytes
  }

  /// Some of the codes.
  func rows(_ range: Range<Int>) throws(TesseraError) -> Codes {
    try Codes(
      Array(bytes[range.lowerBound * byteCount..<range.upperBound * byteCount]),
      byteCount: byteCount)
  }
}
