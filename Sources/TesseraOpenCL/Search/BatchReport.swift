internal import TesseraCompute

/// Holds what a searched batch tells the host, in one range of device memory of 32-bit words: the
/// number of queries that are not finite, the queries' states, then their hits' rows and scores.
struct BatchReport {
  private static let stateWords = 4
  /// The count of refusals has sixteen bytes of its own.
  static let statesStart = 4

  let queryCount: Int
  let hitCount: Int
  private let words: [UInt32]

  /// Reads what `search` left, once everything queued is done.
  init(of search: some CertifiedSearch, hitCount: Int) throws(TesseraError) {
    queryCount = search.queryCount
    self.hitCount = hitCount
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
  /// True if a query's list was too short, and its hits are missing.
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
