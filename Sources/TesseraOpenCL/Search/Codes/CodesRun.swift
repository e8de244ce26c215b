internal import TesseraCompute

/// One batch of queries, whose tables are rounded, on its way through codes.
struct CodesRun: CertifiedSearch {
  let device: OpenCLDevice
  let codes: OpenCLCodeSet
  /// The tables that scores are summed from.
  let tables: Matrix<Float>
  let order: ScoreOrder
  let memory: CodesMemory
  let expected = ExpectedVisits()

  var lists: SearchLists { memory.lists }
  var queryCount: Int { tables.rows }
  var metric: Metric { order == .largestFirst ? .innerProduct : .squaredL2 }
  var panelLengths: OpenCLStorage { codes.panelLengths }
  var square: Float { 0 }
  var growth: Int { LaunchKnob.growth.defaultValue }
  var visitedPanels: [Int] { codes.segments.map(\.panelCount) }
  var scoresOnDevice: Bool { true }
  var ranks: RowRanks? { codes.ranks }

  /// Finds the hits of every query, which `rounded` has.
  func search(_ rounded: CodeTables) throws(TesseraError) -> BatchReport {
    try device.context.write(rounded.bytes, to: memory.words)
    try device.context.write(rounded.lines, to: memory.lines)
    return try search(bounds: rounded.bounds)
  }

  func pass(visit index: Int, positions: Range<Int>) throws(TesseraError) {
    let segment = codes.segments[index]
    let scan = memory.scan
    let shape = scan.shape(queryCount: queryCount, panelCount: positions.count)
    try device.launch(
      scan.kernel, of: KernelSource(scan.kernel, shape.macros),
      [
        .memory(segment.bytes, firstElement: segment.bytes.start / scan.codeBytes),
        .memory(memory.words, firstElement: memory.words.start / scan.entryBytes),
        .all(of: memory.lines, as: Float.self), bounds, thresholds, entries, counts, tallies,
        .int(codes.layout.blocks), .int(queryCount), .int(lists.capacity),
        .int(segment.rows.lowerBound), .int(segment.rows.count), .int(segment.panelCount),
        .int(SegmentVisit.stride(over: segment.panelCount)), .int(positions.lowerBound),
        .int(positions.upperBound),
      ] + shape.arguments, over: shape.grid)
    expected.add(
      pairs: positions.count * ((queryCount + scan.blockQueries - 1) / scan.blockQueries))
  }

  func score(listsAbove limit: Int) throws(TesseraError) {
    for segment in codes.segments {
      try device.launch(
        "codes_rescore", of: KernelSource("codes_exact", ["BITS": codes.bits]),
        [
          .all(of: segment.bytes, as: UInt8.self), device.argument(tables, "nearestCodes"),
          entries, counts, tallies, .int(metric.kernelValue), .int(codes.subspaceCount),
          .int(codes.layout.blocks), .int(tables.columns / codes.subspaceCount),
          .int(segment.rows.lowerBound), .int(segment.rows.count), .int(queryCount),
          .int(lists.capacity), .int(limit), .int(scoringSlots),
        ], over: scoringGrid(listsAbove: limit, workPerRow: 4 * codes.subspaceCount))
    }
  }
}

/// The device memory one batch of queries is scanned for, taken once and used for every batch.
struct CodesMemory {
  let scan: CodeScanKernel
  let lists: SearchLists
  /// Rounded tables.
  let words: OpenCLStorage
  /// A scale and an offset for each query.
  let lines: OpenCLStorage

  init(_ device: OpenCLDevice, _ size: Size, hitCount: Int, _ scan: CodeScanKernel)
    throws(TesseraError)
  {
    self.scan = scan
    words = try device.reserve(scan.tableBytes(queryCount: size.lists.queryCount))
    lines = try device.reserve(2 * size.lists.queryCount, of: Float.self)
    lists = try SearchLists(device, size.lists, hitCount: hitCount)
  }

  /// Computes the bytes that a batch takes, before they are taken.
  struct Size {
    let lists: SearchLists.Size
    let byteCount: Int

    init(
      _ device: DeviceInfo, queryCount: Int, hitCount: Int, _ scan: CodeScanKernel,
      limits: SearchLimits
    ) {
      let tableBytes = scan.layout.tableBytes
      // Bytes of the rounded tables, a scale and an offset. They tell few rows apart, so that each
      // launch lets several times as many pass as the hits it adds.
      lists = SearchLists.Size(
        device, queryCount: queryCount, queryBytes: tableBytes + 2 * 4,
        rowCount: scan.layout.layout.placeCount, hitCount: hitCount, entriesPerHit: 32,
        limits: limits)
      // Tables fill blocks of queries.
      byteCount =
        lists.byteCount + scan.tableBytes(queryCount: lists.queryCount)
        - lists.queryCount * tableBytes
    }
  }
}
