internal import Synchronization
internal import TesseraCompute
internal import TesseraHost

extension FlatSearch {
  /// Searches chunk after chunk as `plan` says.
  func search(
    _ request: Request, _ plan: Plan, _ visit: Visit
  ) throws(TesseraError) -> SearchReport {
    // No device looks at the queries where there is no row to search, so they are checked here.
    if plan.chunks.isEmpty { try Shapes.requireFinite(request.queries, options.queriesName) }
    var pass = Pass(request, plan, selectedCount: selectedCount(request.selector))
    let limit = visit.site.memoryBudget
    if plan.streams { forgetPrepared(visit) }
    for rows in plan.chunks {
      // Rows that stay are held already; chunks of a stream come and go with the search.
      try gate.run(
        plan.streams ? plan.cost.peakBytes : plan.cost.workingBytes,
        of: plan.streams ? limit : limit - plan.cost.residentBytes
      ) { () throws(TesseraError) in
        let start = ContinuousClock.now
        let set =
          plan.streams ? try prepare(rows, on: visit.site.device) : try wholeSet(rows, visit)
        pass.prepareSeconds += start.secondsAgo
        try pass.search(set, rows, on: visit.site.device, self)
      }
      // A file larger than memory should not push everything else out of it.
      if plan.streams { vectors.rows(rows).evict() }
    }
    let neighbors = try ranking(extremesOf: pass.neighbors, request, plan, visit)
    return SearchReport(
      neighbors: neighbors, device: visit.site.device.info, chunkCount: plan.chunks.count,
      batchSize: plan.batchSize, residentBytes: pass.residentBytes,
      workingBytes: plan.cost.workingBytes, peakBytes: plan.cost.peakBytes,
      prepareSeconds: pass.prepareSeconds,
      searchSeconds: plan.streams ? pass.searchSeconds + pass.prepareSeconds : pass.searchSeconds)
  }

  /// Returns how many rows `selector` lets a search return.
  func selectedCount(_ selector: IDSelector?) -> Int {
    selector?.count(in: 0..<Int64(vectors.count)) ?? vectors.count
  }

  /// Forgets the prepared rows, because a search needs their memory.
  func forgetPrepared(_ visit: Visit) {
    state.withLock { state in
      if state.generation == visit.generation { state.prepared = nil }
    }
  }

  /// Returns all rows as they were prepared before, or prepares them; one search does so while the
  /// others wait for it.
  private func wholeSet(_ rows: Range<Int>, _ visit: Visit) throws(TesseraError) -> VectorSet {
    while true {
      let (set, isMine) = state.withLock { state -> (VectorSet?, Bool) in
        // The site has changed since this search began: what it prepares, it keeps for itself.
        guard state.generation == visit.generation else { return (nil, true) }
        if let prepared = state.prepared { return (prepared, false) }
        guard !state.isPreparing else { return (nil, false) }
        state.isPreparing = true
        return (nil, true)
      }
      if let set { return set }
      if isMine { return try prepareWhole(rows, visit) }
      try SearchGate.pause()
    }
  }

  private func prepareWhole(_ rows: Range<Int>, _ visit: Visit) throws(TesseraError) -> VectorSet {
    var made: VectorSet?
    defer {
      state.withLock { state in
        guard state.generation == visit.generation else { return }
        state.isPreparing = false
        state.prepared = made
      }
    }
    let set = try prepare(rows, on: visit.site.device)
    made = set
    return set
  }

  private func prepare(
    _ rows: Range<Int>, on device: any Device
  ) throws(TesseraError) -> VectorSet {
    let chunk = vectors.rows(rows)
    do throws(TesseraError) {
      return try device.prepare(chunk, metric: metric, firstID: Int64(rows.lowerBound))
    } catch {
      throw error.naming(options.vectorsName, chunk, from: rows.lowerBound)
    }
  }
}

/// The hits of one pass over the rows, batch by batch, while it is under way.
struct Pass {
  private let request: FlatSearch.Request
  private let batches: [Range<Int>]
  private var found: [Neighbors]
  private var isFirstChunk = true
  private let hitCount: Int
  private var doneRows = 0
  private let totalRows: Int
  private(set) var residentBytes = 0
  var prepareSeconds = 0.0
  private(set) var searchSeconds = 0.0

  init(_ request: FlatSearch.Request, _ plan: FlatSearch.Plan, selectedCount: Int) {
    self.request = request
    batches = stride(from: 0, to: request.queries.count, by: plan.batchSize).map {
      $0..<min($0 + plan.batchSize, request.queries.count)
    }
    found = batches.map { Neighbors.none(queryCount: $0.count) }
    totalRows = plan.chunks.reduce(0) { $0 + $1.count }
    hitCount = min(request.k, selectedCount)
  }

  /// Asks `set`, which holds `rows`, all queries, and merges its hits with those of other chunks.
  mutating func search(
    _ set: VectorSet, _ rows: Range<Int>, on device: any Device, _ flat: FlatSearch
  ) throws(TesseraError) {
    residentBytes = max(residentBytes, set.residentBytes)
    let start = ContinuousClock.now
    let all = Double(totalRows) * Double(request.queries.count)
    for (index, batch) in batches.enumerated() {
      try request.control.stop.check()
      let before =
        Double(doneRows) * Double(request.queries.count)
        + Double(rows.count) * Double(batch.lowerBound)
      let width = Double(rows.count) * Double(batch.count)
      let meter = ProgressMeter { [progress = request.control.progress] share in
        progress(RunControl.Progress("search", done: (before + share * width) / all))
      }
      let hits = try meter.measure { () throws(TesseraError) in
        try nearest(batch, in: set, on: device, flat)
      }
      found[index] =
        isFirstChunk
        ? hits : found[index].merged(with: hits, k: request.k, order: flat.metric.order)
      request.control.progress(
        RunControl.Progress("search", done: min(1, (before + width) / all)))
    }
    isFirstChunk = false
    doneRows += rows.count
    searchSeconds += start.secondsAgo
  }

  private func nearest(
    _ batch: Range<Int>, in set: VectorSet, on device: any Device, _ flat: FlatSearch
  ) throws(TesseraError) -> Neighbors {
    let some = request.queries.rows(batch)
    do throws(TesseraError) {
      return try device.nearest(some, in: set, k: request.k, only: request.selector)
    } catch {
      throw error.naming(flat.options.queriesName, some, from: batch.lowerBound)
    }
  }

  /// The hits of all queries.
  var neighbors: Neighbors {
    guard let first = found.first else {
      return .none(queryCount: 0, hitCount: hitCount)
    }
    guard found.count > 1 else { return first }
    var ids: [Int64] = []
    var scores: [Float] = []
    ids.reserveCapacity(request.queries.count * first.hitCount)
    scores.reserveCapacity(request.queries.count * first.hitCount)
    for batch in found {
      ids += batch.ids
      scores += batch.scores
    }
    return Neighbors(
      queryCount: request.queries.count, hitCount: first.hitCount, ids: ids, scores: scores,
      statistics: found.dropFirst().reduce(first.statistics) { $0 + $1.statistics })
  }
}

extension TesseraError {
  /// A device sees one chunk and counts its rows from 0; people count from the start of the file.
  fileprivate func naming(_ name: String, _ chunk: Vectors, from firstRow: Int) -> TesseraError {
    guard code == .nonFinite else { return self }
    return Shapes.nonFinite(name, rows: chunk.nonFiniteRows(limit: 6).map { $0 + firstRow })
  }
}
