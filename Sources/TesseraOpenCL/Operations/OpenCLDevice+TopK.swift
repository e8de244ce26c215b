public import TesseraCompute

extension OpenCLDevice {
  /// Cost: two to seven passes over the scores (three or four for scores without many equal ones),
  /// and O(k log^2 k) per row to sort.
  public func topK(
    _ scores: Matrix<Float>, order: ScoreOrder, into values: Matrix<Float>,
    _ columns: Matrix<Int32>
  ) throws(TesseraError) {
    try Shapes.topK(scores, into: values, columns)
    guard values.count > 0 else { return }
    // Passes over a row and sorts are as long as the caller wants.
    guard loopLimit == .max, try trusts(.topK(order)) else {
      return try HostPath(self).topK(scores, order: order, into: values, columns)
    }
    let selection = Selection(
      rows: scores.rows, width: scores.columns, k: values.columns,
      computeUnits: info.computeUnits, localBytes: info.localMemoryBytes,
      launchValues(.topK(rows: scores.rows, columns: scores.columns)))
    let batches = stride(from: 0, to: scores.rows, by: selection.rowsPerBatch)
      .map { $0..<min($0 + selection.rowsPerBatch, scores.rows) }
    for rows in batches {
      let ranks = try select(selection, scores.rows(rows), order)
      try sort(selection, ranks, rows: rows.count)
      try launch(
        "write_best", of: source(order),
        [
          .all(of: ranks, as: UInt64.self), .int(selection.rowStride),
          argument(scores.rows(rows), "topK"), .int(selection.width), .int(selection.k),
          argument(values.rows(rows), "topK"), argument(columns.rows(rows), "topK"),
        ], over: listGrid(selection.k, rows: rows.count))
    }
  }

  /// The k best ranks of each row, not yet in order, `rowStride` places a row.
  private func select(
    _ selection: Selection, _ scores: Matrix<Float>, _ order: ScoreOrder
  ) throws(TesseraError) -> OpenCLStorage {
    let ranks = try reserve(scores.rows * selection.rowStride, of: UInt64.self)
    guard selection.segments > 1 else {
      try selectBest(
        argument(scores, "topK"), source(order), width: selection.width,
        segmentWidth: selection.width, k: selection.k, into: ranks, rows: scores.rows,
        places: selection.rowStride)
      return ranks
    }
    let width = selection.segments * selection.k
    let candidates = try reserve(scores.rows * width, of: UInt64.self)
    try selectBest(
      argument(scores, "topK"), source(order), width: selection.width,
      segmentWidth: selection.segmentWidth, k: selection.k, into: candidates, rows: scores.rows,
      places: selection.k)
    try selectBest(
      .all(of: candidates, as: UInt64.self), source(order, fromRanks: true), width: width,
      segmentWidth: width, k: selection.k, into: ranks, rows: scores.rows,
      places: selection.rowStride)
    return ranks
  }

  /// Each segment's k best go to `places` places; those left over hold what sorts last.
  private func selectBest(
    _ inputs: KernelArgument, _ source: KernelSource, width: Int, segmentWidth: Int, k: Int,
    into ranks: OpenCLStorage, rows: Int, places: Int
  ) throws(TesseraError) {
    let segments = (width + segmentWidth - 1) / segmentWidth
    try launch(
      "select_best", of: source,
      [
        inputs, .int(width), .int(segmentWidth), .int(k), .all(of: ranks, as: UInt64.self),
        .int(places), .int(segments * places),
      ],
      over: Grid(
        workGroups: (segments, rows), local: (workGroupSize, 1), workEach: 32 * segmentWidth))
  }

  private func sort(
    _ selection: Selection, _ ranks: OpenCLStorage, rows: Int
  ) throws(TesseraError) {
    let length = selection.sortLength
    let ranks = KernelArgument.all(of: ranks, as: UInt64.self)
    guard !selection.sortsInLocalMemory else {
      return try launch(
        "sort_ranks", of: source(.largestFirst),
        [ranks, .int(selection.k), .local(8 * length), .int(length)],
        over: Grid(workGroups: (rows, 1), local: (workGroupSize, 1), workEach: 256 * length))
    }
    var size = 2
    while size <= length {
      var distance = size / 2
      while distance > 0 {
        try launch(
          "sort_step", of: source(.largestFirst),
          [ranks, .int(length), .int(size), .int(distance)],
          over: listGrid(length / 2, rows: rows))
        distance /= 2
      }
      size *= 2
    }
  }

  private func source(_ order: ScoreOrder, fromRanks: Bool = false) -> KernelSource {
    KernelSource(
      "top_k",
      ["LARGEST_FIRST": order == .largestFirst ? 1 : 0, "FROM_RANKS": fromRanks ? 1 : 0])
  }

  /// Groups that walk `count` places of each row, 1024 at a time.
  private func listGrid(_ count: Int, rows: Int) -> Grid {
    Grid(
      workGroups: ((count + 1023) / 1024, rows), local: (workGroupSize, 1), workEach: 1024 * 8)
  }
}

/// Plans how the k best of each row are found: in how many segments, and where they are sorted.
struct Selection {
  let width: Int
  let k: Int
  /// Parts of a row that are searched side by side; their results are then searched together.
  let segments: Int
  let segmentWidth: Int
  /// The power of two that holds k.
  let sortLength: Int
  let sortsInLocalMemory: Bool
  /// Ranks per row while they are sorted.
  let rowStride: Int
  let rowsPerBatch: Int

  init(
    rows: Int, width: Int, k: Int, computeUnits: Int, localBytes: Int,
    _ values: LaunchValues = LaunchValues()
  ) {
    self.width = width
    self.k = k
    // Segments only pay where rows alone leave compute units idle and most of a segment is dropped.
    let wanted = (4 * computeUnits + rows - 1) / rows
    let useful = width / max(16_384, 8 * k)
    let count = max(1, min(wanted, useful))
    // Or as wide as stays in a unit's cache while it is gone over again and again.
    let chosen = max(values[.segmentColumns], 8 * k)
    segmentWidth =
      values[.segmentColumns] > 0 ? min(width, chosen) : (width + count - 1) / count
    segments = (width + segmentWidth - 1) / segmentWidth
    sortLength = k <= 1 ? 1 : 1 << (Int.bitWidth - (k - 1).leadingZeroBitCount)
    sortsInLocalMemory = sortLength * 8 <= min(localBytes / 2, 16_384)
    rowStride = sortsInLocalMemory ? k : sortLength
    // At most 64 MiB of ranks at a time.
    rowsPerBatch = max(1, (8 << 20) / (rowStride + segments * k))
  }
}
