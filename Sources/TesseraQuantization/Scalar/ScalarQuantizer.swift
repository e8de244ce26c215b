public import TesseraCompute
import TesseraHost

/// Scalar quantization: each number by itself, as one of a few levels of its dimension's range, or
/// in 16 bits.
///
/// Levels are FAISS's: with n = 2^bits - 1 and a dimension's least number and range in training,
/// level i = floor(n * (x - least) / range), from 0 to n, stands for least + range * (i + 0.5) / n.
/// Codes are computed on the host, in Float32. A number outside the trained range gets the first or
/// the last level, one beyond 16-bit floats their greatest; encoding notes how many.
public struct ScalarQuantizer: Quantizer {
  /// `scalar`.
  public static let kind = "scalar"

  /// The way a number is stored.
  public let scalarKind: ScalarKind
  /// The least number of each dimension; empty for 16-bit kinds.
  public let minimums: [Float]
  /// The greatest number of each dimension less the least; empty for 16-bit kinds.
  public let ranges: [Float]
  /// Numbers of a vector.
  public let dimension: Int

  /// The name of the kind: `SQ8`, `SQfp16`, ...
  public var specification: String { scalarKind.rawValue }
  /// Bytes of a code: `dimension` numbers of the kind's bits, rounded up to whole bytes.
  public var codeByteCount: Int { packing.bytesPerRow }
  var packing: BitPacking { BitPacking(bits: scalarKind.bits, perRow: dimension) }

  init(_ kind: ScalarKind, dimension: Int, minimums: [Float], ranges: [Float]) {
    scalarKind = kind
    self.dimension = dimension
    self.minimums = minimums
    self.ranges = ranges
  }

  /// Returns the level that each number of a code names.
  public func decode(
    _ codes: Codes, on device: any Device, control: RunControl
  ) throws(TesseraError) -> [Float] {
    try requireOwn(codes)
    return try control.steer(on: device) { device throws(TesseraError) in
      let values: [Float] = try device.hostWorkers.makeRows(codes.count, of: dimension) {
        range, values in
        let first = range.lowerBound * codeByteCount
        decode(
          codes.bytes.span.extracting(first..<range.upperBound * codeByteCount), to: &values)
      }
      // Codes of training or of a file may be any bits.
      if !scalarKind.isTrained, values.span.exceeds(1) { throw notFinite }
      return values
    }
  }

  /// Writes what the codes of `bytes` stand for.
  func decode(_ bytes: Span<UInt8>, to values: inout MutableSpan<Float>) {
    let count = bytes.count / codeByteCount
    precondition(values.count == count * dimension, "room for the vectors")
    let packing = packing
    let highest = Float(1 << scalarKind.bits - 1)
    let (minimums, ranges) = (minimums.span, ranges.span)
    var numbers = [UInt16](repeating: 0, count: scalarKind.bits == 8 ? 0 : dimension)
    for row in 0..<count {
      let code = bytes.extracting(.row(row, of: codeByteCount))
      let start = row * dimension
      if scalarKind.bits != 8 { packing.unpack(row: code, to: &numbers) }
      switch scalarKind {
      case .float16:
        for d in 0..<dimension { values[unchecked: start + d] = Float(halfBits: numbers[d]) }
      case .bfloat16:
        for d in 0..<dimension {
          values[unchecked: start + d] = Float(bitPattern: UInt32(numbers[d]) << 16)
        }
      case .bits8:
        for d in 0..<dimension {
          values[unchecked: start + d] =
            minimums[d] + ranges[d] * ((Float(code[unchecked: d]) + 0.5) / highest)
        }
      case .bits4, .bits6:
        for d in 0..<dimension {
          values[unchecked: start + d] =
            minimums[d] + ranges[d] * ((Float(numbers[d]) + 0.5) / highest)
        }
      }
    }
  }

  private var notFinite: TesseraError {
    TesseraError(
      .invalidArgument, "decode: a code of \(specification) stands for NaN or infinity")
  }

  /// The dimension, and the minimums and ranges, which are empty for 16-bit kinds.
  public var arrays: [String: StoredArray] {
    [
      "dimension": .of([Int64(dimension)], shape: [1]),
      "minimums": .of(minimums, shape: [minimums.count]),
      "ranges": .of(ranges, shape: [ranges.count]),
    ]
  }

  /// Reads the dimension, minimums and ranges; no range may be negative.
  public init(specification: String, arrays: [String: StoredArray]) throws(TesseraError) {
    let table = StoredArrayTable(specification: specification, arrays: arrays)
    guard let kind = ScalarKind(rawValue: specification) else {
      throw table.malformed("its name is not that of a scalar quantizer")
    }
    let (sizes, _) = try table.values("dimension", Int64.self, [1])
    guard let dimension = Int(exactly: sizes[0]), (1...Int(Int32.max)).contains(dimension) else {
      throw table.malformed("it has \(sizes[0]) dimensions")
    }
    let trained = kind.isTrained ? dimension : 0
    let (minimums, _) = try table.values("minimums", Float.self, [trained])
    let (ranges, _) = try table.values("ranges", Float.self, [trained])
    guard ranges.allSatisfy({ $0 >= 0 }) else { throw table.malformed("a range is negative") }
    self.init(kind, dimension: dimension, minimums: minimums, ranges: ranges)
  }
}

/// Chooses how a ``ScalarQuantizer`` stores one number.
public enum ScalarKind: String, Sendable, Hashable, CaseIterable {
  /// One of 2^bits levels between the least and the greatest number of the dimension in training.
  case bits8 = "SQ8"
  case bits6 = "SQ6"
  case bits4 = "SQ4"
  /// IEEE binary16, to nearest even; numbers beyond its range become its greatest.
  case float16 = "SQfp16"
  /// The upper half of a Float32, to nearest even.
  case bfloat16 = "SQbf16"

  var bits: Int {
    switch self {
    case .bits8: 8
    case .bits6: 6
    case .bits4: 4
    case .float16, .bfloat16: 16
    }
  }

  /// True if numbers are levels of a trained range.
  var isTrained: Bool { bits < 16 }
}
