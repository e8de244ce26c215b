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

    @Option(help: "Write PREFIX.ids.npy and PREFIX.scores.npy.")
    var out: String?

    @Option(help: "Queries at a time.")
    var batch: Int = 2048

    @OptionGroup var devices: DeviceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      if k < 1 { throw ValidationError("-k is \(k), it must be at least 1") }
      if batch < 1 { throw ValidationError("--batch is \(batch), it must be at least 1") }
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
      let names = out.map { (ids: "\($0).ids.npy", scores: "\($0).scores.npy") }
      let files = try OutputFiles(
        names.map { [$0.ids, $0.scores] } ?? [],
        inputs: [book, self.codes, self.queries] + (self.truth.map { [$0] } ?? []))
      let shape = SearchShape(
        rows: codes.count, dimension: quantizer.dimension, element: .float32, metric: metric,
        queryCount: queries.count, k: k)
      let selection = try devices.select(for: shape, output)
      let start = ContinuousClock.now
      let ((hits, prepareSeconds), device) = try selection.run(self.queries, output) {
        device throws(TesseraError) in
        try search(queries, codes, quantizer, only: selector, on: device)
      }
      let searchSeconds = start.secondsAgo - prepareSeconds
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
        device: device.info.identifier, variant: device.info.variant,
        specification: quantizer.specification, metric: metric.rawValue, rows: codes.count,
        codeBytes: quantizer.codeByteCount, queries: queries.count, k: k,
        seconds: .init(load: loadSeconds, prepare: prepareSeconds, search: searchSeconds),
        queriesPerSecond: Double(queries.count) / searchSeconds,
        candidatesPerQuery: Double(hits.statistics.candidates) / Double(max(1, queries.count)),
        rescoredPerQuery: Double(hits.statistics.rescored) / Double(max(1, queries.count)),
        recall: recall)
      if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
    }

    private func search(
      _ queries: Vectors, _ codes: Codes, _ quantizer: any Quantizer, only selector: IDSelector?,
      on device: any Device
    ) throws(TesseraError) -> (hits: Neighbors, prepareSeconds: Double) {
      let start = ContinuousClock.now
      let search = try CodeSearch(codes, of: quantizer, metric: metric, on: device)
      let prepareSeconds = start.secondsAgo
      let progress = ProgressBar(
        "search", total: queries.count, unit: "queries", isQuiet: output.quiet)
      defer { progress.finish() }
      let selected = selector?.count(in: 0..<Int64(codes.count)) ?? codes.count
      var hits = Neighbors.none(queryCount: 0, hitCount: min(k, selected))
      for start in stride(from: 0, to: queries.count, by: batch) {
        let block = queries.rows(start..<min(start + batch, queries.count))
        hits.append(try search.nearest(block, k: k, only: selector))
        progress.update(Double(start + block.count) / Double(queries.count))
      }
      return (hits, prepareSeconds)
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
      /// The share of the true neighbors that was found; only with --truth.
      let recall: Double?

      struct Seconds: Encodable {
        let load: Double
        let prepare: Double
        let search: Double
      }

      func table() -> Table {
        var table = Table()
        table.add("device", "\(device) (\(variant))")
        table.add("codes", "\(rows) of \(specification), \(codeBytes) bytes each, \(metric)")
        table.add("queries", "\(queries), k \(k)")
        table.add("time", "\(seconds.search.short) s, \(queriesPerSecond.short) queries/s")
        if let recall { table.add("recall", recall.short) }
        return table
      }
    }
  }
}
