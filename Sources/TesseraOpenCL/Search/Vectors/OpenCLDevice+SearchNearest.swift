public import TesseraCompute

extension OpenCLDevice {
  /// Counts the packed panels as resident, and the memory of one batch, or of the rows on their way
  /// while they are packed, as working memory.
  public func cost(of search: SearchShape) -> SearchCost {
    cost(of: search, limits: SearchLimits())
  }

  func cost(of search: SearchShape, limits: SearchLimits) -> SearchCost {
    let filter = filter(dimension: search.dimension)
    let rowBytes = search.dimension * search.element.byteCount
    let staged = Self.stagedRows(search.rows, rowBytes: rowBytes, limits: limits)
    let preparing = staged * (rowBytes + 4)
    let batch = SearchMemory.Size(
      info, queryCount: search.queryCount, dimension: search.dimension, filter: filter,
      rowCount: search.rows, hitCount: min(search.k, search.rows), limits: limits)
    let searching = batch.byteCount + batch.queryCount * rowBytes
    let segments = SearchPanels.segmentRows(
      rowCount: search.rows, dimension: search.dimension, filter: filter,
      segmentBytes: segmentBytes(limits))
    let segment = SearchPanels.panelCount(segments.map(\.count).max() ?? 0)
    return SearchCost(
      residentBytes: SearchPanels.byteCount(
        rowCount: search.rows, dimension: search.dimension, filter: filter),
      workingBytes: max(preparing, searching),
      largestAllocationBytes: max(
        segment * SearchPanels.largestPanelBytes(search.dimension, filter), staged * rowBytes,
        batch.largestAllocationBytes))
  }

  /// Cost: the rows are uploaded in their own element type, and widened and packed on the device.
  public func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet {
    try prepare(vectors, in: lists, metric: metric, limits: SearchLimits())
  }

  func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric, limits: SearchLimits
  ) throws(TesseraError) -> VectorSet {
    try Shapes.prepare(vectors, in: lists)
    try requireTrust(trial(vectors.element, dimension: vectors.dimension))
    let layout = PanelLayout(lists)
    return try OpenCLVectorSet(
      vectors, in: layout,
      panels: try pack(vectors, in: layout, metric: metric, limits: limits), on: self)
  }

  /// Cost: 2 * queries * rows * dimension Float32 operations, and canonical scores for a few more
  /// than k rows of each query; of rows, those in panels with a selected row, and in lists that one
  /// of eight queries looks at: those whose first list is the same stand together. Queries that
  /// find more near ties than their list holds take a second pass, and canonical scores for every
  /// row that ties.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    switch limit {
    case .k(let k):
      return try nearest(
        queries, in: set, probing: probes, k: k, only: selector, limits: SearchLimits())
    case .score(let score):
      try Shapes.nearest(queries, in: set, probing: probes, within: limit)
      return try nearest(queries, in: set, probing: probes, beyond: score, only: selector)
    }
  }

  func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes? = nil, k: Int,
    only selector: IDSelector? = nil, limits: SearchLimits
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearest(queries, in: set, probing: probes, within: .k(k))
    guard let own = set as? OpenCLVectorSet else {
      throw TesseraError(.wrongDevice, "nearest: the vectors were prepared on another device")
    }
    try requireCurrent(own.panels.panelLengths, "nearest")
    let rowCount = selector.map { set.lists.ids.count(of: $0) } ?? set.count
    guard queries.count > 0, rowCount > 0 else {
      try Shapes.requireFinite(queries, "nearest: queries")
      return .none(
        queryCount: queries.count,
        hitCount: Limit.k(k).hitCount(of: rowCount, probing: probes))
    }
    guard let probes else {
      return try nearest(
        queries, in: own, k: k, rowCounts: [Int](repeating: rowCount, count: queries.count),
        only: selector, limits: limits
      ) { queries.nonFiniteRows(limit: 6) }
    }
    // Queries that begin with the same list stand together, and share the work.
    let order = (0..<queries.count).sorted {
      (probes[$0].first ?? -1, $0) < (probes[$1].first ?? -1, $1)
    }
    let probed = ProbedRows(probes.of(order), own.layout, only: selector)
    let found = try nearest(
      queries.gathered(order), in: own, k: k, rowCounts: probed.counts, only: selector,
      probing: probed, limits: limits
    ) { queries.nonFiniteRows(limit: 6) }
    var places = order
    for (place, query) in order.enumerated() { places[query] = place }
    return found.queries(places)
  }

  /// - Parameters:
  ///   - rowCounts: The rows of each query that may be hits.
  ///   - nonFiniteRows: The numbers that the caller knows queries by which are not finite.
  private func nearest(
    _ queries: Vectors, in own: OpenCLVectorSet, k: Int, rowCounts: [Int],
    only selector: IDSelector?, probing probed: ProbedRows? = nil, limits: SearchLimits,
    nonFiniteRows: () -> [Int]
  ) throws(TesseraError) -> Neighbors {
    let rowCount = rowCounts.max() ?? 0
    guard rowCount > 0 else {
      try Shapes.requireFinite(queries, "nearest: queries")
      return .none(queryCount: queries.count)
    }
    for element in Set([queries.element, own.vectors.element]) {
      try requireTrust(
        trial(
          element, dimension: own.dimension,
          isSelected: selector != nil || own.layout.hasGaps))
    }
    if own.ranks != nil || probed != nil { try requireTrust(.nearestInLists) }
    let shape = SearchShape(
      rows: rowCount, dimension: own.dimension, element: queries.element, metric: own.metric,
      queryCount: queries.count, k: min(k, rowCount))
    let limits = try looped(limits, shape, "nearest")
    // Blocks of queries with panels of their own are a matter of the Float32 filter.
    let filter = probed == nil ? own.panels.filter : .float32
    let workBytes = probed?.workBytesPerQuery ?? 0
    return try shrinking(limits) {
      searchBatch(shape, filter: filter, workBytes: workBytes, $0)
    } _: { limits throws(TesseraError) in
      let memory = try SearchMemory(
        self, queryCount: queries.count, dimension: own.dimension, filter: filter,
        rowCount: rowCount, hitCount: shape.k, workBytes: workBytes, limits: limits)
      let all = probed == nil ? try own.visits(only: selector, on: self) : []
      let staging = try reserve(
        min(memory.queryCount, queries.count) * queries.dimension * queries.element.byteCount)
      var hits = SearchHits(
        "nearest", hitCounts: rowCounts.map { min(k, $0) }, ids: own.lists.ids)
      for start in stride(from: 0, to: queries.count, by: memory.queryCount) {
        let range = start..<min(start + memory.queryCount, queries.count)
        let batch = queries.rows(range)
        let visits = try probed?.visits(range, of: own.panels.segments, on: self) ?? all
        let run = SearchRun(
          device: self, panels: own.panels, visits: visits, memory: memory,
          queryCount: batch.count, limits: limits,
          hostVectors: {
            SearchHostVectors(queries: batch, rows: own.vectors, layout: own.layout)
          }, filter: filter, ranks: own.ranks)
        try run.begin(try stage(batch, in: staging))
        let (rows, scores) = run.reportedHits
        try hits.add(
          try run.search(rows: rows, scores: scores, reportedHits: shape.k) {
            Shapes.nonFinite("nearest: queries", rows: nonFiniteRows())
          })
      }
      return hits.neighbors
    }
  }

  /// Items of a group that works on one list.
  var listItems: Int { min(64, workGroupSize) }

  /// The limits, with lists that are no longer than loops may be.
  ///
  /// - Throws: `.deviceFailure` if even so the search needs longer loops than the driver gives.
  func looped(
    _ limits: SearchLimits, _ shape: SearchShape, _ operation: String
  ) throws(TesseraError) -> SearchLimits {
    guard loopLimit < .max else { return limits }
    // A list is gone over up to sixteen times to select from it, and once to write what is left.
    let passes = 18
    let overhead = 40
    var limits = limits
    func capacity() -> Int {
      limits.listCapacity(hitCount: shape.k, rowCount: shape.rows, entriesPerHit: 8)
    }
    limits.capacity = min(capacity(), max(1, loopLimit / passes - overhead) * listItems)
    try requireLoops(
      of: max(
        FilterShape.loops(dimension: shape.dimension),
        passes * ((capacity() + listItems - 1) / listItems + overhead)), operation)
    return limits
  }

  /// Makes the problem that shows that searches among rows of `dimension` numbers work.
  func trial(
    _ element: ElementType, dimension: Int, isSelected: Bool = false
  ) -> SelfTest {
    .nearest(
      element, isSelected: isSelected, filter(dimension: dimension), on: matrixUnit)
  }
}

extension Neighbors {
  /// The hits of the queries listed, in that order.
  fileprivate func queries(_ order: [Int]) -> Neighbors {
    var starts = [0]
    var ids: [Int64] = []
    var scores: [Float] = []
    starts.reserveCapacity(order.count + 1)
    ids.reserveCapacity(self.ids.count)
    scores.reserveCapacity(self.ids.count)
    for query in order {
      let own = self.starts[query]..<self.starts[query + 1]
      ids += self.ids[own]
      scores += self.scores[own]
      starts.append(ids.count)
    }
    return Neighbors(starts: starts, ids: ids, scores: scores, statistics: statistics)
  }
}
