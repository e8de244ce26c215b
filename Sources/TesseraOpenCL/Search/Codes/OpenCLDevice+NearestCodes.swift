public import TesseraCompute

extension OpenCLDevice {
  /// Cost: the codes are laid out by the host, and uploaded a run of them at a time. They take
  /// their own size, filled up to whole groups of 32 rows and four subspaces (4 bits) or of 64 rows
  /// (8 bits).
  public func prepare(
    _ codes: ProductCodes, in lists: RowLists
  ) throws(TesseraError) -> CodeSet {
    try prepare(codes, in: lists, limits: SearchLimits())
  }

  func prepare(
    _ codes: ProductCodes, in lists: RowLists? = nil, limits: SearchLimits
  ) throws(TesseraError) -> CodeSet {
    let lists = lists ?? RowLists(one: .consecutive(count: codes.count))
    try Shapes.prepare(codes, in: lists)
    guard loopLimit == .max, try trusts(.nearestCodes(bits: codes.bits)) else {
      return try HostPath(self).prepare(codes, in: lists)
    }
    return try OpenCLCodeSet(codes, in: lists, on: self, limits: limits)
  }

  /// Cost: where all rows of one list are searched, less than a look-up per query, row and subspace,
  /// since several queries share one, and Float32 sums for the few rows that the rounded ones do not
  /// rule out; queries that find more near ties than their list holds take a second pass, and sums for
  /// every row that ties. In lists, under a selection, with scales and offsets, and for tables that
  /// bytes cannot hold, a Float32 sum for every row. Queries whose scores may leave Float32 are
  /// searched by the host.
  public func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, order: ScoreOrder,
    within limit: Limit, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    switch limit {
    case .k(let k):
      return try nearestCodes(
        queries, in: set, probing: probes, order: order, k: k, only: selector,
        limits: SearchLimits())
    case .score(let score):
      try Shapes.nearestCodes(queries, in: set, probing: probes, within: limit)
      return try beyond(score, order, queryCount: queries.tables.rows, rowCount: set.count) {
        some, k throws(TesseraError) in
        try nearestCodes(
          queries.picking(some, on: self), in: set, probing: probes?.of(some), order: order, k: k,
          only: selector, limits: SearchLimits())
      }
    }
  }

  func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes? = nil, order: ScoreOrder,
    k: Int, only selector: IDSelector? = nil, limits: SearchLimits
  ) throws(TesseraError) -> Neighbors {
    let codewords = try Shapes.nearestCodes(queries, in: set, probing: probes, within: .k(k))
    // The host has prepared the set, then, too.
    guard loopLimit == .max, try trusts(.nearestCodes(bits: set.bits)) else {
      return try HostPath(self).nearestCodes(
        queries, in: set, probing: probes, order: order, within: .k(k), only: selector)
    }
    guard let set = set as? OpenCLCodeSet else {
      throw TesseraError(.wrongDevice, "nearestCodes: the codes were prepared on another device")
    }
    try requireCurrent(set.panelLengths, "nearestCodes")
    let tables = queries.tables
    _ = try own(tables.storage, "nearestCodes")
    let rowCount = selector.map { set.lists.ids.count(of: $0) } ?? set.count
    guard tables.rows > 0, rowCount > 0 else {
      return .none(
        queryCount: tables.rows, hitCount: Limit.k(k).hitCount(of: rowCount, probing: probes))
    }
    // Sixteen items share a group of rows in tiles.
    guard probes == nil, selector == nil, !set.hasFactors, set.lists.count == 1,
      codewords <= 1 << set.bits, set.subspaceCount <= RoundedTables.mostSubspaces,
      body == .wideItem || workGroupSize >= 16
    else {
      return try scoreAll(
        queries, in: set, probing: probes, order: order, k: k, only: selector, limits: limits)
    }
    let hitCount = min(k, set.count)
    let scan = CodeScanKernel(self, set.layout)
    func size(_ limits: SearchLimits) -> CodesMemory.Size {
      CodesMemory.Size(
        info, queryCount: tables.rows, hitCount: hitCount, scan, limits: limits)
    }
    return try shrinking(limits) { limits in
      (size(limits).byteCount, size(limits).lists.queryCount > SearchMemory.blockQueries)
    } _: { limits throws(TesseraError) in
      let memory = try CodesMemory(self, size(limits), hitCount: hitCount, scan)
      return try search(tables, in: set, order: order, memory, limits: limits)
    }
  }

  /// Scans for queries whose tables can be rounded, and scores all for the others.
  private func search(
    _ tables: Matrix<Float>, in set: OpenCLCodeSet, order: ScoreOrder, _ memory: CodesMemory,
    limits: SearchLimits
  ) throws(TesseraError) -> Neighbors {
    let hitCount = memory.lists.hitCount
    var hits = SearchHits(
      "nearestCodes", hitCounts: [Int](repeating: hitCount, count: tables.rows),
      ids: set.lists.ids)
    for start in stride(from: 0, to: tables.rows, by: memory.lists.queryCount) {
      let batch = tables.rows(start..<min(start + memory.lists.queryCount, tables.rows))
      let numbers = try download(batch)
      var done = 0
      while done < batch.rows {
        let rounded = CodeTables(
          numbers[(done * tables.columns)...], subspaceCount: set.subspaceCount,
          codewords: tables.columns / set.subspaceCount, order: order, bits: set.bits,
          blockQueries: memory.scan.blockQueries)
        let queries = batch.rows(done..<done + max(1, rounded.queryCount))
        if rounded.queryCount > 0 {
          let run = CodesRun(
            device: self, codes: set, tables: queries, order: order, memory: memory)
          try hits.add(try run.search(rounded))
        } else {
          hits.add(
            try scoreAll(
              CodeQueries(queries), in: set, probing: nil, order: order, k: hitCount, only: nil,
              limits: limits))
        }
        done += queries.rows
      }
    }
    return hits.neighbors
  }
}
