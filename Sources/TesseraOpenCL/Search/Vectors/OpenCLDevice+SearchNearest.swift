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
    guard lists.count == 1, lists.ids.first != nil else {
      return try ReferenceDevice.shared.prepare(vectors, in: lists, metric: metric)
    }
    try requireTrust(trial(vectors.element, dimension: vectors.dimension))
    return OpenCLVectorSet(
      vectors, in: lists, panels: try pack(vectors, metric: metric, limits: limits))
  }

  /// Cost: 2 * queries * rows * dimension Float32 operations, and canonical scores for a few more
  /// than k rows of each query; of rows, those in panels with a selected row. Queries that find
  /// more near ties than their list holds take a second pass, and canonical scores for every row
  /// that ties.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearest(queries, in: set, probing: probes, within: limit)
    let isOneList = set.lists.count == 1 && set.lists.ids.first != nil
    guard probes == nil, set is OpenCLVectorSet || isOneList else {
      return try ReferenceDevice.shared.nearest(
        queries, in: set, probing: probes, within: limit, only: selector)
    }
    switch limit {
    case .k(let k):
      return try nearest(queries, in: set, k: k, only: selector, limits: SearchLimits())
    case .score(let score):
      return try nearest(queries, in: set, probing: nil, beyond: score, only: selector)
    }
  }

  func nearest(
    _ queries: Vectors, in set: VectorSet, k: Int, only selector: IDSelector? = nil,
    limits: SearchLimits
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearest(queries, in: set, probing: nil, within: .k(k))
    guard let own = set as? OpenCLVectorSet else {
      throw TesseraError(.wrongDevice, "nearest: the vectors were prepared on another device")
    }
    try requireCurrent(own.panels.panelLengths, "nearest")
    let rowCount =
      selector?.count(in: own.firstID..<own.firstID + Int64(set.count)) ?? set.count
    let hitCount = min(k, rowCount)
    guard queries.count > 0, hitCount > 0 else {
      try Shapes.requireFinite(queries, "nearest: queries")
      return Neighbors(
        queryCount: queries.count, hitCount: hitCount, ids: [], scores: [],
        statistics: .none)
    }
    for element in Set([queries.element, set.vectors.element]) {
      try requireTrust(
        trial(element, dimension: set.dimension, isSelected: selector != nil))
    }
    let shape = SearchShape(
      rows: rowCount, dimension: set.dimension, element: queries.element, metric: set.metric,
      queryCount: queries.count, k: hitCount)
    let limits = try looped(limits, shape, "nearest")
    return try shrinking(limits) {
      searchBatch(shape, $0)
    } _: { limits throws(TesseraError) in
      try search(queries, in: own, shape, only: selector, limits: limits)
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

  /// Searches `shape.rows` rows for the `shape.k` nearest, which are there.
  private func search(
    _ queries: Vectors, in own: OpenCLVectorSet, _ shape: SearchShape, only selector: IDSelector?,
    limits: SearchLimits
  ) throws(TesseraError) -> Neighbors {
    let (rowCount, hitCount) = (shape.rows, shape.k)
    let set: VectorSet = own
    let memory = try SearchMemory(
      self, queryCount: queries.count, dimension: set.dimension, filter: own.panels.filter,
      rowCount: rowCount, hitCount: hitCount, limits: limits)
    let visits = try own.visits(only: selector, on: self)
    let staging = try reserve(
      min(memory.queryCount, queries.count) * queries.dimension * queries.element.byteCount)
    var hits = SearchHits(
      "nearest", queryCount: queries.count, hitCount: hitCount, rowCount: set.count,
      firstID: own.firstID)
    for start in stride(from: 0, to: queries.count, by: memory.queryCount) {
      let batch = queries.rows(start..<min(start + memory.queryCount, queries.count))
      let run = SearchRun(
        device: self, panels: own.panels, visits: visits, memory: memory, queryCount: batch.count,
        limits: limits, hostVectors: { SearchHostVectors(queries: batch, rows: set.vectors) },
        filter: own.panels.filter)
      try run.begin(try stage(batch, in: staging))
      let (rows, scores) = run.reportedHits
      try hits.add(
        try run.search(rows: rows, scores: scores, reportedHits: hitCount) {
          Shapes.nonFinite("nearest: queries", rows: queries.nonFiniteRows(limit: 6))
        })
    }
    return hits.neighbors
  }
}
