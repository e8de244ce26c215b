/// A query's tables of 16 codewords in bytes, and what that proves: the filter of a fast scan.
///
/// Let c be a table entry, negated where the largest score is best, so that small is good, and
/// b(m) the least entry of part m. An entry is kept as
///
///     e = floor((c - b(m)) / step),   step = max over m of (max c - b(m)) / largestEntry
///
/// A row's exact sum T = sum of c, its sum of bytes U, its B = sum of b(m) and its M parts obey
///
///     step U <= T - B < step (U + M)
///
/// and its Float32 sum S, which is what scores are, |S - T| <= d: adding M numbers in Float32 errs by
/// less than M 2^-24 times A, the sum over parts of their largest |c|, as long as nothing overflows
/// (A below 10^38; subnormal sums are exact). d = (M + 2) 2^-23 A is more than twice that, and leaves
/// room for the Float64 arithmetic here. Hence a row can only have a score as good as s if
/// U <= (s - B + d) / step, and can only be as good as a row of sum V if U <= V + M + 2 d / step.
///
/// Every sum of entries fits 16 bits, and the sum of two entries 8.
package struct RoundedTables {
  /// Of each byte. Two of them can be added in a byte.
  package static let largestEntry = 127

  /// B.
  package let base: Double
  package let step: Double
  /// d.
  package let slack: Double
  private let parts: Int
  private let sign: Float

  /// Whether so many parts can be rounded at all.
  package static func areUsable(parts: Int) -> Bool { parts <= 512 }

  /// Rounds a query's tables.
  ///
  /// - Parameters:
  ///   - table: `parts` x `codewordCount`, at most 16.
  ///   - entries: Gets ``CodeGroups/paddedParts`` x 16 bytes; zeros where there is no codeword.
  /// - Returns: nil if they cannot be rounded: there are NaN, infinities, or numbers too large.
  /// - Precondition: `areUsable(parts:)`.
  package init?(
    _ table: UnsafePointer<Float>, parts: Int, codewordCount: Int, order: ScoreOrder,
    to entries: UnsafeMutablePointer<UInt8>
  ) {
    let sign: Float = order == .largestFirst ? -1 : 1
    var base = 0.0
    var size = 0.0
    var widest = 0.0
    for part in 0..<parts {
      var least = Float.infinity
      var most = -Float.infinity
      for codeword in 0..<codewordCount {
        let cost = sign * table[part * codewordCount + codeword]
        // The sum is NaN or infinite after any number that is.
        size += Double(cost) - Double(cost)
        least = min(least, cost)
        most = max(most, cost)
      }
      base += Double(least)
      size += Double(max(abs(least), abs(most)))
      widest = max(widest, Double(most) - Double(least))
    }
    guard size < 1e38 else { return nil }
    let step = widest > 0 ? widest / Double(Self.largestEntry) : 1
    let padded = CodeGroups(count: 0, parts: parts).groupBytes
    entries.initialize(repeating: 0, count: padded)
    for part in 0..<parts {
      let row = table + part * codewordCount
      var least = Float.infinity
      for codeword in 0..<codewordCount { least = min(least, sign * row[codeword]) }
      for codeword in 0..<codewordCount {
        let entry = (Double(sign * row[codeword]) - Double(least)) / step
        // The widest part's largest entry may come out a rounding above 127.
        entries[part * CodeGroups.width + codeword] = UInt8(min(entry, Double(Self.largestEntry)))
      }
    }
    self.base = base
    self.step = step
    self.parts = parts
    self.sign = sign
    slack = Double(parts + 2) * 0x1p-23 * size
  }

  /// The largest sum of bytes of a row whose score can be as good as `score`.
  package func limit(score: Float) -> UInt16 {
    Self.limit((Double(sign * score) - base + slack) / step)
  }

  /// The largest sum of bytes of a row whose score can be as good as that of a row with `sum`.
  package func limit(sum: UInt16) -> UInt16 {
    Self.limit(Double(Int(sum) + parts) + 2 * slack / step)
  }

  private static func limit(_ value: Double) -> UInt16 {
    UInt16(max(0, min(value, Double(UInt16.max))))
  }
}
