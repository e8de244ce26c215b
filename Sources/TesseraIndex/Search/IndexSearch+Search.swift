internal import Synchronization
internal import TesseraCompute
internal import TesseraHost

extension IndexSearch {
  /// Searches chunk after chunk as `plan` says.
  func search(
    _ request: Request, _ plan: Plan, _ visit: Visit
  ) throws(TesseraError) -> Report {
    var pass = SearchPass(self, request, plan, on: visit.site.device)
    // No device looks at the queries where there is no row to search, so they are checked here.
    if plan.chunks.isEmpty { try Shapes.requireFinite(request.queries, options.queriesName) }
    let limit = visit.site.memoryBudget
    if plan.streams { forgetRows(visit) }
    let start = ContinuousClock.now
    let prepared = try prepared(plan, visit)
    pass.prepareSeconds += start.secondsAgo
    for chunk in plan.chunks {
      // Rows that stay are held already; chunks of a stream come and go with the search.
      try gate.run(
        plan.streams ? plan.cost.peakBytes : plan.cost.workingBytes,
        of: plan.streams ? limit : limit - plan.cost.residentBytes
      ) { () throws(TesseraError) in
        let start = ContinuousClock.now
        let rows =
          if let rows = prepared.rows { rows } else { try kept(chunk, on: visit.site.device) }
        pass.prepareSeconds += start.secondsAgo
        try pass.search(rows, chunk, prepared)
      }
      // A file larger than memory should not push everything else out of it.
      if plan.streams { index.evict(chunk.rows) }
    }
    var found = try pass.neighbors()
    let doubtful = try rankExtremes(of: &found, request, plan, visit)
    let queryCount = request.queries.count
    let perQuery = 1 / Double(max(1, queryCount))
    let seconds = pass.stages.coarse + pass.stages.scan + pass.stages.refine
    return Report(
      neighbors: found, device: visit.site.device.info, probes: request.probes,
      listsPerQuery: Double(pass.lists) * perQuery, rowsPerQuery: Double(pass.rows) * perQuery,
      certifiedShare: Double(max(0, pass.certified - doubtful)) * perQuery, path: request.path,
      chunkCount: plan.chunks.count, batchSize: plan.batchSize,
      residentBytes: pass.residentBytes + (prepared.centroids?.residentBytes ?? 0),
      workingBytes: plan.cost.workingBytes, peakBytes: plan.cost.peakBytes,
      prepareSeconds: pass.prepareSeconds,
      searchSeconds: plan.streams ? seconds + pass.prepareSeconds : seconds, stages: pass.stages)
  }

  /// Returns how many rows `selector` lets a search return.
  func selectedCount(_ selector: IDSelector?) -> Int {
    selector.map(index.count(of:)) ?? index.count
  }

  /// Forgets the prepared rows, because a search needs their memory.
  func forgetRows(_ visit: Visit) {
    state.withLock { state in
      if state.generation == visit.generation { state.prepared?.rows = nil }
    }
  }

  /// Returns what was prepared before, or prepares it; one search does so while the others wait for it.
  private func prepared(_ plan: Plan, _ visit: Visit) throws(TesseraError) -> Prepared {
    while true {
      let (known, isMine) = state.withLock { state -> (Prepared?, Bool) in
        // The site has changed since this search began: what it prepares, it keeps for itself.
        guard state.generation == visit.generation else { return (nil, true) }
        if var prepared = state.prepared {
          if plan.streams { prepared.rows = nil }
          if plan.streams || prepared.rows != nil { return (prepared, false) }
        }
        guard !state.isPreparing else { return (nil, false) }
        state.isPreparing = true
        return (state.prepared, true)
      }
      if isMine { return try prepare(plan, visit, known) }
      if let known { return known }
      try SearchGate.pause()
    }
  }

  /// Brings to the device what is not there yet.
  private func prepare(
    _ plan: Plan, _ visit: Visit, _ known: Prepared?
  ) throws(TesseraError) -> Prepared {
    var made = known
    defer {
      state.withLock { state in
        guard state.generation == visit.generation else { return }
        state.isPreparing = false
        state.prepared = made
      }
    }
    let device = visit.site.device
    try index.verify()
    var prepared =
      if let known { known } else {
        Prepared(
          centroids: index.coarse.map {
            CoarseSearch($0.centroids, metric: index.metric, on: device)
          }, codeCenters: try index.codeCenters())
      }
    made = prepared
    guard !plan.streams, let chunk = plan.chunks.first else { return prepared }
    prepared.rows = try kept(chunk, on: device)
    made = prepared
    return prepared
  }

  private func kept(_ chunk: Chunk, on device: any Device) throws(TesseraError) -> KeptRows {
    do throws(TesseraError) {
      return try index.kept(chunk.rows, of: chunk.lists, on: device)
    } catch {
      guard index.isFlat, case .rows(let rows) = index.content else { throw error }
      throw error.naming(
        options.vectorsName, rows.rows(chunk.rows), from: chunk.rows.lowerBound)
    }
  }
}

extension Index {
  /// True if it keeps the rows as they were given, in the order they were given: nothing but a search of
  /// all of them is to be planned.
  var isFlat: Bool { listCount == 1 && keepsRows }

  /// Lets go of rows of a mapped file that are in memory.
  fileprivate func evict(_ range: Range<Int>) {
    if case .rows(let rows) = content { rows.rows(range).evict() }
  }
}

extension TesseraError {
  /// A device sees some rows and counts them from 0; people count from the start of the file.
  func naming(_ name: String, _ rows: Vectors, from firstRow: Int) -> TesseraError {
    guard code == .nonFinite else { return self }
    let wrong = rows.nonFiniteRows(limit: 6)
    return wrong.isEmpty ? self : Shapes.nonFinite(name, rows: wrong.map { $0 + firstRow })
  }
}
