import ArgumentParser
import Tessera
internal import TesseraHost

extension QuantizerCommand {
  struct Search: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Find the codes nearest to exact queries.",
      discussion: """
        Scores every query against every code, without the vectors. Hits are the
        same bytes on every device, but approximate: --truth says how good.

        Example:
          tessera quantizer search --book book.safetensors --codes codes.npy \\
            --queries queries.npy -k 10 --metric l2 --truth truth.npy --out found
          tessera quantizer search --book book.safetensors --codes codes.npy \\
            --queries queries.npy -k 10 --ids 0:50000
        """)

    @Option(help: "The quantizer, as train wrote it.", completion: .file())
    var book: String

    @Option(help: "The codes, as encode wrote them.", completion: .file())
    var codes: String

    @Option(help: "The queries.", completion: .file())
    var queries: String

    @Option(name: .customShort("k"), help: "Hits a query.")
    var k: Int

    @Option(help: "How vectors are compared: ip, l2 or cosine.")
    var metric: Metric = .innerProduct

    @Option(
      help: ArgumentHelp(
        "Search only these codes: a range of rows FIRST:END, or a file.",
        discussion: "END is not among them. A file holds ids (.npy, .ivecs, .ibin), or one uint8 a "
          + "row, not 0 where it is to be searched.",
        valueName: "rows"),
      completion: .file(), transform: { try RowSelection($0) })
    var ids: RowSelection?

    @Option(help: "Ids of the true nearest: prints the recall.", completion: .file())
    var truth: String?

    @OptionGroup var search: SearchOptions
    @OptionGroup var devices: DeviceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      if k < 1 { throw ValidationError("-k is \(k), it must be at least 1") }
    }

    func run() throws {
      let loadStart = ContinuousClock.now
      let quantizer = try QuantizerFile.open(book)
      let codes = try QuantizerCommand.codes(self.codes)
      let queries = try VectorFile.open(self.queries)
      let truth = try truth.map { path throws(TesseraError) in try Recall.openTruth(path, k: k) }
      if let truth, truth.rows != queries.count {
        throw TesseraError(
          .invalidShape,
          "\(self.truth ?? ""): answers \(truth.rows) queries, \(self.queries) has "
            + "\(queries.count); give files of the same queries")
      }
      if let truth, truth.columns < k {
        throw TesseraError(
          .invalidShape,
          "\(self.truth ?? ""): has \(truth.columns) ids a row; lower -k to at most that")
      }
      let selector = try ids?.selector(rowCount: codes.count, base: self.codes)
      let loadSeconds = loadStart.secondsAgo
      let names = search.out.map { (ids: "\($0).ids.npy", scores: "\($0).scores.npy") }
      let files = try OutputFiles(
        names.map { [$0.ids, $0.scores] } ?? [],
        inputs: [book, self.codes, self.queries] + (self.truth.map { [$0] } ?? []))
      let shape = SearchShape(
        rows: codes.count, dimension: quantizer.dimension, element: .float32, metric: metric,
        queryCount: queries.count, k: k)
      let selection = try devices.select(for: shape, output)
      let engine = try IndexSearch(
        codes, of: quantizer, metric: metric, on: selection.device,
        options: .init(
          memoryBudget: search.memory, batchSize: search.batch, vectorsName: book,
          queriesName: self.queries))
      let reports = try search.ask(queries, output) { progress throws(TesseraError) in
        try engine.nearest(
          queries, k: k, only: selector,
          control: RunControl(
            fallback: selection.fallback, progress: progress, note: output.note))
      }
      let hits = reports[reports.count - 1].neighbors
      if let names {
        let (rows, columns) = (queries.count, hits.hitCount)
        try IDFile.write(hits.ids, rows: rows, columns: columns, into: files[names.ids])
        try ScoreFile.write(hits.scores, rows: rows, columns: columns, into: files[names.scores])
        try files.commit()
      }
      let recall = truth.map { truth in
        Recall(queries: queries.count, k: k, truth: truth) { query in
          Array(hits.ids[query * hits.hitCount..<(query + 1) * hits.hitCount])
        }.recall
      }
      let summary = Summary(
        of: reports, specification: quantizer.specification, metric: metric.rawValue,
        rows: codes.count,
        codeBytes: quantizer.codeByteCount, queries: queries.count, k: k,
        loadSeconds: loadSeconds,
        recall: recall)
      if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
    }

    /// The result that `search` prints: as JSON under these names, or as a table.
    struct Summary: Encodable {
      let device: String
      let variant: String
      let specification: String
      let metric: String
      let rows: Int
      let codeBytes: Int
      let queries: Int
      let k: Int
      let seconds: Seconds
      let queriesPerSecond: Double
      /// Codes that a fast scan could not rule out, and those that were scored.
      let candidatesPerQuery: Double
      let rescoredPerQuery: Double
      let residentBytes: Int
      let peakBytes: Int
      /// The share of the true neighbors that was found; only with --truth.
      let recall: Double?

      struct Seconds: Encodable {
        let load: Double
        let prepare: Double
        let search: [Double]
      }

      init(
        of reports: [IndexSearch.Report], specification: String, metric: String, rows: Int,
        codeBytes: Int, queries: Int, k: Int, loadSeconds: Double, recall: Double?
      ) {
        let last = reports[reports.count - 1]
        let perQuery = 1 / Double(max(1, queries))
        let searches = reports.map(\.searchSeconds)
        device = last.device.identifier
        variant = last.device.variant
        self.specification = specification
        self.metric = metric
        self.rows = rows
        self.codeBytes = codeBytes
        self.queries = queries
        self.k = k
        seconds = Seconds(
          load: loadSeconds, prepare: reports[0].prepareSeconds, search: searches)
        queriesPerSecond = Double(queries) / max(SearchCommand.Summary.median(searches), 1e-9)
        candidatesPerQuery = Double(last.neighbors.statistics.candidates) * perQuery
        rescoredPerQuery = Double(last.neighbors.statistics.rescored) * perQuery
        residentBytes = last.residentBytes
        peakBytes = HostLimits.current.peakResidentBytes
        self.recall = recall
      }

      func table() -> Table {
        var table = Table()
        table.add("device", "\(device) (\(variant))")
        table.add("codes", "\(rows) of \(specification), \(codeBytes) bytes each, \(metric)")
        table.add("queries", "\(queries), k \(k)")
        table.add("search", seconds.search.map(\.short).joined(separator: ", ") + " s")
        table.add("rate", "\(queriesPerSecond.short) queries/s")
        if let recall { table.add("recall", recall.short) }
        return table
      }
    }
  }
}
