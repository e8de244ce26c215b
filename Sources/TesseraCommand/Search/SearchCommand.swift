import ArgumentParser
import Tessera
import TesseraDevices
internal import TesseraHost

struct SearchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Find the nearest vectors of a base or an index to every query.",
    discussion: """
      A search of a base is exact; one of an index is exact within the lists that
      a query looks at. The result is the same bytes on every device, for every
      batch size and memory. Scores: ip is the inner product (larger is better),
      l2 the squared distance (smaller), cosine the cosine similarity (larger);
      of bits, hamming is how many differ (smaller), and jaccard the distance 1 -
      common / united (smaller).
      Ties go to the lower id. Ids are rows counted from 0, or those that the
      index was given. --out fills up rows of too few hits with id -1.

      Examples:
        tessera search --base base.npy --queries queries.npy -k 10 --out found
        tessera search --base base.npy --queries q.npy -k 100 --metric cosine
        tessera search --base big.fbin --queries q.fbin -k 10 --memory 2G
        tessera search --base base.fvecs --queries q.fvecs -k 10 --metric l2 \\
          --truth truth.ivecs --device opencl --json
        tessera search --base base.npy --queries q.npy -k 10 --ids 5000:9000
        tessera search --base base.npy --queries q.npy -k 10 --ids keep.npy
        tessera search --base big.fbin --queries q.fbin -k 10 --plan
        tessera search --index words.index --queries q.npy -k 10 --recall 0.95
        tessera search --index words.index --queries q.npy -k 10 --probes 64
        tessera search --index old.faiss --queries q.npy -k 10 --device opencl
        tessera search --base base.npy --queries q.npy --within 0.8 --out near
        tessera search --base bits.npy --queries q.npy -k 10 --metric hamming
      """)

  @Option(help: "The vectors to search.", completion: .file())
  var base: String?

  @Option(help: "The index to search: of tessera build, or a file of FAISS.", completion: .file())
  var index: String?

  @Option(help: "The vectors to find neighbors of.", completion: .file())
  var queries: String

  @Option(name: .customShort("k"), help: "Neighbors to find for each query.")
  var k: Int?

  @Option(
    help: ArgumentHelp(
      "Find all rows with a better score than this, instead of -k.",
      discussion: "--out then writes PREFIX.starts.npy too, where each query's hits begin.",
      valueName: "score"))
  var within: Float?

  @Option(help: "Lists of the index that each query looks at.")
  var probes: Int?

  @Option(
    help: ArgumentHelp(
      "Look at as many lists as held this share of the true neighbors.",
      discussion: "As measured when the index was built; by default 0.95.", valueName: "share"))
  var recall: Double?

  @Option(
    help: ArgumentHelp(
      "How vectors are compared: ip, l2 or cosine; by default ip, or the index's.",
      discussion: "Rows of bits, eight in each uint8: hamming or jaccard."))
  var metric: RowMetric?

  @Option(help: "Ids of the true nearest, to measure recall with.", completion: .file())
  var truth: String?

  @Option(help: "Ask only the first N queries of the file.")
  var limit: Int?

  @Option(
    help: ArgumentHelp(
      "Search only these rows of the base: FIRST:END, or a file.",
      discussion: "END is not among them. A file holds ids (.npy, .ivecs, .ibin), or one uint8 a "
        + "row in an .npy of one column: 1 to search the row, 0 to leave it out.",
      valueName: "rows"),
    completion: .file(), transform: { try RowSelection($0) })
  var ids: RowSelection?

  @Flag(help: "Print what the search would keep and use, and do not search.")
  var plan = false

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var search: SearchOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let k, k < 1 { throw ValidationError("-k is \(k), it must be at least 1") }
    if (k == nil) == (within == nil) {
      throw ValidationError(
        "give either -k or --within: how many hits, or how good they have to be")
    }
    if (base == nil) == (index == nil) {
      throw ValidationError("give either --base or --index: the vectors or the index to search")
    }
    if index == nil, probes != nil || recall != nil {
      throw ValidationError("--probes and --recall are for --index; a base is searched whole")
    }
    if probes != nil, recall != nil {
      throw ValidationError("give either --probes or --recall: both say how many lists to look at")
    }
    if let probes, probes < 1 {
      throw ValidationError("--probes is \(probes), it must be at least 1")
    }
    if let recall, !(recall > 0 && recall <= 1) {
      throw ValidationError("--recall is \(recall), it must be above 0 and at most 1")
    }
    if let within, within.isNaN { throw ValidationError("--within is not a number") }
    if plan, within != nil { throw ValidationError("--plan is for searches with -k") }
    if let limit, limit < 1 { throw ValidationError("--limit is \(limit), it must be at least 1") }
    if plan, search.out != nil || truth != nil || search.repeats > 1 {
      throw ValidationError("--plan does not search; leave out --out, --truth and --repeat")
    }
  }

  func run() throws {
    guard let path = base, let k, case .numbers(let metric) = metric ?? .numbers(.innerProduct)
    else { return try searchIndex() }
    let loadStart = ContinuousClock.now
    let base = try VectorFile.open(path)
    let queries = try openQueries(dimension: base.dimension, of: path)
    let truth = try openTruth(queryCount: queries.count)
    let selector = try ids?.selector(rowCount: base.count, base: path)
    let selectedRows = selector?.count(in: 0..<Int64(base.count)) ?? base.count
    let loadSeconds = loadStart.secondsAgo
    let files = try search.out.map { prefix throws(TesseraError) in
      try OutputFiles([Self.idsPath(prefix), Self.scoresPath(prefix)], inputs: inputs)
    }

    let shape = SearchShape(
      rows: base.count, dimension: base.dimension, element: base.element, metric: metric,
      queryCount: queries.count, k: k)
    let selection = try devices.select(for: shape, output)
    let engine = try IndexSearch(
      base, metric: metric, on: selection.device,
      options: .init(
        memoryBudget: search.memory, batchSize: search.batch, vectorsName: path,
        queriesName: self.queries))
    let control = RunControl(fallback: selection.fallback, note: output.note)
    if plan {
      let plan = try engine.plan(
        queryCount: queries.count, k: k, only: selector, control: control)
      let summary = PlanSummary(
        of: plan, engine.index, selectedRows: selectedRows, queries: queries.count, k: k)
      return try show(summary, summary.table())
    }
    let reports = try search.ask(queries, output) { progress throws(TesseraError) in
      var control = control
      control.progress = progress
      return try engine.nearest(queries, k: k, only: selector, control: control)
    }
    let last = reports[reports.count - 1]

    let neighbors = last.neighbors
    if let files, let prefix = search.out { try write(neighbors, prefix, files) }
    let recall = truth.map { truth in
      Recall(queries: queries.count, k: min(k, truth.columns), truth: truth) { query in
        Array(neighbors.ids[query * neighbors.hitCount..<(query + 1) * neighbors.hitCount])
      }.recall
    }
    let summary = Summary(
      of: reports, base, selectedRows: selectedRows, metric: metric, k: k,
      loadSeconds: loadSeconds, recall: recall)
    try show(summary, summary.table())
  }

  /// The files that are read, which --out must not replace.
  var inputs: [String] {
    var paths = [base, index, queries].compactMap(\.self)
    if let truth { paths.append(truth) }
    if case .file(let path)? = ids { paths.append(path) }
    return paths
  }

  func show(_ summary: some Encodable, _ table: Table) throws {
    if output.json { try JSONOutput.print(summary) } else { table.print() }
  }

  func openQueries(dimension: Int, of base: String) throws(TesseraError) -> Vectors {
    let all = try VectorFile.open(queries)
    guard all.dimension == dimension else {
      throw TesseraError(
        .invalidShape,
        "\(queries): has \(all.dimension) dimensions, \(base) has \(dimension); give files of the "
          + "same dimension")
    }
    guard let limit else { return all }
    guard limit <= all.count else {
      throw TesseraError(
        .invalidShape,
        "\(queries): has \(all.count) queries; lower --limit \(limit) to at most that")
    }
    return all.rows(0..<limit)
  }

  /// The truth may know more queries than are asked only where `--limit` says so.
  func openTruth(queryCount: Int) throws(TesseraError) -> IDTable? {
    guard let path = truth else { return nil }
    let truth = try Recall.openTruth(path, k: k ?? .max)
    guard limit == nil ? truth.rows == queryCount : truth.rows >= queryCount else {
      throw TesseraError(
        .invalidShape,
        "\(path): answers \(truth.rows) queries, \(queryCount) are asked; give the truth of the "
          + "same queries")
    }
    return truth
  }

  private func write(
    _ neighbors: Neighbors, _ prefix: String, _ files: OutputFiles
  ) throws(TesseraError) {
    let (rows, columns) = (neighbors.queryCount, neighbors.hitCount)
    try IDFile.write(
      neighbors.ids, rows: rows, columns: columns, into: files[Self.idsPath(prefix)])
    try ScoreFile.write(
      neighbors.scores, rows: rows, columns: columns, into: files[Self.scoresPath(prefix)])
    try files.commit()
  }

  static func idsPath(_ prefix: String) -> String { "\(prefix).ids.npy" }
  static func scoresPath(_ prefix: String) -> String { "\(prefix).scores.npy" }
}
