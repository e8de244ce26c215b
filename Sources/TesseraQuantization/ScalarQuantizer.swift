public import TesseraCompute

/// Scalar quantization: each number by itself, as one of a few levels of its dimension's range, or
/// in 16 bits.
///
/// Levels are FAISS's: with n = 2^bits - 1 and a dimension's least number and range in training,
/// level i = floor(n * (x - least) / range), from 0 to n, stands for least + range * (i + 0.5) / n.
/// Codes are computed on the host, in Float32.
public struct ScalarQuantizer: Quantizer {
  public static let kind = "scalar"

  public let scalarKind: ScalarKind
  /// The least number of each dimension; empty for 16-bit kinds.
  public let minimums: [Float]
  /// The greatest number of each dimension less the least; empty for 16-bit kinds.
  public let ranges: [Float]
  public let dimension: Int

  public var specification: String { scalarKind.rawValue }
  public var codeByteCount: Int { packing.bytesPerRow }
  private var packing: BitPacking { BitPacking(bits: scalarKind.bits, perRow: dimension) }

  init(_ kind: ScalarKind, dimension: Int, minimums: [Float], ranges: [Float]) {
    scalarKind = kind
    self.dimension = dimension
    self.minimums = minimums
    self.ranges = ranges
  }

  /// Complexity: O(vectors * dimension), on the host.
  public func encode(_ vectors: Vectors, on device: any Device) throws(TesseraError) -> Codes {
    try vectors.requireDimension(dimension, "encode")
    var bytes: [UInt8] = []
    bytes.reserveCapacity(vectors.count * codeByteCount)
    let blockRows = max(1, (1 << 20) / dimension)
    for start in stride(from: 0, to: vectors.count, by: blockRows) {
      let values = vectors.rows(start..<min(start + blockRows, vectors.count)).widened()
      guard values.allSatisfy(\.isFinite) else {
        try Shapes.requireFinite(vectors, "encode")
        break
      }
      bytes += packing.pack(numbers(values, on: device))
    }
    return try Codes(bytes, byteCount: codeByteCount)
  }

  private func numbers(_ values: [Float], on device: any Device) -> [UInt16] {
    switch scalarKind {
    case .float16: return values.map(\.nearestHalfBits)
    case .bfloat16: return values.map(\.nearestBFloat16Bits)
    case .bits4, .bits6, .bits8: break
    }
    let levels = Levels(
      dimension: dimension, highest: Float(1 << scalarKind.bits - 1), minimums: minimums,
      // A dimension that was constant has one level that matters.
      spreads: ranges.map { $0 > 0 ? $0 : .infinity })
    let rowCount = values.count / dimension
    return [UInt16](unsafeUninitializedCapacity: values.count) { numbers, initialized in
      let target = SharedRows(start: numbers.baseAddress.unsafelyUnwrapped)
      device.forEachRange(of: rowCount) { rows in
        values.withUnsafeBufferPointer { values in
          for row in rows {
            levels.find(
              values.baseAddress.unsafelyUnwrapped + row * dimension,
              into: target.start + row * dimension)
          }
        }
      }
      initialized = values.count
    }
  }

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

  public var tensors: [String: Tensor] {
    [
      "dimension": .of([Int64(dimension)], shape: [1]),
      "minimums": .of(minimums, shape: [minimums.count]),
      "ranges": .of(ranges, shape: [ranges.count]),
    ]
  }

  public init(specification: String, tensors: [String: Tensor]) throws(TesseraError) {
    let table = TensorTable(specification: specification, tensors: tensors)
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

/// Which level each number of a row is at.
private struct Levels: Sendable {
  let dimension: Int
  /// The highest level's number, below 2^16.
  let highest: Float
  let minimums: [Float]
  let spreads: [Float]

  /// Written so that a compiler can do several numbers at a time: without calls, and without the
  /// checks of a conversion to whole numbers.
  func find(_ row: UnsafePointer<Float>, into numbers: UnsafeMutablePointer<UInt16>) {
    minimums.withUnsafeBufferPointer { minimums in
      spreads.withUnsafeBufferPointer { spreads in
        for d in 0..<dimension {
          let place = (row[d] - minimums[d]) / spreads[d]
          // NaN, of a number far outside a constant dimension, is level 0.
          let level = highest * (place > 0 ? (place < 1 ? place : 1) : 0)
          // Beside 2^23 there is no room for fractions.
          let nearest = (level + 0x1p23) - 0x1p23
          let floor = nearest > level ? nearest - 1 : nearest
          numbers[d] = UInt16(truncatingIfNeeded: (floor + 0x1p23).bitPattern)
        }
      }
    }
  }
}
