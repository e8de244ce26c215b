/// Tells how much work a search did and what it proved.
public struct SearchStatistics: Sendable, Hashable {
  /// True if a bound proves that nothing better than the hits was dropped.
  public var certified: Bool
  /// Rows that passed the filter, summed over the queries.
  public var candidates: Int
  /// Rows scored canonically, summed over the queries.
  public var rescored: Int

  /// Takes the counts as they are.
  public init(certified: Bool, candidates: Int, rescored: Int) {
    self.certified = certified
    self.candidates = candidates
    self.rescored = rescored
  }

  /// The statistics of a search that has not begun.
  package static let none = SearchStatistics(certified: true, candidates: 0, rescored: 0)

  /// Adds the counts; the sum is certified only if both are.
  public static func + (a: Self, b: Self) -> Self {
    Self(
      certified: a.certified && b.certified, candidates: a.candidates + b.candidates,
      rescored: a.rescored + b.rescored)
  }
}

/// The hits of a batch of queries, best first, ties by lower id.
public struct Neighbors: Sendable, Hashable {
  /// The number of queries.
  public private(set) var queryCount: Int
  /// Hits per query: `k`, or the number of rows searched where there are fewer. Never padded.
  public private(set) var hitCount: Int
  /// `queryCount` x `hitCount`, row-major.
  public private(set) var ids: [Int64]
  /// The canonical scores, in the same places.
  public private(set) var scores: [Float]
  /// The work that all queries of the batch took together.
  public private(set) var statistics: SearchStatistics

  /// - Precondition: `ids` and `scores` hold `queryCount * hitCount` entries.
  public init(
    queryCount: Int, hitCount: Int, ids: [Int64], scores: [Float], statistics: SearchStatistics
  ) {
    precondition(ids.count == queryCount * hitCount && scores.count == ids.count)
    self.queryCount = queryCount
    self.hitCount = hitCount
    self.ids = ids
    self.scores = scores
    self.statistics = statistics
  }

  /// No hits, because there are no queries or no rows to be hit.
  ///
  /// - Precondition: `queryCount` or `hitCount` is 0.
  public static func none(queryCount: Int, hitCount: Int = 0) -> Neighbors {
    Neighbors(
      queryCount: queryCount, hitCount: hitCount, ids: [], scores: [],
      statistics: .none)
  }

  /// The `k` best of two searches of the same queries over disjoint rows.
  ///
  /// Merging the parts of a set gives the same bytes as searching the whole set, because scores
  /// are canonical and the order is total.
  ///
  /// - Complexity: O(queryCount * k).
  public func merged(with other: Neighbors, k: Int, order: ScoreOrder) -> Neighbors {
    precondition(queryCount == other.queryCount, "both parts answer the same queries")
    let merged = Swift.min(k, hitCount + other.hitCount)
    var ids: [Int64] = []
    var scores: [Float] = []
    ids.reserveCapacity(queryCount * merged)
    scores.reserveCapacity(queryCount * merged)
    for query in 0..<queryCount {
      var mine = query * hitCount
      var theirs = query * other.hitCount
      let myEnd = mine + hitCount
      let theirEnd = theirs + other.hitCount
      for _ in 0..<merged {
        let takeMine =
          theirs == theirEnd
          || (mine < myEnd
            && order.ranks(
              (self.scores[mine], self.ids[mine]), ahead: (other.scores[theirs], other.ids[theirs])))
        if takeMine {
          ids.append(self.ids[mine])
          scores.append(self.scores[mine])
          mine += 1
        } else {
          ids.append(other.ids[theirs])
          scores.append(other.scores[theirs])
          theirs += 1
        }
      }
    }
    return Neighbors(
      queryCount: queryCount, hitCount: merged, ids: ids, scores: scores,
      statistics: statistics + other.statistics)
  }

  /// These queries' hits followed by those of `next`, which found equally many per query.
  public mutating func append(_ next: Neighbors) {
    precondition(queryCount == 0 || hitCount == next.hitCount, "batches of one search agree")
    queryCount += next.queryCount
    hitCount = next.hitCount
    ids += next.ids
    scores += next.scores
    statistics = statistics + next.statistics
  }
}

extension ScoreOrder {
  /// The order of hits: the better score, then the lower id.
  @inlinable
  public func ranks(_ a: (score: Float, id: Int64), ahead b: (score: Float, id: Int64)) -> Bool {
    if ranks(a.score, ahead: b.score) { return true }
    if ranks(b.score, ahead: a.score) { return false }
    return a.id < b.id
  }
}
