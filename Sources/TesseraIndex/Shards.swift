public import TesseraCompute

// What many machines need: the search of a part of all rows, and the merging of what parts have found.
// Both are pure functions, so an engine may run them where and as often as it likes.

extension Index {
  /// An index of one list of rows that are a part of a set: row i has the id `firstID + i` there.
  ///
  /// - Throws: `.invalidArgument` for ids below 0 or beyond 64 bits.
  public convenience init(
    shard rows: Vectors, firstID: Int64, metric: Metric
  ) throws(TesseraError) {
    self.init(
      IndexSpecification(), metric: metric, dimension: rows.dimension,
      lists: try .shard(rows.count, from: firstID), coarse: nil, content: .rows(rows),
      originals: nil)
  }

  /// An index of rows of bits that are a part of a set, as the other initializer.
  ///
  /// - Throws: As the initializer of all rows of bits, and `.invalidArgument` for ids below 0 or beyond
  ///   64 bits.
  public convenience init(
    shard rows: Vectors, firstID: Int64, metric: BitMetric
  ) throws(TesseraError) {
    self.init(
      IndexSpecification(content: .bits), metric: .squaredL2, dimension: rows.dimension,
      lists: try .shard(rows.count, from: firstID), coarse: nil,
      content: .bits(try BitRows(rows, metric)), originals: nil)
  }
}

extension RowLists {
  fileprivate static func shard(_ count: Int, from firstID: Int64) throws(TesseraError) -> RowLists
  {
    guard firstID >= 0, firstID <= .max - Int64(count) else {
      throw TesseraError(
        .invalidArgument, "shard: \(count) ids from \(firstID) on are not between 0 and 2^63")
    }
    return RowLists(one: .consecutive(from: firstID, count: count))
  }
}

extension Neighbors {
  /// The `k` best hits that several searches of the same queries have found, ties by lower id.
  ///
  /// Hits may come in any order, and merging some parts first gives the same bytes. Where the parts are
  /// searches of disjoint rows for at least `k` hits, those are the bytes of the search of all rows.
  ///
  /// - Complexity: O(n log n) for the n hits of each query.
  /// - Throws: `.invalidArgument` for a `k` below 1, `.invalidShape` for parts of other numbers of
  ///   queries, `.nonFinite` for a score that is not a number.
  public static func mergingTopK(
    _ parts: [Neighbors], k: Int, order: ScoreOrder
  ) throws(TesseraError) -> Neighbors {
    guard k >= 1 else {
      throw TesseraError(.invalidArgument, "merge: k is \(k), it must be at least 1")
    }
    let queryCount = parts.first?.queryCount ?? 0
    if let other = parts.first(where: { $0.queryCount != queryCount }) {
      throw TesseraError(
        .invalidShape,
        "merge: parts are of \(queryCount) and of \(other.queryCount) queries; give hits of the same"
      )
    }
    guard !parts.contains(where: { $0.scores.contains(where: \.isNaN) }) else {
      throw TesseraError(.nonFinite, "merge: a score is not a number")
    }
    var starts = [0]
    var (ids, scores): ([Int64], [Float]) = ([], [])
    for query in 0..<queryCount {
      var hits: [(score: Float, id: Int64)] = []
      for part in parts {
        for hit in part.starts[query]..<part.starts[query + 1] {
          hits.append((part.scores[hit], part.ids[hit]))
        }
      }
      hits.sort { order.ranks($0, ahead: $1) }
      for hit in hits.prefix(k) {
        ids.append(hit.id)
        scores.append(hit.score)
      }
      starts.append(ids.count)
    }
    return Neighbors(
      starts: starts, ids: ids, scores: scores,
      statistics: parts.reduce(.none) { $0 + $1.statistics })
  }
}
