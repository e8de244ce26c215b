/// Exact search of rows, in lists or all together.
public protocol SearchOperations: AnyObject, Sendable {
  /// Returns the bytes that `prepare` and `nearest` will allocate, before either is called: within
  /// 10 %, or too many where a device finds that the rows can be packed tighter
  /// (``VectorSet/residentBytes`` says how tight).
  func cost(of search: SearchShape) -> SearchCost

  /// Makes rows ready to be searched under `metric`, list by list.
  ///
  /// Cost: one pass over the rows. Throws `.invalidShape` unless there is an id for each row, and
  /// `.nonFinite`, naming rows that hold NaN or infinity.
  func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet

  /// The nearest rows of `set` to every query, as many as `limit` says: of the lists that the query
  /// probes (nil: of all), those that `selector` selects (nil: all of them). Exact and certified
  /// within those lists; ids and scores are bit-identical on every device, for every batch and thread
  /// count.
  ///
  /// Scores are canonical (``CanonicalScore``); best first, ties by lower id. Fewer rows than asked
  /// for give that many hits, none give none. Cost: O(queries * rows probed * dimension) at
  /// filter precision, and the canonical score for the few rows the filter cannot rule out; devices
  /// pass over panels of 32 rows of which none is selected. Scores beyond Float32 are infinite, scores
  /// below it vanish, and such rows tie by id: `IndexSearch` ranks them by exact sums. Throws
  /// `.nonFinite`, `.invalidArgument` for a list there is not, and `.wrongDevice` for a set of another
  /// device that this one cannot read.
  func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors

  /// The nearest of `found` and of the rows of `set`, which is searched as the other `nearest` does:
  /// for sets that are searched one after the other. Devices leave out rows that are worse than all
  /// hits found, which makes later sets faster.
  ///
  /// - Parameter found: Hits of the same queries and limit among other rows; nil for none.
  func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?, besides found: Neighbors?
  ) throws(TesseraError) -> Neighbors

  /// The canonical score of each query with the rows listed for it: query q with
  /// `listed[starts[q]..<starts[q + 1]]`, in these places. Bit-identical everywhere. Throws
  /// `.invalidShape` and, for a row that is not there, `.invalidArgument`.
  func canonicalScores(
    _ queries: Vectors, with rows: Vectors, listed: [Int32], starts: [Int], metric: Metric
  ) throws(TesseraError) -> [Float]
}

extension Device {
  /// Returns the reference device's cost, which also does the search.
  public func cost(of search: SearchShape) -> SearchCost {
    ReferenceDevice.shared.cost(of: search)
  }

  /// Checks the rows and keeps a view of them, as the reference device does.
  public func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet {
    try ReferenceDevice.shared.prepare(vectors, in: lists, metric: metric)
  }

  /// Prepares rows in one list; row i gets the id `firstID + i`.
  public func prepare(
    _ vectors: Vectors, metric: Metric, firstID: Int64 = 0
  ) throws(TesseraError) -> VectorSet {
    try prepare(
      vectors, in: RowLists(one: .consecutive(from: firstID, count: vectors.count)),
      metric: metric)
  }

  /// Searches with the reference device: every selected row is scored canonically.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try ReferenceDevice.shared.nearest(
      queries, in: set, probing: probes, within: limit, only: selector)
  }

  /// Searches as if there were no other hits, and merges.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?, besides found: Neighbors?
  ) throws(TesseraError) -> Neighbors {
    let own = try nearest(queries, in: set, probing: probes, within: limit, only: selector)
    return found?.merged(with: own, within: limit, order: set.metric.order) ?? own
  }

  /// The `k` nearest rows of all lists, of those that `selector` selects (nil: of all).
  public func nearest(
    _ queries: Vectors, in set: VectorSet, k: Int, only selector: IDSelector? = nil
  ) throws(TesseraError) -> Neighbors {
    try nearest(queries, in: set, probing: nil, within: .k(k), only: selector)
  }

  /// The rows with a better score than `score`, found by searches for more and more rows: for devices
  /// whose searches need to know how many hits there are at most.
  package func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, beyond score: Float,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try beyond(score, set.metric.order, queryCount: queries.count, rowCount: set.count) {
      some, k throws(TesseraError) in
      try nearest(
        some.count == queries.count ? queries : queries.gathered(some), in: set,
        probing: probes?.of(some), within: .k(k), only: selector)
    }
  }

  /// The rows with a better score than `score`.
  ///
  /// - Parameter search: Finds the k best rows of the queries listed.
  package func beyond(
    _ score: Float, _ order: ScoreOrder, queryCount: Int, rowCount: Int,
    _ search: (_ queries: [Int], _ k: Int) throws(TesseraError) -> Neighbors
  ) throws(TesseraError) -> Neighbors {
    var done = [Neighbors?](repeating: nil, count: queryCount)
    var statistics = SearchStatistics.none
    var open = Array(0..<queryCount)
    var k = 64
    while !open.isEmpty {
      let found = try search(open, k)
      statistics = statistics + found.statistics
      for (place, query) in open.enumerated() {
        let hits = found[place]
        let better = hits.prefix { order.ranks($0.score, ahead: score) }
        // A list that is not full holds all rows.
        guard better.count < k else { continue }
        done[query] = Neighbors(
          queryCount: 1, hitCount: better.count, ids: better.map(\.id),
          scores: better.map(\.score), statistics: .none)
      }
      open.removeAll { done[$0] != nil }
      k = k > rowCount ? k : 8 * k
    }
    let all = done.reduce(into: Neighbors.none(queryCount: 0)) {
      if let hits = $1 { $0.append(hits) }
    }
    return Neighbors(starts: all.starts, ids: all.ids, scores: all.scores, statistics: statistics)
  }

  /// The nearest rows where every query has a selection of its own, in `selectors` (nil: all rows).
  ///
  /// - Complexity: That of one search for each query.
  /// - Throws: `.invalidShape` unless there is one entry for each query, and as the search of all.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes? = nil, within limit: Limit,
    onlyEach selectors: [IDSelector?]
  ) throws(TesseraError) -> Neighbors {
    try Shapes.require(
      selectors.count == queries.count,
      "nearest: \(selectors.count) selections for \(queries.count) queries")
    try Shapes.nearest(queries, in: set, probing: probes, within: limit)
    var all = Neighbors.none(queryCount: 0)
    for (query, selector) in selectors.enumerated() {
      all.append(
        try nearest(
          queries.rows(query..<query + 1), in: set, probing: probes?.of(query..<query + 1),
          within: limit, only: selector))
    }
    return all
  }

  /// Computes the scores on the host, queries divided among threads.
  public func canonicalScores(
    _ queries: Vectors, with rows: Vectors, listed: [Int32], starts: [Int], metric: Metric
  ) throws(TesseraError) -> [Float] {
    try Shapes.canonicalScores(queries, with: rows, listed: listed, starts: starts)
    return try hostWorkers.makeRagged(starts) { query, scores throws(TesseraError) in
      let values = queries.row(query)
      for (place, entry) in (starts[query]..<starts[query + 1]).enumerated() {
        scores[place] = CanonicalScore.score(metric, values, rows.row(Int(listed[entry])))
      }
    }
  }
}
