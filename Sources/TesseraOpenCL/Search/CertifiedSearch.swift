internal import TesseraCompute

/// One batch of queries on its way through a set: what the searches have in common whose filters
/// list rows with a value and a bound. (`Kernels/cl/search/search_common.cl`)
///
/// Everything is queued without a look at what comes out of it, so the host waits once, for the
/// report. Rows go through the filter in launches, each of three times the rows before it, since
/// that many let about 3 k more pass; after each, thresholds rise and lists shrink. What is left at
/// the end gets its exact score, and the best are sorted.
protocol CertifiedSearch {
  var device: OpenCLDevice { get }
  var lists: SearchLists { get }
  /// Queries of this batch.
  var queryCount: Int { get }
  /// The metric, from which follow the filter's values and which scores are best.
  var metric: Metric { get }
  /// Two lengths of each panel of 32 rows, and the coefficient of the squared one: of the bound.
  var panelLengths: OpenCLStorage { get }
  var square: Float { get }
  /// The number of times that the rows already searched have grown after the next launch.
  var growth: Int { get }
  /// Panels that are visited of each segment.
  var visitedPanels: [Int] { get }

  /// The rows and queries that the filters of this batch were asked to go through.
  var expected: ExpectedVisits { get }
  /// True if the device gives entries their score, and not the host.
  var scoresOnDevice: Bool { get }

  /// The ranks of the rows by id; nil if rows are stored in the order of their ids.
  var ranks: RowRanks? { get }

  /// Appends the rows at some positions of a visit that pass the filter to the queries' lists.
  func pass(visit index: Int, positions: Range<Int>) throws(TesseraError)

  /// Turns the entries of lists with more than `limit` into keys.
  func score(listsAbove limit: Int) throws(TesseraError)
}

extension CertifiedSearch {
  var ranks: RowRanks? { nil }

  /// Empties the lists of a batch of codes, whose bounds are known, and finds the hits of every query:
  /// a second time where lists overflow.
  func search(bounds: [Float]) throws(TesseraError) -> BatchReport {
    let context = device.context
    try context.write(BatchReport.blank(queryCount), to: lists.report)
    try context.write(bounds, to: lists.bounds)
    try context.write([Float](repeating: 0, count: queryCount), to: lists.norms)
    try context.write([Float](repeating: -.infinity, count: queryCount), to: lists.thresholds)
    try context.write([UInt32](repeating: 0, count: queryCount), to: lists.counts)
    let (rows, scores) = reportedHits
    let report = try attempt(rows: rows, scores: scores, reportedHits: lists.hitCount) {
      () throws(TesseraError) in try searchAll()
    }
    guard report.hasOverflow else { return report }
    return try attempt(rows: rows, scores: scores, reportedHits: lists.hitCount) {
      () throws(TesseraError) in try searchCrowded()
    }
  }

  /// Does `search`, and writes the hits of every query that was searched to `rows` and `scores`,
  /// `hitCount` each.
  ///
  /// - Returns: The report, with the first `reportedHits` hits of each query.
  /// - Throws: `.deviceFailure` if the device has not been through all rows for all queries, or has
  ///   not scored every entry of their lists: an answer that was cut short is never certified.
  func attempt(
    rows: KernelArgument, scores: KernelArgument, reportedHits: Int,
    _ search: () throws(TesseraError) -> Void
  ) throws(TesseraError) -> BatchReport {
    try device.context.together { () throws(TesseraError) in
      try search()
      try results(rows: rows, scores: scores)
    }
    let report = try BatchReport(of: self, hitCount: reportedHits)
    guard report.isComplete(expected, scoredOnDevice: scoresOnDevice) else {
      throw TesseraError(
        .deviceFailure,
        "\(device.info.identifier): the device left out a part of a search and said nothing; use "
          + "another device, or update its driver (\(device.info.driver))")
    }
    return report
  }

  /// Finds the hits of every query whose list does not overflow.
  func searchAll() throws(TesseraError) {
    let panelCount = visitedPanels.reduce(0, +)
    // The first launch lets every row pass, so it is a small one, and the lists hold its rows.
    let firstRows = min(lists.capacity, 4 * lists.hitCount)
    var done = 0
    var next = max(1, firstRows / SearchPanels.panelRows)
    while done < panelCount {
      next = min(next, panelCount)
      for (visit, count) in visitedPanels.enumerated() {
        let positions = done * count / panelCount..<next * count / panelCount
        if !positions.isEmpty { try pass(visit: visit, positions: positions) }
      }
      try tighten()
      (done, next) = (next, growth * next)
    }
    try finish()
  }

  /// Searches again for the queries whose lists overflowed: among rows that score alike, to within
  /// the bound. Launches are so small that no list can overflow, and a list that stays more than
  /// half full is reduced to its best by exact score.
  func searchCrowded() throws(TesseraError) {
    try restartCrowded()
    let half = lists.capacity / 2
    let step = max(1, (lists.capacity - half) / SearchPanels.panelRows)
    for (visit, panelCount) in visitedPanels.enumerated() {
      for position in stride(from: 0, to: panelCount, by: step) {
        try pass(visit: visit, positions: position..<min(position + step, panelCount))
        try tighten()
        try score(listsAbove: half)
        try keepBest(ofListsAbove: half, asEntries: true)
      }
    }
    try finish()
  }

  /// Begins again with the queries whose lists overflowed, and puts the others to rest.
  func restartCrowded() throws(TesseraError) {
    try device.launch(
      "search_restart", of: select,
      [
        counts, states, thresholds, .int(queryCount),
      ], over: Grid(items: queryCount, local: device.workGroupSize, workPerItem: 8))
  }

  private func finish() throws(TesseraError) {
    try score(listsAbove: 0)
    try keepBest(ofListsAbove: 0, asEntries: false)
    try sort()
  }

  // MARK: The steps

  private func tighten() throws(TesseraError) {
    try device.launch(
      "search_tighten", of: select,
      [
        entries, counts, states, thresholds, bounds, .all(of: panelLengths, as: Float.self),
        .int(panelLengths.byteCount / 8), .float(square), .int(lists.hitCount),
        .int(lists.capacity),
      ], over: perQuery(work: 64 * lists.hitCount))
  }

  private func keepBest(
    ofListsAbove limit: Int, asEntries: Bool
  ) throws(TesseraError) {
    try device.launch(
      "search_select", of: ranks == nil ? select : KernelSource("search_select", ["RANKED": 1]),
      [
        entries, counts, states, .all(of: lists.norms, as: Float.self),
        .int(metric.kernelValue), .int(lists.hitCount), .int(lists.capacity), .int(limit),
        .int(asEntries ? 1 : 0),
      ] + (ranks?.arguments ?? []), over: perQuery(work: 64 * lists.hitCount))
  }

  private func sort() throws(TesseraError) {
    var size = 1
    var runs = 0
    while size < lists.hitCount { (size, runs) = (2 * size, runs + 1) }
    let steps = runs * (runs + 1) / 2
    // A launch compares at most 2^24 pairs of a query.
    let fitting = device.loopLimit / (size / 2 / listItems + 1) - 2 * steps
    let stepsPerLaunch = max(1, min(1 << 25 / size, fitting))
    for step in stride(from: 0, to: steps, by: stepsPerLaunch) {
      try device.launch(
        "search_sort", of: select,
        [
          entries, counts, .int(lists.capacity), .int(size), .int(step),
          .int(step + stepsPerLaunch),
        ], over: perQuery(work: 8 * size * min(steps, stepsPerLaunch)))
    }
  }

  /// Writes the hits of every query that was searched: rows and scores, `hitCount` of each.
  private func results(
    rows: KernelArgument, scores: KernelArgument
  ) throws(TesseraError) {
    let hitCount = lists.hitCount
    let width = device.body == .wideItem ? 1 : min(device.workGroupSize, hitCount)
    try device.launch(
      "search_results", of: select,
      [
        entries, thresholds, rows, scores, .int(metric.kernelValue), .int(lists.capacity),
        .int(hitCount), .int(queryCount),
      ],
      over: Grid(
        workGroups: ((hitCount + width - 1) / width, queryCount), local: (width, 1),
        workEach: 16 * width))
  }

  // MARK: Arguments

  private var select: KernelSource { KernelSource("search_select") }

  private func perQuery(work: Int) -> Grid {
    Grid(workGroups: (queryCount, 1), local: (listItems, 1), workEach: work)
  }

  /// Items of a group that works on one list.
  private var listItems: Int { device.listItems }

  /// Items that score one list: on a GPU one for each entry that is likely to be there.
  var scoringSlots: Int {
    let local = scoringLocal
    return device.body == .wideItem
      ? max(1, 4 * device.info.computeUnits / queryCount)
      : (min(lists.capacity, 2 * lists.hitCount) + local - 1) / local * local
  }

  private var scoringLocal: Int { min(64, device.workGroupSize) }

  func scoringGrid(listsAbove limit: Int, workPerRow: Int) -> Grid {
    Grid(
      workGroups: (scoringSlots / scoringLocal, queryCount), local: (scoringLocal, 1),
      workEach: workPerRow * max(lists.hitCount, limit))
  }

  var bounds: KernelArgument { .all(of: lists.bounds, as: Float.self) }
  var thresholds: KernelArgument { .all(of: lists.thresholds, as: Float.self) }
  var entries: KernelArgument { .all(of: lists.entries, as: UInt64.self) }
  var counts: KernelArgument { .all(of: lists.counts, as: UInt32.self) }
  /// The memory in which kernels count what they have done.
  var tallies: KernelArgument { .all(of: lists.report, as: UInt32.self) }
  private var states: KernelArgument {
    .element(BatchReport.statesStart, of: lists.report, as: UInt32.self)
  }
}
