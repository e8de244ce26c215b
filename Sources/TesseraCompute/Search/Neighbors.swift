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
///
///     for hit in found[query] { print(hit.id, hit.score) }
public struct Neighbors: Sendable, Hashable {
  /// Query q has the hits `starts[q]..<starts[q + 1]`; one more than there are queries.
  public private(set) var starts: [Int]
  /// The ids of all hits, query after query. Never padded.
  public private(set) var ids: [Int64]
  /// The canonical scores, in the same places.
  public private(set) var scores: [Float]
  /// The most hits that a query has. All have as many where `k` rows or all were asked for.
  public private(set) var hitCount: Int
  /// The work that all queries of the batch took together.
  public private(set) var statistics: SearchStatistics

  /// Takes hits as they are: query q has those at `starts[q]..<starts[q + 1]`.
  ///
  /// - Precondition: `starts` rise from 0 to the number of ids, which is that of scores.
  public init(starts: [Int], ids: [Int64], scores: [Float], statistics: SearchStatistics) {
    precondition(starts.first == 0 && starts.last == ids.count && scores.count == ids.count)
    self.starts = starts
    self.ids = ids
    self.scores = scores
    self.statistics = statistics
    hitCount = zip(starts, starts.dropFirst()).reduce(0) { Swift.max($0, $1.1 - $1.0) }
  }

  /// Takes equally many hits of each query.
  ///
  /// - Precondition: `ids` and `scores` hold `queryCount * hitCount` entries.
  public init(
    queryCount: Int, hitCount: Int, ids: [Int64], scores: [Float], statistics: SearchStatistics
  ) {
    precondition(ids.count == queryCount * hitCount && scores.count == ids.count)
    starts = (0...queryCount).map { $0 * hitCount }
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

  /// The number of queries.
  public var queryCount: Int { starts.count - 1 }

  /// True if all queries have equally many hits.
  public var isUniform: Bool { ids.count == queryCount * hitCount }

  /// The best of two searches of the same queries over disjoint rows, as many as `limit` says.
  ///
  /// Merging the parts of a set gives the same bytes as searching the whole set, because scores
  /// are canonical and the order is total.
  ///
  /// - Complexity: O(hits).
  public func merged(with other: Neighbors, within limit: Limit, order: ScoreOrder) -> Neighbors {
    precondition(queryCount == other.queryCount, "both parts answer the same queries")
    var starts = [0]
    var ids: [Int64] = []
    var scores: [Float] = []
    starts.reserveCapacity(queryCount + 1)
    ids.reserveCapacity(self.ids.count + other.ids.count)
    scores.reserveCapacity(self.ids.count + other.ids.count)
    for query in 0..<queryCount {
      var mine = self.starts[query]
      var theirs = other.starts[query]
      let myEnd = self.starts[query + 1]
      let theirEnd = other.starts[query + 1]
      var left = myEnd - mine + theirEnd - theirs
      if case .k(let k) = limit { left = Swift.min(k, left) }
      for _ in 0..<left {
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
      starts.append(ids.count)
    }
    return Neighbors(
      starts: starts, ids: ids, scores: scores, statistics: statistics + other.statistics)
  }

  /// The `k` best of two searches of the same queries over disjoint rows.
  public func merged(with other: Neighbors, k: Int, order: ScoreOrder) -> Neighbors {
    merged(with: other, within: .k(k), order: order)
  }

  /// These queries' hits followed by those of `next`.
  public mutating func append(_ next: Neighbors) {
    hitCount = queryCount == 0 ? next.hitCount : Swift.max(hitCount, next.hitCount)
    let end = ids.count
    starts += next.starts.dropFirst().map { end + $0 }
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
