import Tessera

/// Measures how much of the truth a search found.
struct Recall: Encodable {
  let queries: Int
  /// Hits compared per query.
  let k: Int
  /// The share of true neighbors among the hits, over all queries.
  let recall: Double
  /// Queries with every true neighbor among their hits.
  let completeQueries: Int
  /// Queries whose hits are the true neighbors in the same order.
  let identicalQueries: Int

  /// Compares the first `k` of each row. Negative ids are padding and count as nothing; ids
  /// repeated in a row count once.
  ///
  /// - Parameter found: The ids of one query, best first.
  init(queries: Int, k: Int, truth: IDTable, found: (Int) -> [Int64]) {
    var (hits, wanted, complete, identical) = (0, 0, 0, 0)
    for query in 0..<queries {
      let expected = truth.row(query).prefix(k).filter { $0 >= 0 }
      let given = found(query).prefix(k).filter { $0 >= 0 }
      let distinct = Set(expected)
      let overlap = distinct.intersection(given).count
      hits += overlap
      wanted += distinct.count
      if overlap == distinct.count { complete += 1 }
      if expected.elementsEqual(given) { identical += 1 }
    }
    self.queries = queries
    self.k = k
    recall = wanted > 0 ? Double(hits) / Double(wanted) : 1
    completeQueries = complete
    identicalQueries = identical
  }
}
