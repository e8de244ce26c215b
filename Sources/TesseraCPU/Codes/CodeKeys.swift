internal import CSIMD
internal import TesseraCompute

/// Rows in an order, as numbers that sort: 32 bits that say how good the row is, small is good, and
/// then the row.
struct CodeKeys {
  let start: UnsafeMutablePointer<UInt64>
  var count = 0

  /// Leaves the k best of at least k, and returns the last of them.
  mutating func cut(to k: Int) -> UInt64 {
    csimd_partition_keys(start, count, k)
    count = k
    return start[k - 1]
  }

  /// Moves the keys of at most `limit` among those from `first` on, and their `terms`, ahead of the
  /// others, and returns where these begin.
  func gather(
    upTo limit: UInt64, from first: Int, with terms: UnsafeMutablePointer<Float>? = nil
  ) -> Int {
    var next = first
    for index in first..<count {
      // Always swapped: a branch would be guessed wrong half the time.
      let key = start[index]
      start[index] = start[next]
      start[next] = key
      if let terms {
        let term = terms[index]
        terms[index] = terms[next]
        terms[next] = term
      }
      next += key <= limit ? 1 : 0
    }
    return next
  }

  /// A place that at least k keys are not above, and few more than k.
  ///
  /// - Precondition: 1 <= k <= count.
  func place(ofAtLeast k: Int) -> UInt32 {
    var (least, most) = (UInt32.max, UInt32.zero)
    for index in 0..<count {
      let place = Self.place(of: start[index])
      least = min(least, place)
      most = max(most, place)
    }
    let binCount = 1024
    let shift = max(0, (most - least).bitWidth - (most - least).leadingZeroBitCount - 10)
    return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: binCount) { bins in
      bins.initialize(repeating: 0)
      for index in 0..<count { bins[Int((Self.place(of: start[index]) - least) >> shift)] += 1 }
      var below = 0
      var bin = 0
      while below + Int(bins[bin]) < k {
        below += Int(bins[bin])
        bin += 1
      }
      return least + (UInt32(bin + 1) << shift) - 1
    }
  }

  private static func place(of key: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: key >> 32) }

  /// The largest key of a place.
  static func last(at place: UInt32) -> UInt64 { UInt64(place) << 32 | 0xFFFF_FFFF }

  /// Leaves the k best, or all if there are fewer, in their order.
  mutating func sort(best k: Int) {
    csimd_select_keys(start, count, k)
    count = min(count, k)
  }

  /// The key of a row with a score.
  static func key(_ score: Float, _ order: ScoreOrder, row: Int) -> UInt64 {
    UInt64(csimd_order_key(score, order == .largestFirst ? 1 : 0)) << 32 | UInt64(row)
  }

  static func row(of key: UInt64) -> Int { Int(key & 0xFFFF_FFFF) }

  /// The score of a key that was made of one.
  static func score(of key: UInt64, _ order: ScoreOrder) -> Float {
    let place = UInt32(key >> 32)
    let rising = order == .largestFirst ? ~place : place
    return Float(bitPattern: rising >> 31 != 0 ? rising ^ 0x8000_0000 : ~rising)
  }
}
