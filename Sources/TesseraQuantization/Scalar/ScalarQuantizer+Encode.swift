internal import Synchronization
public import TesseraCompute
import TesseraHost

extension ScalarQuantizer {
  /// Makes one code a vector. Numbers that a code cannot hold become the nearest it can: beyond the
  /// range of the training points, or of 16-bit floats. How many these are goes to `control.note`.
  ///
  /// - Complexity: O(vectors * dimension), on the host.
  public func encode(
    _ vectors: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> Codes {
    try vectors.requireDimension(dimension, "encode")
    return try control.steer(on: device) { device throws(TesseraError) in
      let encoder = ScalarEncoder(self)
      let isFinite = Atomic(true)
      let outside = Atomic(0)
      let bytes: [UInt8] = try device.hostWorkers.makeRows(vectors.count, of: codeByteCount) {
        range, codes throws(TesseraError) in
        // Rows that stay in the second-level cache.
        let step = max(1, (64 << 10) / dimension)
        for first in stride(from: range.lowerBound, to: range.upperBound, by: step) {
          let block = first..<min(first + step, range.upperBound)
          try StopSignal.check()
          try vectors.rows(block).withFloats { rows in
            let found = encoder.encode(
              rows, to: &codes, from: (first - range.lowerBound) * codeByteCount)
            if !found.isFinite { isFinite.store(false, ordering: .relaxed) }
            if found.outside > 0 { outside.wrappingAdd(found.outside, ordering: .relaxed) }
          }
        }
      }
      if !isFinite.load(ordering: .relaxed) { try Shapes.requireFinite(vectors, "encode") }
      let count = outside.load(ordering: .relaxed)
      if count > 0 {
        control.note(
          "\(specification) encode: \(scalarKind.beyond(count, of: vectors.count * dimension))")
      }
      try control.report("encode", done: 1)
      return try Codes(bytes, byteCount: codeByteCount)
    }
  }
}

extension ScalarKind {
  /// Says, in a sentence, that numbers were too large or too small for codes.
  func beyond(_ outside: Int, of count: Int) -> String {
    let range =
      switch self {
      case .float16: "the range of float16, -65504 to 65504"
      case .bfloat16: "the range of bfloat16"
      case .bits8, .bits6, .bits4: "the range that was trained for their dimension"
      }
    return "\(outside) of \(count) numbers lie outside \(range), and became its nearest end"
  }
}

/// Rows to codes, each number by itself.
struct ScalarEncoder: Sendable {
  private let kind: ScalarKind
  private let packing: BitPacking
  private let dimension: Int
  /// The highest level's number, below 2^8.
  private let highest: Float
  private let minimums: [Float]
  private let ranges: [Float]
  private let spreads: [Float]

  init(_ quantizer: ScalarQuantizer) {
    kind = quantizer.scalarKind
    packing = quantizer.packing
    dimension = quantizer.dimension
    highest = kind.isTrained ? Float(1 << kind.bits - 1) : 0
    minimums = quantizer.minimums
    ranges = quantizer.ranges
    // A dimension that was constant has one level that matters.
    spreads = quantizer.ranges.map { $0 > 0 ? $0 : .infinity }
  }

  /// Writes the codes of `rows` from byte `first` of `codes` on, and returns whether all numbers are
  /// finite and how many of them no code can hold.
  func encode(
    _ rows: Span<Float>, to codes: inout MutableSpan<UInt8>, from first: Int
  ) -> (isFinite: Bool, outside: Int) {
    let count = dimension > 0 ? rows.count / dimension : 0
    precondition(first >= 0 && first + count * packing.bytesPerRow <= codes.count, "room for codes")
    var numbers = [UInt8](repeating: 0, count: packing.bits < 8 ? dimension : 0)
    var outside = 0
    for row in 0..<count {
      let values = rows.extracting(.row(row, of: dimension))
      let start = first + row * packing.bytesPerRow
      switch kind {
      case .bits8: outside += findLevels(values, into: &codes, from: start)
      case .bits6, .bits4:
        var levels = numbers.mutableSpan
        outside += findLevels(values, into: &levels, from: 0)
        packing.pack(row: numbers.span, to: &codes, from: start)
      case .float16:
        store(values, to: &codes, from: start, \.nearestHalfBits)
        outside += countOutside(values, above: Float.halfLimit)
      case .bfloat16: store(values, to: &codes, from: start, \.nearestBFloat16Bits)
      }
    }
    return (!rows.exceeds(1), outside)
  }

  /// Returns how many numbers lie outside the trained range.
  ///
  /// Written so that a compiler can do several numbers at a time: without calls, without the checks
  /// of a conversion to whole numbers, and without those of places, which are made once.
  private func findLevels(
    _ row: Span<Float>, into numbers: inout MutableSpan<UInt8>, from first: Int
  ) -> Int {
    let (minimums, ranges, spreads) = (minimums.span, ranges.span, spreads.span)
    precondition(
      row.count == dimension && minimums.count == dimension && spreads.count == dimension
        && ranges.count == dimension && first >= 0 && first + dimension <= numbers.count,
      "a level a dimension")
    var outside: Int32 = 0
    for d in 0..<dimension {
      let difference = row[unchecked: d] - minimums[unchecked: d]
      let place = difference / spreads[unchecked: d]
      // NaN, of a number far outside a constant dimension, is level 0.
      let level = highest * (place > 0 ? (place < 1 ? place : 1) : 0)
      // Beside 2^23 there is no room for fractions.
      let nearest = (level + 0x1p23) - 0x1p23
      let floor = nearest > level ? nearest - 1 : nearest
      numbers[unchecked: first + d] = UInt8(truncatingIfNeeded: (floor + 0x1p23).bitPattern)
      // As training takes differences, so that its own points lie inside.
      outside &+= difference < 0 ? 1 : 0
      outside &+= difference > ranges[unchecked: d] ? 1 : 0
    }
    return Int(outside)
  }

  @inline(__always)
  private func store(
    _ row: Span<Float>, to code: inout MutableSpan<UInt8>, from first: Int,
    _ short: (Float) -> UInt16
  ) {
    precondition(row.count == dimension && first >= 0 && first + 2 * dimension <= code.count)
    for d in 0..<dimension {
      let bits = short(row[unchecked: d])
      code[unchecked: first + 2 * d] = UInt8(truncatingIfNeeded: bits)
      code[unchecked: first + 2 * d + 1] = UInt8(truncatingIfNeeded: bits >> 8)
    }
  }

  private func countOutside(_ row: Span<Float>, above limit: Float) -> Int {
    var outside: Int32 = 0
    for d in row.indices { outside &+= row[unchecked: d].magnitude >= limit ? 1 : 0 }
    return Int(outside)
  }
}

extension Float {
  /// The least size of a number that is beyond the range of IEEE binary16, after rounding.
  static var halfLimit: Float { 65520 }

  /// The nearest IEEE binary16 number, ties to even; what is beyond its range becomes the greatest.
  ///
  /// `Float16(self)` calls a library function on x86-64 without F16C, which differ between systems.
  var nearestHalfBits: UInt16 {
    let sign = UInt16(truncatingIfNeeded: bitPattern >> 16) & 0x8000
    let size = magnitude
    guard size < Self.halfLimit else { return sign | 0x7BFF }
    if size < 0x1p-14 {
      // Subnormals are whole multiples of 2^-24: exact after scaling, rounded to even.
      return sign | UInt16((size * 0x1p24).rounded(.toNearestOrEven))
    }
    // 13 bits fall away; the carry of a rounding moves into the exponent, as it should.
    let bits = size.bitPattern
    let rounded = bits + 0x0FFF + (bits >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded - 0x3800_0000) >> 13)
  }

  /// The upper half of the nearest Float32 with an empty lower half, ties to even; what would round
  /// to infinity becomes the greatest.
  var nearestBFloat16Bits: UInt16 {
    let rounded = (bitPattern + 0x7FFF + (bitPattern >> 16 & 1)) >> 16
    return UInt16(truncatingIfNeeded: rounded & 0x7FFF == 0x7F80 ? rounded - 1 : rounded)
  }
}
