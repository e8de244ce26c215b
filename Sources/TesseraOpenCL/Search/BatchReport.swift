internal import TesseraCompute

/// Counts what filters are asked to go through, to be compared with what they have been through.
final class ExpectedVisits {
  /// Modulo 2^32, as the device counts.
  private(set) var count: UInt32 = 0

  /// Adds a launch over some pairs of a panel and a block of queries.
  func add(pairs: Int) { count &+= UInt32(truncatingIfNeeded: pairs) }
}

/// What a searched batch tells the host, in one piece of device memory of 32-bit words: how many
/// queries are not finite, what kernels have been through, the queries' states, then their hits' rows
/// and scores.
struct BatchReport {
  private static let stateWords = 4
  /// The count of refusals and the tallies (`search_common.cl`) have sixteen bytes of their own.
  static let statesStart = 4

  let queryCount: Int
  let hitCount: Int
  let order: ScoreOrder
  private let words: [UInt32]

  /// Reads what `search` left, once everything queued is done.
  init(of search: some CertifiedSearch, hitCount: Int) throws(TesseraError) {
    queryCount = search.queryCount
    self.hitCount = hitCount
    order = search.metric.order
    words = try search.device.context.read(
      Self.wordCount(search.queryCount, hitCount: hitCount), of: UInt32.self,
      from: search.lists.report)
  }

  /// The part before the hits, as a search begins.
  static func blank(_ queryCount: Int) -> [UInt32] {
    [UInt32](repeating: 0, count: rowsStart(queryCount))
  }

  static func wordCount(_ queryCount: Int, hitCount: Int) -> Int {
    scoresStart(queryCount, hitCount: hitCount) + queryCount * hitCount
  }

  static func rowsStart(_ queryCount: Int) -> Int { statesStart + queryCount * stateWords }

  static func scoresStart(_ queryCount: Int, hitCount: Int) -> Int {
    rowsStart(queryCount) + queryCount * hitCount
  }

  var nonFiniteCount: Int { Int(words[0]) }
  /// Whether filters have been through all that was asked of them, and every entry that was selected
  /// from had its score. Both count modulo 2^32.
  func isComplete(_ expected: ExpectedVisits, scoredOnDevice: Bool) -> Bool {
    // Queries that are not finite are refused, whatever became of them.
    if nonFiniteCount > 0 { return true }
    let selected = (0..<queryCount).reduce(UInt32(0)) { $0 &+ UInt32(state($1, 2)) }
    return words[1] == expected.count && (!scoredOnDevice || words[2] == selected)
  }

  /// Whether the hits of every query are in order, the best first, and none is there twice.
  ///
  /// - Parameter counts: The hits that each query has.
  func isOrdered(_ counts: [Int]) -> Bool {
    let (rows, scores) = (rows, scores)
    return counts.enumerated().allSatisfy { query, count in
      (1..<max(1, count)).allSatisfy { hit in
        let (row, score) = (
          rows.startIndex + query * hitCount + hit, scores.startIndex + query * hitCount + hit
        )
        let (before, here) = (
          order.rank(ofBits: scores[score - 1]), order.rank(ofBits: scores[score])
        )
        return before < here || before == here && rows[row - 1] < rows[row]
      }
    }
  }

  /// Whether a query's list was too short, and its hits are missing.
  var hasOverflow: Bool { (0..<queryCount).contains { state($0, 3) != 0 } }

  var statistics: SearchStatistics {
    SearchStatistics(
      certified: true, candidates: (0..<queryCount).reduce(0) { $0 + state($1, 1) },
      rescored: (0..<queryCount).reduce(0) { $0 + state($1, 2) })
  }

  private func state(_ query: Int, _ word: Int) -> Int {
    Int(words[Self.statesStart + query * Self.stateWords + word])
  }

  /// The rows of all hits, query by query.
  var rows: ArraySlice<UInt32> {
    words[Self.rowsStart(queryCount)...].prefix(queryCount * hitCount)
  }

  /// The bits of their scores.
  var scores: ArraySlice<UInt32> {
    words[Self.scoresStart(queryCount, hitCount: hitCount)...]
  }
}
