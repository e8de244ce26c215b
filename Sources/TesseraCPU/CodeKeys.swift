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

  /// Of the keys from `first` on, leaves those of at most `limit`.
  mutating func drop(above limit: UInt64, from first: Int = 0) {
    var kept = first
    for index in first..<count where start[index] <= limit {
      start[kept] = start[index]
      kept += 1
    }
    count = kept
  }

  /// Leaves the k best, or all if there are fewer, in their order.
  mutating func sort(best k: Int) {
    csimd_select_keys(start, count, k)
    count = min(count, k)
  }

  static func row(of key: UInt64) -> Int { Int(key & 0xFFFF_FFFF) }

  /// The score of a key that was made of one.
  static func score(of key: UInt64, _ order: ScoreOrder) -> Float {
    let place = UInt32(key >> 32)
    let rising = order == .largestFirst ? ~place : place
    return Float(bitPattern: rising >> 31 != 0 ? rising ^ 0x8000_0000 : ~rising)
  }
}
