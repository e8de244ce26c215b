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

  /// Makes one code a vector.
  ///
  /// - Parameter control: Hears how far it is and what a code could not hold, ends it, and says who
  ///   takes over if the device fails.
  /// - Throws: `.invalidShape` for vectors of another dimension, `.nonFinite`, `.invalidArgument` for
  ///   a vector that is too large to be measured, `.cancelled` and `.deadlineExceeded`.
  func encode(
    _ vectors: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> Codes

  /// Returns the vectors the codes stand for: `codes.count` x `dimension`, row-major.
  ///
  /// - Throws: `.invalidShape` for codes of another length, `.invalidArgument` for a code that no
  ///   vector has, `.cancelled` and `.deadlineExceeded`.
  func decode(
    _ codes: Codes, on device: any Device, control: RunControl
  ) throws(TesseraError) -> [Float]

  /// Returns asymmetric scores, `queries.count` x `codes.count`: exact queries against coded vectors.
  ///
  /// The default decodes and computes canonical scores; quantizers with tables or estimators do
  /// better.
  func scores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float]

  /// Holds what a file keeps of it, besides the specification.
  var arrays: [String: StoredArray] { get }

  /// Makes it from what a file kept.
  ///
  /// - Throws: `.malformedFile` where an array is missing, or of the wrong type or shape.
  init(specification: String, arrays: [String: StoredArray]) throws(TesseraError)
}

extension Quantizer {
  /// Makes one code a vector, without progress.
  public func encode(_ vectors: Vectors, on device: any Device) throws(TesseraError) -> Codes {
    try encode(vectors, on: device, control: RunControl())
  }

  /// Returns the vectors the codes stand for, without progress.
  public func decode(_ codes: Codes, on device: any Device) throws(TesseraError) -> [Float] {
    try decode(codes, on: device, control: RunControl())
  }
}

/// Describes what to train by the parameters that a factory string such as `PQ48x8` spells.
public protocol QuantizerRecipe: Sendable {
  /// The factory string; reading it back gives an equal recipe.
  var specification: String { get }

  /// Trains on `points`; equal points and recipes give equal quantizers on every device.
  ///
  /// - Parameter control: Hears of each step, ends the training within a tenth of a second, and says
  ///   who starts it anew if the device fails.
  /// - Throws: `.invalidArgument` for parameters that do not fit the points, `.nonFinite`,
  ///   `.cancelled` and `.deadlineExceeded`, and what the device throws.
  func train(
    _ points: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> TrainedQuantizer
}

extension QuantizerRecipe {
  /// Trains on `points`, without progress.
  public func train(
    _ points: Vectors, on device: any Device
  ) throws(TesseraError) -> TrainedQuantizer {
    try train(points, on: device, control: RunControl())
  }
}

/// Vectors as codes, one after the other.
public struct Codes: Sendable, Hashable {
  /// The number of codes.
  public let count: Int
  /// Bytes of one code.
  public let byteCount: Int
  /// The codes, one after the other.
  public let bytes: [UInt8]

  /// Takes whole codes of `byteCount` bytes.
  ///
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

  /// Returns some of the codes.
  package func rows(_ range: Range<Int>) throws(TesseraError) -> Codes {
    guard range != 0..<count else { return self }
    return try Codes(
      Array(bytes[range.lowerBound * byteCount..<range.upperBound * byteCount]),
      byteCount: byteCount)
  }
}
