internal import TesseraCompute
internal import TesseraHost

/// One pass over the chunks of an index, while it is under way: the hits of its queries, batch by batch.
struct SearchPass {
  private let search: IndexSearch
  private let request: IndexSearch.Request
  private let device: any Device
  private var batches: [Batch]
  private var doneRows = 0
  private let totalRows: Int
  /// Bytes of the largest chunk on the device.
  private(set) var residentBytes = 0
  var prepareSeconds = 0.0
  private(set) var stages = IndexSearch.Report.Stages()
  /// Lists and rows that queries looked at, and queries whose hits nothing can better.
  private(set) var (lists, rows, certified) = (0, 0, 0)

  /// Queries that are asked together.
  private struct Batch {
    let range: Range<Int>
    /// The lists that they look at, once they are known; none where they look at all.
    var coarse: CoarseProbes?
    var found: Neighbors?

    /// Adds the hits in another chunk.
    mutating func add(_ hits: Neighbors, within limit: Limit, order: ScoreOrder) {
      found = found?.merged(with: hits, within: limit, order: order) ?? hits
    }
  }

  init(
    _ search: IndexSearch, _ request: IndexSearch.Request, _ plan: IndexSearch.Plan,
    on device: any Device
  ) {
    self.search = search
    self.request = request
    self.device = device
    batches = stride(from: 0, to: request.queries.count, by: plan.batchSize).map {
      Batch(range: $0..<min($0 + plan.batchSize, request.queries.count))
    }
    totalRows = plan.chunks.reduce(0) { $0 + $1.rows.count }
  }

  private var index: Index { search.index }

  /// Asks `kept`, which holds the rows of `chunk`, all queries, and merges its hits with those of other
  /// chunks.
  mutating func search(
    _ kept: KeptRows, _ chunk: IndexSearch.Chunk, _ prepared: IndexSearch.Prepared
  ) throws(TesseraError) {
    residentBytes = max(residentBytes, kept.residentBytes)
    let all = Double(totalRows) * Double(request.queries.count)
    for place in batches.indices {
      try request.control.stop.check()
      let range = batches[place].range
      let before =
        Double(doneRows) * Double(request.queries.count)
        + Double(chunk.rows.count) * Double(range.lowerBound)
      let width = Double(chunk.rows.count) * Double(range.count)
      let meter = ProgressMeter { [progress = request.control.progress] share in
        progress(RunControl.Progress("search", done: (before + share * width) / all))
      }
      try meter.measure { () throws(TesseraError) in
        do throws(TesseraError) {
          var batch = batches[place]
          try ask(&batch, kept, chunk, prepared)
          batches[place] = batch
        } catch {
          throw error.naming(
            search.options.queriesName, request.queries.rows(range), from: range.lowerBound)
        }
      }
      request.control.progress(
        RunControl.Progress("search", done: min(1, (before + width) / all)))
    }
    doneRows += chunk.rows.count
  }

  private mutating func ask(
    _ batch: inout Batch, _ kept: KeptRows, _ chunk: IndexSearch.Chunk,
    _ prepared: IndexSearch.Prepared
  ) throws(TesseraError) {
    let start = ContinuousClock.now
    let queries = try index.transformed(request.queries.rows(batch.range), on: device)
    if request.path == .lists, batch.coarse == nil, let centroids = prepared.centroids {
      batch.coarse = try centroids.probes(queries, request.probes)
    }
    stages.coarse += start.secondsAgo
    let scanStart = ContinuousClock.now
    defer { stages.scan += scanStart.secondsAgo }
    if case .bits(let rows) = index.content {
      let own =
        chunk.lists.count < index.listCount
        ? batch.coarse?.probes.within(chunk.lists) : batch.coarse?.probes
      if let own, own.lists.isEmpty { return }
      let hits = try BitQueries(
        request.queries.rows(batch.range), among: rows, on: device
      ).nearest(
        within: scanLimit, of: index, listCount: chunk.lists.count, probing: own
      ) { tables, probes, limit throws(TesseraError) in
        try kept.nearest(
          .tables(tables), probing: probes, within: limit, order: index.metric.order,
          only: request.selector, on: device)
      }
      batch.add(hits, within: scanLimit, order: index.metric.order)
      return
    }
    let (asked, all) = try index.asked(
      queries, batch.coarse?.probes, prepared.codeCenters, firstRow: batch.range.lowerBound,
      on: device)
    let own = chunk.lists.count < index.listCount ? all?.within(chunk.lists) : all
    if let own, own.lists.isEmpty { return }
    batch.found = try kept.nearest(
      asked, probing: own, within: scanLimit, order: index.metric.order, only: request.selector,
      besides: batch.found, on: device)
  }

  /// The hits that are sought before they are scored again.
  private var scanLimit: Limit {
    guard index.originals != nil, case .k(let k) = request.limit else { return request.limit }
    let (product, overflow) = k.multipliedReportingOverflow(by: search.options.refineFactor)
    return .k(overflow ? .max : product)
  }

  /// Returns the hits of all queries, once all chunks are searched.
  mutating func neighbors() throws(TesseraError) -> Neighbors {
    var all: Neighbors?
    for batch in batches {
      var found = batch.found ?? .none(queryCount: batch.range.count)
      if index.originals != nil {
        let start = ContinuousClock.now
        found = try index.refined(
          found, request.queries.rows(batch.range), request.limit, on: device)
        stages.refine += start.secondsAgo
      }
      count(batch, found)
      if all == nil { all = found } else { all?.append(found) }
    }
    if let all { return all }
    let hitCount =
      if case .k(let k) = request.limit, request.path != .lists {
        min(k, request.selectedCount)
      } else { 0 }
    return .none(queryCount: 0, hitCount: hitCount)
  }

  /// Counts what a batch looked at, and the queries whose hits nothing can better.
  private mutating func count(_ batch: Batch, _ found: Neighbors) {
    // Hits among codes or transformed rows are the best of these, which says little about rows.
    let keepsRows = index.keepsRows
    guard let coarse = batch.coarse, let known = index.coarse else {
      lists += batch.range.count * index.listCount
      rows += batch.range.count * index.count
      if keepsRows { certified += batch.range.count }
      return
    }
    lists += coarse.probes.lists.count
    rows += index.lists.rowCount(of: coarse.probes)
    // Distances between bits of lists are Hamming distances, which say little of Jaccard's.
    guard keepsRows, index.bits != .jaccard else { return }
    for query in 0..<found.queryCount {
      let worst: Float
      switch request.limit {
      case .k(let k):
        guard found[query].count == k, let last = found[query].last else { continue }
        worst = last.score
      case .score(let score): worst = score
      }
      let length =
        index.metric == .innerProduct
        ? request.queries.row(batch.range.lowerBound + query).squaredLength.squareRoot() : 0
      if known.ruleOut(index.metric, next: coarse.next[query], worst: worst, length: length) {
        certified += 1
      }
    }
  }
}

extension Index {
  /// Scores hits again by the rows themselves.
  fileprivate func refined(
    _ found: Neighbors, _ queries: Vectors, _ limit: Limit, on device: any Device
  ) throws(TesseraError) -> Neighbors {
    guard let originals else { return found }
    let scores = try device.canonicalScores(
      queries, with: originals, listed: rows(of: found.ids), starts: found.starts, metric: metric)
    let order = metric.order
    var starts = [0]
    var ids: [Int64] = []
    var best: [Float] = []
    for query in 0..<found.queryCount {
      let own = found.starts[query]..<found.starts[query + 1]
      var hits = own.map { (score: scores[$0], id: found.ids[$0]) }
      hits.sort { order.ranks($0, ahead: $1) }
      switch limit {
      case .k(let k): hits.removeLast(max(0, hits.count - k))
      case .score(let score): hits.removeAll { !order.ranks($0.score, ahead: score) }
      }
      ids += hits.lazy.map(\.id)
      best += hits.lazy.map(\.score)
      starts.append(ids.count)
    }
    return Neighbors(starts: starts, ids: ids, scores: best, statistics: found.statistics)
  }
}
