internal import TesseraCompute

/// One batch of queries that scores every code of the lists it looks at.
struct ListedCodesRun: CertifiedSearch {
  let device: OpenCLDevice
  let codes: OpenCLCodeSet
  /// The tables that scores are summed from.
  let tables: Matrix<Float>
  /// What offsets are multiplied by, and what is added for lists; nil where there is nothing to.
  let weights: OpenCLStorage?
  let terms: OpenCLStorage?
  let order: ScoreOrder
  /// What each query scores of each segment.
  let work: [(segment: OpenCLCodeSet.Segment, work: BlockWork)]
  let lists: SearchLists
  let expected = ExpectedVisits()

  var queryCount: Int { tables.rows }
  /// Values are scores, negated where the smallest is best.
  var metric: Metric { .innerProduct }
  var panelLengths: OpenCLStorage { codes.panelLengths }
  var square: Float { 0 }
  var growth: Int { LaunchKnob.growth.defaultValue }
  var visitedPanels: [Int] { work.map(\.work.panelCount) }
  var scoresOnDevice: Bool { true }
  var ranks: RowRanks? { codes.ranks }

  /// Finds the hits of every query.
  func search() throws(TesseraError) -> BatchReport {
    try search(bounds: [Float](repeating: 0, count: 4 * queryCount))
  }

  func pass(visit index: Int, positions: Range<Int>) throws(TesseraError) {
    let (segment, work) = work[index]
    // An item for each row that is looked at, or for a CPU a few that go over all.
    let local = min(PanelLayout.panelRows, device.workGroupSize)
    let entries = device.body == .wideItem ? 1 : positions.count
    let slots = entries * PanelLayout.panelRows
    var arguments: [KernelArgument] = [
      .all(of: segment.bytes, as: UInt8.self), try device.argument(tables, "nearestCodes"),
      .all(of: work.entries, as: UInt32.self), .all(of: work.starts, as: UInt32.self), thresholds,
      self.entries, counts, tallies, .int(order == .largestFirst ? 0 : 1),
      .int(codes.subspaceCount), .int(codes.layout.blocks),
      .int(tables.columns / codes.subspaceCount), .int(segment.rows.lowerBound),
      .int(queryCount), .int(lists.capacity), .int(work.panelCount),
      .int(positions.lowerBound), .int(positions.upperBound), .int(slots),
    ]
    var macros = ["BITS": codes.bits]
    if let factors = segment.factors, let weights {
      macros["FACTORS"] = 1
      arguments += [.all(of: factors, as: Float.self), .all(of: weights, as: Float.self)]
    }
    if let terms {
      macros["TERMS"] = 1
      arguments.append(.all(of: terms, as: Float.self))
    }
    try device.launch(
      "codes_listed", of: KernelSource("codes_exact", macros), arguments,
      over: Grid(
        workGroups: (slots / local, queryCount), local: (local, 1),
        workEach: 4 * codes.subspaceCount * local * ((positions.count + entries - 1) / entries)))
    expected.add(pairs: work.pairs(positions))
  }

  func score(listsAbove limit: Int) throws(TesseraError) {
    try device.launch(
      "codes_listed_keys", of: KernelSource("codes_exact", ["BITS": codes.bits]),
      [
        entries, counts, tallies, .int(queryCount), .int(lists.capacity), .int(limit),
        .int(scoringSlots),
      ], over: scoringGrid(listsAbove: limit, workPerRow: 4))
  }
}
