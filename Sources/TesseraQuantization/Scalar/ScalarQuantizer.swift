public import TesseraCompute

/// Scalar quantization: each number by itself, as one of a few levels of its dimension's range, or
/// in 16 bits.
///
/// Levels are FAISS's: with n = 2^bits - 1 and a dimension's least number and range in training,
/// level i = floor(n * (x - least) / range), from 0 to n, stands for least + range * (i + 0.5) / n.
/// Codes are computed on the host, in Float32.
public struct ScalarQuantizer: Quantizer {
  /// `scalar`.
  public static let kind = "scalar"

  /// The form in which each number is stored.
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

  /// Computes each number on the host from its level or its 16 bits; refuses codes that stand for
  /// NaN or infinity.
  public func decode(_ codes: Codes, on device: any Device) throws(TesseraError) -> [Float] {
    try requireOwn(codes)
    let numbers = packing.unpack(codes.bytes)
    switch scalarKind {
    case .float16:
      guard numbers.allSatisfy({ $0 & 0x7C00 != 0x7C00 }) else { throw notFinite }
      return numbers.map { Float(halfBits: $0) }
    case .bfloat16:
      guard numbers.allSatisfy({ $0 & 0x7F80 != 0x7F80 }) else { throw notFinite }
      return numbers.map { Float(bitPattern: UInt32($0) << 16) }
    case .bits4, .bits6, .bits8: break
    }
    let highest = Float(1 << scalarKind.bits - 1)
    return [Float](unsafeUninitializedCapacity: numbers.count) { values, initialized in
      for start in stride(from: 0, to: numbers.count, by: dimension) {
        for d in 0..<dimension {
          values[start + d] =
            minimums[d] + ranges[d] * ((Float(numbers[start + d]) + 0.5) / highest)
        }
      }
      initialized = numbers.count
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
