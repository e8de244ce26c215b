/// One bit for each id from `span.lowerBound` on, in words of 64: set where the id is selected.
struct IDBitmap: Sendable {
  let words: [UInt64]
  /// The ids there are bits for. Others are not selected.
  let span: Range<Int64>

  /// More than anybody has rows; 4 GiB of bits.
  private static let longestSpan: UInt64 = 1 << 35

  init(_ words: [UInt64], firstID: Int64) {
    // No row has the id Int64.max, since its set would end beyond 64 bits.
    let (end, overflow) = firstID.addingReportingOverflow(Int64(words.count) * 64)
    self.words = words
    span = firstID..<(overflow ? .max : end)
  }

  init(_ flags: some Sequence<Bool>, firstID: Int64) {
    var words: [UInt64] = []
    words.reserveCapacity(flags.underestimatedCount / 64 + 1)
    var word: UInt64 = 0
    var bit: UInt64 = 1
    for flag in flags {
      if flag { word |= bit }
      bit <<= 1
      if bit == 0 {
        words.append(word)
        (word, bit) = (0, 1)
      }
    }
    if bit != 1 { words.append(word) }
    self.init(words, firstID: firstID)
  }

  /// Words from the lowest id, rounded down to a multiple of 64, to the highest.
  ///
  /// - Throws: `.invalidArgument` if there would be too many.
  init(_ ids: some Collection<Int64>) throws(TesseraError) {
    guard let lowest = ids.min(), let highest = ids.max() else {
      self.init([], firstID: 0)
      return
    }
    let first = lowest & ~63
    let last = highest.distance(above: first)
    guard last < Self.longestSpan else {
      throw TesseraError(
        .invalidArgument,
        "ids: \(lowest) to \(highest) are more than \(Self.longestSpan) apart; select nearer ids "
          + "together")
    }
    var words = [UInt64](repeating: 0, count: Int(last / 64) + 1)
    for id in ids {
      let bit = id.distance(above: first)
      words[Int(bit / 64)] |= 1 << (bit % 64)
    }
    self.init(words, firstID: first)
  }

  func count(in ids: Range<Int64>) -> Int {
    let counted = span.clamped(to: ids)
    guard !counted.isEmpty else { return 0 }
    // Differences within the span, which is as long as an array.
    let first = Int(counted.lowerBound - span.lowerBound)
    let last = Int(counted.upperBound - span.lowerBound) - 1
    var count = 0
    for index in first / 64...last / 64 {
      var word = words[index]
      if index == first / 64 { word &= .max << UInt64(first % 64) }
      if index == last / 64 { word &= .max >> UInt64(63 - last % 64) }
      count += word.nonzeroBitCount
    }
    return count
  }

  func mask32(from first: Int64) -> UInt32 {
    let before = span.lowerBound.distance(above: first)
    if before > 0 { return before < 32 ? UInt32(truncatingIfNeeded: word(0) << before) : 0 }
    let bit = first.distance(above: span.lowerBound)
    guard bit / 64 < words.count else { return 0 }
    let index = Int(bit / 64)
    let low = word(index) >> (bit % 64)
    // By 64 the shift gives 0.
    let high = word(index + 1) << (64 - bit % 64)
    return UInt32(truncatingIfNeeded: low | high)
  }

  private func word(_ index: Int) -> UInt64 { index < words.count ? words[index] : 0 }
}
