internal import TesseraCompute

extension OpenCLDevice {
  /// Finds the best codes by a score for every code that a query looks at.
  func scoreAll(
    _ queries: CodeQueries, in set: OpenCLCodeSet, probing probes: Probes?, order: ScoreOrder,
    k: Int, only selector: IDSelector?, limits: SearchLimits
  ) throws(TesseraError) -> Neighbors {
    let queryCount = queries.tables.rows
    let all = probes ?? Probes.all(of: set.lists.count, queryCount: queryCount)
    let probed = ProbedCodes(all, set.layout.layout, only: selector)
    guard let most = probed.rowCounts.max(), most > 0 else { return .none(queryCount: queryCount) }
    let hitCount = min(k, most)
    let perQuery =
      probed.workBytesPerQuery + 4 + (all.terms == nil ? 0 : 4 * set.lists.count)
    func size(_ limits: SearchLimits) -> SearchLists.Size {
      SearchLists.Size(
        info, queryCount: queryCount, queryBytes: perQuery, rowCount: most, hitCount: hitCount,
        limits: limits)
    }
    return try shrinking(limits) { limits in
      (size(limits).byteCount, size(limits).queryCount > SearchMemory.blockQueries)
    } _: { limits throws(TesseraError) in
      let lists = try SearchLists(self, size(limits), hitCount: hitCount)
      var hits = SearchHits(
        "nearestCodes", hitCounts: probed.rowCounts.map { min(k, $0) }, ids: set.lists.ids,
        isNegated: order == .smallestFirst)
      for start in stride(from: 0, to: queryCount, by: lists.queryCount) {
        let range = start..<min(start + lists.queryCount, queryCount)
        let batch = try queries.queries(range)
        let terms = probed.terms(range)
        // What is beyond Float32 has no place in thresholds.
        guard try set.canScore(batch, terms, on: self) else {
          hits.add(
            try ReferenceDevice.shared.nearestCodes(
              batch.onHost(from: self), in: set.onHost(from: self), probing: all.of(range),
              order: order, within: .k(k), only: selector))
          continue
        }
        let run = ListedCodesRun(
          device: self, codes: set, tables: batch.tables,
          weights: set.hasFactors
            ? try numbers(
              batch.offsetWeights ?? [Float](repeating: 1, count: range.count)) : nil,
          terms: try terms.map { terms throws(TesseraError) in try numbers(terms) }, order: order,
          work: try probed.work(range, of: set.segments, on: self), lists: lists)
        try hits.add(try run.search())
      }
      return hits.neighbors
    }
  }

  private func numbers(_ values: [Float]) throws(TesseraError) -> OpenCLStorage {
    let storage = try reserve(max(1, values.count), of: Float.self)
    if !values.isEmpty { try context.write(values, to: storage) }
    return storage
  }
}

extension CodeQueries {
  /// The queries listed.
  func picking(_ rows: [Int], on device: OpenCLDevice) throws(TesseraError) -> CodeQueries {
    guard rows.count < tables.rows else { return self }
    let picked = try device.allocate(Float.self, rows: rows.count, columns: tables.columns)
    try device.gather(
      tables, rows: device.upload(rows.map { Int32($0) }, rows: rows.count, columns: 1),
      into: picked)
    return try CodeQueries(
      picked, offsetWeights: offsetWeights.map { weights in rows.map { weights[$0] } })
  }

  fileprivate func onHost(from device: OpenCLDevice) throws(TesseraError) -> CodeQueries {
    try CodeQueries(
      ReferenceDevice.shared.upload(
        device.download(tables), rows: tables.rows, columns: tables.columns),
      offsetWeights: offsetWeights)
  }
}

extension OpenCLCodeSet {
  /// Tells whether no score of the queries can be beyond Float32.
  fileprivate func canScore(
    _ queries: CodeQueries, _ terms: [Float]?, on device: OpenCLDevice
  ) throws(TesseraError) -> Bool {
    let entry = try device.download(queries.tables).reduce(Float(0)) { Self.larger($0, $1) }
    let weight = queries.offsetWeights?.reduce(0) { Self.larger($0, $1) } ?? 1
    let term = terms?.reduce(0) { Self.larger($0, $1) } ?? 0
    let size =
      Double(entry) * Double(subspaceCount) * Double(largest.scale)
      + Double(weight) * Double(largest.offset) + Double(term)
    return Double(entry) * Double(subspaceCount) < 1e38 && size < 1e38
  }

  /// The larger size; NaN if there is one.
  private static func larger(_ size: Float, _ number: Float) -> Float {
    abs(number) <= size || size.isNaN ? size : abs(number)
  }

  /// The same codes as the reference device reads them.
  fileprivate func onHost(from device: OpenCLDevice) throws(TesseraError) -> CodeSet {
    var numbers = [UInt8](repeating: 0, count: count * subspaceCount)
    var scales = [Float](repeating: 1, count: count)
    var offsets = [Float](repeating: 0, count: count)
    for segment in segments {
      let bytes = try device.context.read(
        segment.bytes.byteCount, of: UInt8.self, from: segment.bytes)
      let factors = try segment.factors.map { factors throws(TesseraError) in
        try device.context.read(factors.byteCount / 4, of: Float.self, from: factors)
      }
      for place in segment.rows {
        guard let row = layout.layout.row(at: place) else { continue }
        let own = place - segment.rows.lowerBound
        for subspace in 0..<subspaceCount {
          numbers[row * subspaceCount + subspace] = layout.number(
            in: bytes, place: own, subspace: subspace)
        }
        if let factors { (scales[row], offsets[row]) = (factors[2 * own], factors[2 * own + 1]) }
      }
    }
    return try ReferenceDevice.shared.prepare(
      ProductCodes(
        numbers, subspaceCount: subspaceCount, bits: 8, scales: hasFactors ? scales : nil,
        offsets: hasFactors ? offsets : nil), in: lists)
  }
}
