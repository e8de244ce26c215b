internal import TesseraCompute

/// One batch of packed queries on its way through a packed set.
struct SearchRun: CertifiedSearch {
  let device: OpenCLDevice
  let panels: SearchPanels
  /// The panels in which hits may lie.
  let visits: [SegmentVisit]
  let memory: SearchMemory
  let queryCount: Int
  let limits: SearchLimits
  /// Brings the vectors to the host, for devices that cannot compute canonical scores.
  let hostVectors: () throws(TesseraError) -> SearchHostVectors
  /// The numbers that the filter computes in.
  var filter: SearchFilter
  var ranks: RowRanks?
  let expected = ExpectedVisits()

  var lists: SearchLists { memory.lists }
  var metric: Metric { panels.metric }
  var panelLengths: OpenCLStorage { panels.panelLengths }
  var square: Float { bound.square }
  var growth: Int { values[.growth] }
  var visitedPanels: [Int] { visits.map(\.panelCount) }
  var scoresOnDevice: Bool { device.scoresCanonically && limits.scoresOnDevice }

  private var values: LaunchValues {
    var values = device.launchValues(
      .search(queries: queryCount, rows: panels.rowCount, dimension: panels.dimension))
    if limits.usesLargeTiles { values[.tile] = 3 }
    // Flat tiles hold one block of queries, and each block has panels of its own.
    if visits.contains(where: { $0.work != nil }) { values[.tile] = 1 }
    return values
  }

  /// The constants of the error bound.
  private var bound: SearchBound {
    SearchBound(panels.metric, dimension: panels.dimension, filter: filter)
  }

  /// Packs the queries, and makes their lists empty.
  func begin(_ source: SearchSource) throws(TesseraError) {
    try device.context.write(BatchReport.blank(queryCount), to: lists.report)
    try device.pack(
      source, width: SearchMemory.blockQueries, into: memory.queries, firstElement: 0,
      norms: lists.norms, nonFiniteCount: .all(of: lists.report, as: UInt32.self))
    try device.roundQueries(
      queryCount, in: memory,
      RoundedLayout(filter: panels.filter, dimension: panels.dimension), bound)
    try takeBounds()
  }

  /// Makes every query's bound that of the filter, and lets every row pass.
  private func takeBounds() throws(TesseraError) {
    let paddedCount =
      (queryCount + SearchMemory.blockQueries - 1) / SearchMemory.blockQueries
      * SearchMemory.blockQueries
    let roundings = filter == .float32 ? nil : memory.rounded?.roundings
    let bound = bound
    try device.launch(
      "search_query_bounds",
      of: KernelSource("search_terms", roundings == nil ? [:] : ["ROUNDED": 1]),
      [
        .all(of: lists.norms, as: Float.self), bounds, thresholds, counts,
        .int(panels.metric.kernelValue), .float(bound.slack), .float(bound.tiny), .int(queryCount),
        .int(paddedCount),
      ] + (roundings.map { [.all(of: $0, as: Float.self)] } ?? []),
      over: Grid(items: paddedCount, local: device.workGroupSize, workPerItem: 32))
  }

  /// Finds the hits of every query, and writes them to `rows` and `scores`, `hitCount` each.
  ///
  /// - Returns: The report, with the first `reportedHits` hits of each query.
  /// - Throws: What `nonFinite` returns, if a query is not finite.
  func search(
    rows: KernelArgument, scores: KernelArgument, reportedHits: Int,
    nonFinite: () throws(TesseraError) -> TesseraError
  ) throws(TesseraError) -> BatchReport {
    var report = try attempt(rows: rows, scores: scores, reportedHits: reportedHits) {
      () throws(TesseraError) in try searchAll()
    }
    guard report.nonFiniteCount == 0 else { throw try nonFinite() }
    guard report.hasOverflow else { return report }
    var exact = self
    exact.filter = .float32
    // Rounded numbers told too few rows apart: the exact ones tell more.
    if filter != .float32 {
      report = try exact.attempt(rows: rows, scores: scores, reportedHits: reportedHits) {
        () throws(TesseraError) in
        try exact.takeBounds()
        try exact.restartCrowded()
        try exact.searchAll()
      }
    }
    guard report.hasOverflow else { return report }
    return try exact.attempt(rows: rows, scores: scores, reportedHits: reportedHits) {
      () throws(TesseraError) in try exact.searchCrowded()
    }
  }

  // MARK: The steps

  func pass(visit index: Int, positions: Range<Int>) throws(TesseraError) {
    let visit = visits[index]
    let segment = visit.segment
    let launch = FilterLaunch(
      device, visit, queries: memory, filter, queryCount: queryCount, panelCount: positions.count,
      dimension: panels.dimension, values)
    try device.launch(
      launch.kernel, of: launch.source,
      launch.rows + [
        .element(
          2 * segment.rows.lowerBound / SearchPanels.panelRows, of: panels.panelLengths,
          as: Float.self),
        launch.queries, bounds, thresholds, entries, counts, tallies, .int(panels.dimension),
        .float(square), .int(queryCount), .int(lists.capacity),
        .int(segment.rows.lowerBound), .int(segment.rows.count), .int(visit.panelCount),
        .int(visit.stride), .int(positions.lowerBound), .int(positions.upperBound),
      ] + launch.trailing, over: launch.grid)
    let blocks = (queryCount + SearchMemory.blockQueries - 1) / SearchMemory.blockQueries
    expected.add(pairs: visit.pairs(positions, blocks: blocks))
  }

  func score(listsAbove limit: Int) throws(TesseraError) {
    guard scoresOnDevice else {
      try scoreOnHost(listsAbove: limit)
      return
    }
    for segment in panels.segments {
      for rows in limit == 0 ? scoredTogether(segment) : [segment.rows] {
        try device.launch(
          "search_rescore", of: KernelSource("search_rescore"),
          [
            .element(
              (rows.lowerBound - segment.rows.lowerBound) * panels.dimension, of: segment.panels,
              as: Float.self), .all(of: memory.queries, as: Float.self), entries, counts,
            tallies, .int(panels.metric.kernelValue),
            .int(panels.dimension), .int(rows.lowerBound), .int(rows.count), .int(queryCount),
            .int(lists.capacity), .int(limit), .int(scoringSlots),
          ], over: scoringGrid(listsAbove: limit, workPerRow: 4 * panels.dimension))
      }
    }
  }

  /// The rows of a segment in the runs that one launch scores.
  ///
  /// A row's numbers lie in as many cache lines as it has dimensions, so scoring waits for memory.
  /// A CPU that meets each panel several times takes a megabyte of them at a time, with every
  /// list's entries there: the lines are then in its second-level cache, and scoring takes half the
  /// time.
  private func scoredTogether(_ segment: SearchPanels.Segment) -> [Range<Int>] {
    let entriesPerPanel = queryCount * lists.hitCount / SearchPanels.panelCount(panels.rowCount)
    guard device.body == .wideItem, entriesPerPanel >= 4 else { return [segment.rows] }
    let cachedPanels = max(1, (1 << 20) / SearchPanels.panelBytes(panels.dimension))
    // Every run looks through all lists, so there is a limit to how many pay.
    let panelsTogether = max(cachedPanels, segment.panelCount / 128)
    return stride(
      from: segment.rows.lowerBound, to: segment.rows.upperBound,
      by: panelsTogether * SearchPanels.panelRows
    ).map { $0..<min($0 + panelsTogether * SearchPanels.panelRows, segment.rows.upperBound) }
  }
}
