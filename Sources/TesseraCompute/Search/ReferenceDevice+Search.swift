internal import TesseraHost

extension ReferenceDevice {
  /// Counts every row widened to Float32 and every score twice, since all rows are sorted at once.
  public func cost(of search: SearchShape) -> SearchCost {
    // Every row as an array of its own, and its score twice: as found, and sorted.
    let perRow = search.dimension * MemoryLayout<Float>.stride + 40 + 2 * 16
    return SearchCost(
      residentBytes: 0, workingBytes: search.rows * perRow,
      largestAllocationBytes: search.rows * 16)
  }

  /// Checks that all rows are finite and keeps a view of them.
  public func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet {
    try Shapes.prepare(vectors, in: lists)
    try Shapes.requireFinite(vectors, "prepare")
    return VectorSet(vectors, in: lists, metric: metric)
  }

  /// Scores every selected row canonically and sorts all scores.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearest(queries, in: set, probing: probes, within: limit)
    try Shapes.requireFinite(queries, "nearest: queries")
    let rows = (0..<queries.count).map { queries.row($0) }
    return try ranked(
      set.lists, probes, queryCount: queries.count, set.metric.order, limit, selector
    ) { query, _, row in
      CanonicalScore.score(set.metric, rows[query], set.vectors.row(row))
    }
  }

  /// Scores every selected row of the lists that queries look at, and sorts all scores.
  ///
  /// - Parameter score: The score of a query with a row that is found by an entry of the probes.
  func ranked(
    _ lists: RowLists, _ probes: Probes?, queryCount: Int, _ order: ScoreOrder, _ limit: Limit,
    _ selector: IDSelector?, score: (_ query: Int, _ entry: Int, _ row: Int) -> Float
  ) throws(TesseraError) -> Neighbors {
    let ids = lists.ids
    let isSelected = (0..<ids.count).map { selector?.contains(ids[$0]) ?? true }
    let all = Probes.all(of: lists.count, queryCount: 1)
    var found = Neighbors.none(
      queryCount: 0, hitCount: limit.hitCount(of: isSelected.count { $0 }, probing: probes))
    for query in 0..<queryCount {
      let own = probes?[query] ?? all[0]
      var ranked: [(score: Float, id: Int64)] = []
      for (entry, list) in zip(own.indices, own) {
        for row in lists[Int(list)] where isSelected[row] {
          if row % 256 == 0 { try StopSignal.check() }
          ranked.append((score(query, entry, row), ids[row]))
        }
      }
      let scored = ranked.count
      ranked.sort { order.ranks($0, ahead: $1) }
      switch limit {
      case .k(let k): ranked.removeLast(max(0, ranked.count - k))
      case .score(let score): ranked.removeAll { !order.ranks($0.score, ahead: score) }
      }
      found.append(
        Neighbors(
          queryCount: 1, hitCount: ranked.count, ids: ranked.map(\.id),
          scores: ranked.map(\.score),
          statistics: SearchStatistics(certified: true, candidates: scored, rescored: scored)))
    }
    return found
  }
}
