import ArgumentParser
import Tessera
import TesseraDevices
internal import TesseraHost

extension SearchCommand {
  /// Searches an index, or a base for all rows beyond a score: an index of one list.
  func searchIndex() throws {
    let loadStart = ContinuousClock.now
    var snapshot = try openIndex()
    let name = index ?? base ?? ""
    if let metric, metric.name != snapshot.base.metricName {
      throw ValidationError(
        "--metric \(metric.name): \(name) compares by \(snapshot.base.metricName); leave the option out"
      )
    }
    let queries = try openQueries(dimension: snapshot.base.dimension, of: name)
    let truth = try openTruth(queryCount: queries.count)
    let selector = try selector(of: snapshot, name)
    if index != nil, probes == nil, !plan {
      snapshot = snapshot.replacing(try measured(snapshot.base, by: devices, name, output))
    }
    let searched = snapshot.base
    let loadSeconds = loadStart.secondsAgo
    let files = try search.out.map { prefix throws(TesseraError) in
      try OutputFiles(outputs(prefix), inputs: inputs)
    }
    let selection = try devices.select(
      for: snapshot.shape(queryCount: queries.count, k: k ?? 100), output)
    let engine = try LivingSearch(
      snapshot, on: selection.device,
      options: .init(
        memoryBudget: search.memory, batchSize: search.batch, vectorsName: name,
        queriesName: self.queries))
    if plan, let k {
      let plan = try IndexSearch(searched, on: selection.device, options: engine.options).plan(
        queryCount: queries.count, k: k, only: selector,
        control: RunControl(fallback: selection.fallback, note: output.note))
      let summary = PlanSummary(
        of: plan, searched, selectedRows: selector.map(searched.count(of:)) ?? searched.count,
        queries: queries.count, k: k)
      return try show(summary, summary.table())
    }
    let limit = k.map(Limit.k) ?? .score(within ?? 0)
    let effort =
      probes.map(IndexSearch.Effort.probes) ?? .recall(recall ?? 0.95)
    let reports = try search.ask(queries, output) { progress throws(TesseraError) in
      let control = RunControl(
        fallback: selection.fallback, progress: progress, note: output.note)
      return try engine.nearest(
        queries, within: limit, effort: index == nil ? .all : effort, only: selector,
        control: control)
    }
    let found = reports[reports.count - 1].neighbors
    if let files, let prefix = search.out {
      try write(found, prefix, files, order: searched.metric.order)
    }
    let recall = truth.map { truth in
      Recall(queries: queries.count, k: min(k ?? truth.columns, truth.columns), truth: truth) {
        found[$0].map(\.id)
      }.recall
    }
    let summary = IndexSummary(
      of: reports, snapshot, k: k, within: within, loadSeconds: loadSeconds, recall: recall)
    try show(summary, summary.table())
  }

  private func openIndex() throws(TesseraError) -> IndexSnapshot {
    if let index { return try openSnapshot(index, output) }
    let name = base ?? ""
    let rows = try VectorFile.open(name)
    switch metric ?? .numbers(.innerProduct) {
    case .numbers(let metric): return IndexSnapshot(Index(whole: rows, metric: metric))
    case .bits(let metric):
      do throws(TesseraError) {
        return IndexSnapshot(try Index(whole: rows, metric: metric))
      } catch {
        throw TesseraError(error.code, "\(name): \(error.message)")
      }
    }
  }

  /// The rows that `--ids` selects, by the ids that the index has.
  private func selector(of index: IndexSnapshot, _ name: String) throws(TesseraError) -> IDSelector?
  {
    guard let ids else { return nil }
    let selector: IDSelector =
      switch ids {
      case .range(let range): .range(range)
      case .file(let path):
        try IDFile.openSelector(path, of: index.isChanged ? IDMap(index.ids) : index.base.lists.ids)
      }
    guard index.count(of: selector) > 0 else {
      throw TesseraError(
        .invalidShape,
        "--ids: selects none of the \(index.count) rows of \(name); select at least one")
    }
    return selector
  }

  private func outputs(_ prefix: String) -> [String] {
    [Self.idsPath(prefix), Self.scoresPath(prefix)]
      + (within == nil ? [] : [Self.startsPath(prefix)])
  }

  private func write(
    _ found: Neighbors, _ prefix: String, _ files: OutputFiles, order: ScoreOrder
  ) throws(TesseraError) {
    let ids = files[Self.idsPath(prefix)]
    let scores = files[Self.scoresPath(prefix)]
    if let k {
      // Rows of one length: what is missing scores as badly as can be.
      let worst: Float = order == .largestFirst ? -.infinity : .infinity
      var (allIDs, allScores): ([Int64], [Float]) = ([], [])
      let columns = min(k, found.hitCount)
      for query in 0..<found.queryCount {
        let hits = found[query]
        let missing = columns - hits.count
        allIDs += hits.map(\.id) + [Int64](repeating: -1, count: missing)
        allScores += hits.map(\.score) + [Float](repeating: worst, count: missing)
      }
      try IDFile.write(allIDs, rows: found.queryCount, columns: columns, into: ids)
      try ScoreFile.write(allScores, rows: found.queryCount, columns: columns, into: scores)
    } else {
      try IDFile.write(found.ids, rows: found.ids.count, columns: 1, into: ids)
      try ScoreFile.write(found.scores, rows: found.ids.count, columns: 1, into: scores)
      try IDFile.write(
        found.starts.map { Int64($0) }, rows: found.starts.count, columns: 1,
        into: files[Self.startsPath(prefix)])
    }
    try files.commit()
  }

  private static func startsPath(_ prefix: String) -> String { "\(prefix).starts.npy" }

  /// The result that `search --index` prints: as JSON under these names, or as a table.
  struct IndexSummary: Encodable {
    let device: String
    let variant: String
    let spec: String
    let metric: String
    let rows: Int
    /// Rows that were added and removed since the index file was written.
    let addedRows: Int
    let removedRows: Int
    let dimension: Int
    let queries: Int
    let k: Int?
    let within: Float?
    /// Hits of a query, on average.
    let hitsPerQuery: Double
    /// Lists that each query looked at.
    let probes: Int
    let listsPerQuery: Double
    let rowsPerQuery: Double
    /// The share of queries whose hits are proven to be the best of the whole index.
    let certifiedShare: Double
    let certified: Bool
    /// Names the rows that were searched: `lists`, `all`, or `selected` for a small selection.
    let path: String
    let seconds: Seconds
    let queriesPerSecond: Double
    let candidatesPerQuery: Double
    let rescoredPerQuery: Double
    /// Chunks of the index that were searched.
    let chunks: Int
    /// Queries given to the device at a time.
    let batch: Int
    let residentBytes: Int
    /// Planned for the work on one chunk, and given back.
    let workingBytes: Int
    let peakBytes: Int
    let recall: Double?

    struct Seconds: Encodable {
      let load: Double
      let prepare: Double
      let search: [Double]
      let stages: Stages
    }

    struct Stages: Encodable {
      let coarse: Double
      let scan: Double
      let refine: Double
    }

    init(
      of reports: [IndexSearch.Report], _ snapshot: IndexSnapshot, k: Int?, within: Float?,
      loadSeconds: Double, recall: Double?
    ) {
      let last = reports[reports.count - 1]
      let index = snapshot.base
      let found = last.neighbors
      let perQuery = 1 / Double(max(1, found.queryCount))
      device = last.device.identifier
      variant = last.device.variant
      spec = index.specification.description
      metric = index.metricName
      rows = snapshot.count
      addedRows = snapshot.segmentRowCount
      removedRows = snapshot.removedCount
      dimension = index.dimension
      queries = found.queryCount
      self.k = k
      self.within = within
      hitsPerQuery = Double(found.ids.count) * perQuery
      probes = last.probes
      listsPerQuery = last.listsPerQuery
      rowsPerQuery = last.rowsPerQuery
      certifiedShare = last.certifiedShare
      certified = last.certifiedShare == 1
      path = last.path.rawValue
      let searches = reports.map(\.searchSeconds)
      seconds = Seconds(
        load: loadSeconds, prepare: reports[0].prepareSeconds, search: searches,
        stages: Stages(
          coarse: last.stages.coarse, scan: last.stages.scan, refine: last.stages.refine))
      queriesPerSecond = Double(queries) / max(Summary.median(searches), 1e-9)
      candidatesPerQuery = Double(found.statistics.candidates) * perQuery
      rescoredPerQuery = Double(found.statistics.rescored) * perQuery
      chunks = last.chunkCount
      batch = last.batchSize
      residentBytes = last.residentBytes
      workingBytes = last.workingBytes
      peakBytes = HostLimits.current.peakResidentBytes
      self.recall = recall
    }

    func table() -> Table {
      var table = Table()
      table.add("device", "\(device) (\(variant))")
      table.add("index", "\(spec), \(rows) x \(dimension), \(metric)")
      if addedRows + removedRows > 0 {
        table.add("journal", "\(addedRows) rows added, \(removedRows) removed")
      }
      table.add(
        "queries", "\(queries), " + (k.map { "k = \($0)" } ?? "within \(within ?? 0)"))
      table.add("hits", "\(hitsPerQuery.short) a query")
      table.add(
        "looked at",
        "\(listsPerQuery.short) lists and \(rowsPerQuery.short) rows a query (\(path))")
      table.add("certified", "\((100 * certifiedShare).short) % of the queries")
      table.add("prepare", "\(seconds.prepare.short) s")
      table.add("search", seconds.search.map(\.short).joined(separator: ", ") + " s")
      table.add("rate", "\(queriesPerSecond.short) queries/s")
      table.add("prepared rows", residentBytes.asBytes + (chunks > 1 ? " a chunk" : ""))
      table.add("peak memory", peakBytes.asBytes + (chunks > 1 ? ", \(chunks) chunks" : ""))
      if let recall { table.add("recall", recall.short) }
      return table
    }
  }
}
