internal import TesseraCompute

/// One batch of packed queries on its way through a packed set.
///
/// Everything is queued without a look at what comes out of it, so the host waits once, for the
/// report. Rows go through the filter in launches, each of three times the rows before it, since
/// that many let about 3 k more pass; after each, thresholds rise and lists shrink. What is left at
/// the end gets its canonical score, and the best are sorted.
struct SearchRun {
  let device: OpenCLDevice
  let panels: SearchPanels
  /// Where in them hits may lie.
  let parts: [SearchPart]
  let memory: SearchMemory
  let queryCount: Int
  let limits: SearchLimits
  /// Brings the vectors to the host, for devices that cannot compute canonical scores.
  let hostVectors: () throws(TesseraError) -> SearchHostVectors

  private var hitCount: Int { memory.hitCount }
  private var values: LaunchValues {
    var values = device.launchValues(
      .search(queries: queryCount, rows: panels.rowCount, dimension: panels.dimension))
    if limits.usesLargeTiles { values[.tile] = 3 }
    return values
  }

  /// The constants of the error bound of `filter`.
  private func bound(_ filter: SearchFilter) -> SearchBound {
    SearchBound(panels.metric, dimension: panels.dimension, filter: filter)
  }

  /// Packs the queries, and makes their lists empty.
  func begin(_ source: SearchSource) throws(TesseraError) {
    try device.context.write(SearchReport.blank(queryCount), to: memory.report)
    try device.pack(
      source, width: SearchMemory.blockQueries, into: memory.queries, firstElement: 0,
      norms: memory.norms, nonFiniteCount: .all(of: memory.report, as: UInt32.self))
    try device.roundQueries(
      queryCount, in: memory,
      RoundedLayout(filter: panels.filter, dimension: panels.dimension), bound(panels.filter))
    try takeBounds(panels.filter)
  }

  /// Makes every query's bound that of `filter`, and lets every row pass.
  private func takeBounds(_ filter: SearchFilter) throws(TesseraError) {
    let paddedCount =
      (queryCount + SearchMemory.blockQueries - 1) / SearchMemory.blockQueries
      * SearchMemory.blockQueries
    let roundings = filter == .float32 ? nil : memory.rounded?.roundings
    let bound = bound(filter)
    try device.launch(
      "search_query_bounds",
      of: KernelSource("search_terms", roundings == nil ? [:] : ["ROUNDED": 1]),
      [
        .all(of: memory.norms, as: Float.self), bounds, thresholds, counts,
        .int(panels.metric.kernelValue), .float(bound.slack), .float(bound.tiny), .int(queryCount),
        .int(paddedCount),
      ] + (roundings.map { [.all(of: $0, as: Float.self)] } ?? []),
      over: Grid(items: paddedCount, local: device.groupSize, workPerItem: 32))
  }

  /// Finds the hits of every query, and writes them to `rows` and `scores`, `hitCount` each.
  ///
  /// - Returns: The report, with the first `reportedHits` hits of each query.
  /// - Throws: What `nonFinite` returns, if a query is not finite.
  func search(
    rows: KernelArgument, scores: KernelArgument, reportedHits: Int,
    nonFinite: () throws(TesseraError) -> TesseraError
  ) throws(TesseraError) -> SearchReport {
    func attempt(
      _ search: () throws(TesseraError) -> Void
    ) throws(TesseraError) -> SearchReport {
      try search()
      try results(rows: rows, scores: scores)
      return try SearchReport(of: self, hitCount: reportedHits)
    }
    var report = try attempt { () throws(TesseraError) in try searchAll(panels.filter) }
    guard report.nonFiniteCount == 0 else { throw try nonFinite() }
    // Rounded numbers told too few rows apart: the exact ones tell more.
    if report.hasOverflow && panels.filter != .float32 {
      report = try attempt { () throws(TesseraError) in
        try takeBounds(.float32)
        try restartCrowded()
        try searchAll(.float32)
      }
    }
    guard report.hasOverflow else { return report }
    return try attempt { () throws(TesseraError) in try searchCrowded() }
  }

  /// Finds the hits of every query whose list does not overflow.
  private func searchAll(_ filter: SearchFilter) throws(TesseraError) {
    let panelCount = parts.reduce(0) { $0 + $1.panelCount }
    // The first launch lets every row pass, so it is a small one, and the lists hold its rows.
    let firstRows = min(memory.capacity, 4 * hitCount)
    var done = 0
    var next = max(1, firstRows / SearchPanels.panelRows)
    while done < panelCount {
      next = min(next, panelCount)
      for part in parts {
        let share = part.panelCount
        try pass(part, places: done * share / panelCount..<next * share / panelCount, filter)
      }
      try tighten(filter)
      (done, next) = (next, values[.growth] * next)
    }
    try finish()
  }

  /// Searches again for the queries whose lists overflowed: among rows that score alike, to within
  /// the bound. Launches are so small that no list can overflow, and a list that stays more than
  /// half full is reduced to its best by canonical score.
  private func searchCrowded() throws(TesseraError) {
    try restartCrowded()
    let half = memory.capacity / 2
    let step = max(1, (memory.capacity - half) / SearchPanels.panelRows)
    for part in parts {
      for place in stride(from: 0, to: part.panelCount, by: step) {
        try pass(part, places: place..<min(place + step, part.panelCount), .float32)
        try tighten(.float32)
        try score(listsAbove: half)
        try keepBest(ofListsAbove: half, asEntries: true)
      }
    }
    try finish()
  }

  /// Begins again with the queries whose lists overflowed, and puts the others to rest.
  private func restartCrowded() throws(TesseraError) {
    try device.launch(
      "search_restart", of: select,
      [
        counts, states, thresholds, .int(queryCount),
      ], over: Grid(items: queryCount, local: device.groupSize, workPerItem: 8))
  }

  private func finish() throws(TesseraError) {
    try score(listsAbove: 0)
    try keepBest(ofListsAbove: 0, asEntries: false)
    try sort()
  }

  // MARK: The steps

  /// Appends the rows at `places` of a part that pass `filter` to the queries' lists.
  private func pass(
    _ part: SearchPart, places: Range<Int>, _ filter: SearchFilter
  ) throws(TesseraError) {
    guard !places.isEmpty else { return }
    let segment = part.segment
    let launch = FilterLaunch(
      device, part, queries: memory, filter, queryCount: queryCount, panelCount: places.count,
      dimension: panels.dimension, values)
    try device.launch(
      launch.kernel, of: launch.source,
      launch.rows + [
        .element(
          2 * segment.rows.lowerBound / SearchPanels.panelRows, of: panels.panelLengths,
          as: Float.self),
        launch.queries, bounds, thresholds, lists, counts, .int(panels.dimension),
        .float(bound(filter).square), .int(queryCount), .int(memory.capacity),
        .int(segment.rows.lowerBound), .int(segment.rows.count), .int(part.panelCount),
        .int(part.stride), .int(places.lowerBound), .int(places.upperBound),
      ] + launch.trailing, over: launch.grid)
  }

  private func tighten(_ filter: SearchFilter) throws(TesseraError) {
    try device.launch(
      "search_tighten", of: select,
      [
        lists, counts, states, thresholds, bounds, .all(of: panels.panelLengths, as: Float.self),
        .float(bound(filter).square), .int(hitCount), .int(memory.capacity),
      ], over: perQuery(work: 64 * hitCount))
  }

  /// Turns the entries of lists with more than `limit` into keys.
  private func score(listsAbove limit: Int) throws(TesseraError) {
    guard device.scoresCanonically, limits.scoresOnDevice else {
      try scoreOnHost(listsAbove: limit)
      return
    }
    // Items per list: on a GPU one for each entry that is likely to be there.
    let local = min(64, device.groupSize)
    let slots =
      device.body == .wideItem
      ? max(1, 4 * device.info.computeUnits / queryCount)
      : (min(memory.capacity, 2 * hitCount) + local - 1) / local * local
    for segment in panels.segments {
      for rows in limit == 0 ? scoredTogether(segment) : [segment.rows] {
        try device.launch(
          "search_rescore", of: KernelSource("search_rescore"),
          [
            .element(
              (rows.lowerBound - segment.rows.lowerBound) * panels.dimension, of: segment.panels,
              as: Float.self), .all(of: memory.queries, as: Float.self), lists, counts,
            .int(panels.metric.kernelValue),
            .int(panels.dimension), .int(rows.lowerBound), .int(rows.count), .int(queryCount),
            .int(memory.capacity), .int(limit), .int(slots),
          ],
          over: Grid(
            groups: (slots / local, queryCount), local: (local, 1),
            workPerGroup: 4 * panels.dimension * max(hitCount, limit)))
      }
    }
  }

  /// The rows of a segment in the parts that one launch scores.
  ///
  /// A row's numbers lie in as many cache lines as it has dimensions, so scoring waits for memory.
  /// A CPU that meets each panel several times takes a megabyte of them at a time, with every
  /// list's entries there: the lines are then in its second-level cache, and scoring takes half the
  /// time.
  private func scoredTogether(_ segment: SearchPanels.Segment) -> [Range<Int>] {
    let entriesPerPanel = queryCount * hitCount / SearchPanels.panelCount(panels.rowCount)
    guard device.body == .wideItem, entriesPerPanel >= 4 else { return [segment.rows] }
    let cachedPanels = max(1, (1 << 20) / SearchPanels.panelBytes(panels.dimension))
    // Every part looks through all lists, so there is a limit to how many pay.
    let partPanels = max(cachedPanels, segment.panelCount / 128)
    return stride(
      from: segment.rows.lowerBound, to: segment.rows.upperBound,
      by: partPanels * SearchPanels.panelRows
    ).map { $0..<min($0 + partPanels * SearchPanels.panelRows, segment.rows.upperBound) }
  }

  private func keepBest(
    ofListsAbove limit: Int, asEntries: Bool
  ) throws(TesseraError) {
    try device.launch(
      "search_select", of: select,
      [
        lists, counts, states, .all(of: memory.norms, as: Float.self),
        .int(panels.metric.kernelValue), .int(hitCount), .int(memory.capacity), .int(limit),
        .int(asEntries ? 1 : 0),
      ], over: perQuery(work: 64 * hitCount))
  }

  private func sort() throws(TesseraError) {
    var size = 1
    var runs = 0
    while size < hitCount { (size, runs) = (2 * size, runs + 1) }
    let steps = runs * (runs + 1) / 2
    // A launch compares at most 2^24 pairs of a query.
    let stepsPerLaunch = max(1, 1 << 25 / size)
    for step in stride(from: 0, to: steps, by: stepsPerLaunch) {
      try device.launch(
        "search_sort", of: select,
        [
          lists, counts, .int(memory.capacity), .int(size), .int(step), .int(step + stepsPerLaunch),
        ], over: perQuery(work: 8 * size * min(steps, stepsPerLaunch)))
    }
  }

  /// Writes the hits of every query that was searched: rows and scores, `hitCount` of each.
  private func results(
    rows: KernelArgument, scores: KernelArgument
  ) throws(TesseraError) {
    let width = device.body == .wideItem ? 1 : min(device.groupSize, hitCount)
    try device.launch(
      "search_results", of: select,
      [
        lists, thresholds, rows, scores, .int(panels.metric.kernelValue), .int(memory.capacity),
        .int(hitCount), .int(queryCount),
      ],
      over: Grid(
        groups: ((hitCount + width - 1) / width, queryCount), local: (width, 1),
        workPerGroup: 16 * width))
  }

  // MARK: Arguments

  private var select: KernelSource { KernelSource("search_select") }

  private func perQuery(work: Int) -> Grid {
    Grid(groups: (queryCount, 1), local: (min(64, device.groupSize), 1), workPerGroup: work)
  }

  private var bounds: KernelArgument { .all(of: memory.bounds, as: Float.self) }
  private var thresholds: KernelArgument { .all(of: memory.thresholds, as: Float.self) }
  private var lists: KernelArgument { .all(of: memory.lists, as: UInt64.self) }
  private var counts: KernelArgument { .all(of: memory.counts, as: UInt32.self) }
  private var states: KernelArgument {
    .element(SearchReport.statesStart, of: memory.report, as: UInt32.self)
  }
}
