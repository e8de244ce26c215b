public import TesseraCompute

extension OpenCLDevice {
  /// Cost: the codes are laid out by the host, and uploaded a run of them at a time. They take
  /// their own size, filled up to whole groups of 32 rows and four subspaces (4 bits) or of 64 rows
  /// (8 bits).
  public func prepare(_ codes: ProductCodes) throws(TesseraError) -> CodeSet {
    try prepare(codes, limits: SearchLimits())
  }

  func prepare(_ codes: ProductCodes, limits: SearchLimits) throws(TesseraError) -> CodeSet {
    try Shapes.prepare(codes)
    guard loopLimit == .max, try trusts(.nearestCodes(bits: codes.bits)) else {
      return try HostPath(self).prepare(codes)
    }
    return try OpenCLCodeSet(codes, on: self, limits: limits)
  }

  /// Cost: less than a look-up per query, row and subspace, since several queries share one, and
  /// Float32 sums for the few rows that the rounded ones do not rule out. Queries that find more
  /// near ties than their list holds take a second pass, and sums for every row that ties. Tables
  /// longer than codes can use, and queries whose tables are not finite or reach 10^38, cost what
  /// `lookupScores` and `topK` do, on blocks of rows.
  public func nearestCodes(
    _ tables: Matrix<Float>, in set: CodeSet, order: ScoreOrder, k: Int
  ) throws(TesseraError) -> Neighbors {
    try nearestCodes(tables, in: set, order: order, k: k, limits: SearchLimits())
  }

  func nearestCodes(
    _ tables: Matrix<Float>, in set: CodeSet, order: ScoreOrder, k: Int, limits: SearchLimits
  ) throws(TesseraError) -> Neighbors {
    let codewords = try Shapes.nearestCodes(tables, in: set, k: k)
    // The host has prepared the set, then, too.
    guard loopLimit == .max, try trusts(.nearestCodes(bits: set.bits)) else {
      return try HostPath(self).nearestCodes(tables, in: set, order: order, k: k)
    }
    guard let set = set as? OpenCLCodeSet else {
      throw TesseraError(.wrongDevice, "nearestCodes: the codes were prepared on another device")
    }
    try requireCurrent(set.panelLengths, "nearestCodes")
    _ = try own(tables.storage, "nearestCodes")
    let hitCount = min(k, set.count)
    guard tables.rows > 0, hitCount > 0 else {
      return .none(queryCount: tables.rows, hitCount: hitCount)
    }
    // Sixteen items share a group of rows in tiles.
    guard codewords <= 1 << set.bits, set.subspaceCount <= RoundedTables.mostSubspaces,
      body == .wideItem || workGroupSize >= 16
    else {
      return try scoreAll(tables, in: set, order: order, hitCount: hitCount, limits: limits)
    }
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
      ids: .consecutive(count: set.count))
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
            try scoreAll(queries, in: set, order: order, hitCount: hitCount, limits: limits))
        }
        done += queries.rows
      }
    }
    return hits.neighbors
  }
}
