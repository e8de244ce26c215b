/// A query's tables in bytes, and what that proves: the filter of a fast scan.
///
/// Let c be a table entry, negated where the largest score is best, so that small is good, and
/// b(m) the least entry of subspace m. An entry is kept as
///
///     e = (c - b(m)) / step rounded down,   step = max over m of (max c - b(m)) / most
///
/// in Float32. The difference, the inverse of the step and their product are each rounded once, and
/// half is taken off before a sum rounds to a whole number: since e is at most 255, all of that
/// is an error below z = 2^-14. A row's exact sum T = sum of c, its sum of bytes U, the sum B of
/// b(m) and its M subspaces obey
///
///     step (U - M z) <= T - B <= step (U + M + M z)
///
/// and its Float32 sum S, which is what scores are, |S - T| <= d: adding M numbers in Float32 errs
/// by less than M 2^-24 times A, the sum over subspaces of their largest |c|, as long as nothing
/// overflows (A below 10^38; subnormal sums are exact). d = (M + 2) 2^-23 A is more than twice
/// that, and leaves room for the Float64 arithmetic here. Hence a row's Float32 sum, as a cost, is at
/// least step U + ``floor``, where floor = B - d - step M z.
///
/// `most` is so small that every sum of bytes fits 16 bits.
package struct RoundedTables {
  /// B.
  package let base: Double
  package let step: Double
  /// d.
  package let slack: Double
  private let subspaceCount: Double

  private static let roundingError = 0x1p-14

  /// The most subspaces that can be rounded at all.
  package static let mostSubspaces = Int(UInt16.max)

  /// Rounds a query's tables.
  ///
  /// - Parameters:
  ///   - table: `subspaceCount` x `codewordCount`, at most 1 << `bits`.
  ///   - mostEntry: The largest number that a byte may hold.
  ///   - entries: Gets ``CodeGroups/tableBytes``: 1 << `bits` bytes a subspace, zeros where there
  ///     is no codeword.
  /// - Returns: nil if they cannot be rounded: there are NaN, infinities, or numbers too large.
  /// - Precondition: at most ``mostParts``.
  package init?(
    _ table: UnsafePointer<Float>, subspaceCount: Int, codewordCount: Int, order: ScoreOrder,
    bits: Int,
    mostEntry: Int, to entries: UnsafeMutablePointer<UInt8>
  ) {
    let sign: Float = order == .largestFirst ? -1 : 1
    let rows = (0..<subspaceCount).map {
      TableRow(start: table + $0 * codewordCount, count: codewordCount, sign: sign)
    }
    var base = 0.0
    var size = 0.0
    var widest: Float = 0
    let ranges = rows.map(\.range)
    for range in ranges {
      base += Double(range.least)
      size += Double(max(abs(range.least), abs(range.most))) + Double(range.notANumber)
      widest = max(widest, (range.most - range.least).nextUp)
    }
    guard size < 1e38 else { return nil }
    let most = Float(min(mostEntry, Int(UInt16.max) / subspaceCount))
    // Not so small that its inverse overflows; entries are then smaller than they could be.
    let step = max(widest / most, 0x1p-100)
    let width = 1 << bits
    entries.initialize(
      repeating: 0, count: CodeGroups.tableBytes(subspaceCount: subspaceCount, bits: bits))
    for subspace in 0..<subspaceCount {
      rows[subspace].round(
        above: ranges[subspace].least, inverseStep: 1 / step, to: entries + subspace * width)
    }
    self.base = base
    self.step = Double(step)
    self.subspaceCount = Double(subspaceCount)
    slack = Double(subspaceCount + 2) * 0x1p-23 * size
  }

  /// What the Float32 sum of a row, as a cost, is not below, besides `step` times its sum of bytes.
  package var floor: Double { base - slack - step * subspaceCount * Self.roundingError }
}

/// The costs of one subspace's codewords, eight at a time.
private struct TableRow {
  let start: UnsafePointer<Float>
  let count: Int
  let sign: Float

  private typealias Lanes = SIMD8<Float>

  /// Costs `index` to `index + 8`, the first of all where there are no more.
  private func lanes(_ index: Int) -> Lanes {
    guard index + 8 > count else {
      return UnsafeRawPointer(start + index).loadUnaligned(as: Lanes.self) * sign
    }
    var lanes = Lanes(repeating: start[0])
    for lane in 0..<count - index { lanes[lane] = start[index + lane] }
    return lanes * sign
  }

  /// The least and the largest cost, and 0, or NaN if a cost is infinite or NaN.
  var range: (least: Float, most: Float, notANumber: Float) {
    var least = Lanes(repeating: sign * start[0])
    var most = least
    var zero = Lanes()
    for index in stride(from: 0, to: count, by: 8) {
      let costs = lanes(index)
      least.replace(with: costs, where: costs .< least)
      most.replace(with: costs, where: costs .> most)
      zero += costs * 0
    }
    return (least.min(), most.max(), zero.sum())
  }

  func round(above least: Float, inverseStep: Float, to target: UnsafeMutablePointer<UInt8>) {
    for index in stride(from: 0, to: count, by: 8) {
      var scaled = (lanes(index) - least) * inverseStep - 0.5
      scaled.replace(with: 0, where: scaled .< 0)
      // Adding 2^23 leaves the nearest whole number in the lowest bits.
      let bits = unsafeBitCast(scaled + 0x1p23, to: SIMD8<UInt32>.self)
      let bytes = SIMD8<UInt8>(truncatingIfNeeded: bits)
      if index + 8 <= count {
        UnsafeMutableRawPointer(target + index).storeBytes(of: bytes, as: SIMD8<UInt8>.self)
      } else {
        for lane in 0..<count - index { target[index + lane] = bytes[lane] }
      }
    }
  }
}
