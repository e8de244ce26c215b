import ArgumentParser
import Tessera
import protocol TesseraCompute.Device

struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Search a generated set on every device and compare the results.",
    discussion: """
      Clustered rows are generated, searched on every device of this machine, and
      the hits compared with the Float64 reference device, which answers some of
      the queries the slow way. No file is read or written.

      Examples:
        tessera demo
        tessera demo --rows 1000000 --dimension 96 -k 100 --metric l2
      """)

  @Option(help: "Vectors to search.")
  var rows: Int = 100_000

  @Option(help: "Numbers in each.")
  var dimension: Int = 128

  @Option(help: "Queries to ask.")
  var queries: Int = 1000

  @Option(name: .customShort("k"), help: "Neighbors to find for each query.")
  var k: Int = 10

  @Option(help: "How vectors are compared: ip, l2 or cosine.")
  var metric: Metric = .innerProduct

  @Option(help: "CPU threads; by default TESSERA_THREADS, else one a core.")
  var threads: Int?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    for (name, value) in [
      ("--rows", rows), ("--dimension", dimension), ("--queries", queries), ("-k", k),
    ] where value < 1 {
      throw ValidationError("\(name) is \(value), it must be at least 1")
    }
    try DeviceOptions.requireThreads(threads)
    // Rows and queries as Float32, once here and about once more on the device that has them.
    try MemoryNeed.require(
      [rows, queries], times: dimension, copies: 2, "lower --rows, --queries or --dimension")
  }

  /// Queries the reference device answers: enough to compare, few enough to wait for.
  private static let checkedQueries = 50
  private static let rounds = 3

  func run() throws {
    output.note(
      "\(rows) x \(dimension) clustered rows, \(queries) queries, k = \(k), metric "
        + metric.rawValue)
    let generator = RowGenerator(seed: 1, dimension: dimension, clusterCount: max(1, rows / 100))
    let base = try Vectors(generator.rows(0..<rows), dimension: dimension)
    let asked = try Vectors(generator.rows(rows..<rows + queries), dimension: dimension)
    let checked = asked.rows(0..<min(queries, Self.checkedQueries))

    let (devices, problems) = Devices.all(threads: threads)
    for problem in problems { output.note(problem.description) }
    var results: [Result] = []
    var truth: Neighbors?
    // The reference comes last in the list and first here: the others are compared with it.
    for device in devices.reversed() {
      let isReference = device.info.kind == .reference
      let (result, neighbors) = try measure(
        device, base, isReference ? checked : asked, against: truth)
      if isReference { truth = neighbors }
      results.append(result)
    }
    results.reverse()
    if output.json { try JSONOutput.print(results) } else { show(results) }
  }

  /// Holds the figures of one device.
  struct Result: Encodable {
    let device: String
    let name: String
    let variant: String
    let prepareSeconds: Double
    /// The first search and, if it was repeated, the median of the others.
    let firstSearchSeconds: Double
    let searchSeconds: Double
    let queriesPerSecond: Double
    let recall: Double
    /// True if ids and scores are the reference's, bit for bit.
    let identical: Bool
    /// The share of queries proved to have lost nothing.
    let certifiedShare: Double
  }

  private func measure(
    _ device: any Device, _ base: Vectors, _ queries: Vectors, against truth: Neighbors?
  ) throws(TesseraError) -> (Result, Neighbors) {
    let search = try IndexSearch(base, metric: metric, on: device)
    let first = try search.nearest(queries, k: k)
    var seconds: [Double] = []
    for _ in 0..<(truth == nil ? 0 : Self.rounds) {
      seconds.append(try search.nearest(queries, k: k).searchSeconds)
    }
    let median = seconds.isEmpty ? first.searchSeconds : seconds.sorted()[seconds.count / 2]
    let found = first.neighbors
    let compared = (truth ?? found).ids.count
    let overlap = truth.map { truth in
      (0..<truth.queryCount).reduce(0) { sum, query in
        let places = query * truth.hitCount..<(query + 1) * truth.hitCount
        return sum + Set(truth.ids[places]).intersection(found.ids[places]).count
      }
    }
    let isIdentical =
      truth.map { truth in
        truth.ids.elementsEqual(found.ids.prefix(compared))
          && truth.scores.map(\.bitPattern).elementsEqual(
            found.scores.prefix(compared).map(\.bitPattern))
      } ?? true
    return (
      Result(
        device: device.info.identifier, name: device.info.name, variant: device.info.variant,
        prepareSeconds: first.prepareSeconds, firstSearchSeconds: first.searchSeconds,
        searchSeconds: median, queriesPerSecond: Double(queries.count) / median,
        recall: Double(overlap ?? compared) / Double(max(1, compared)), identical: isIdentical,
        certifiedShare: found.statistics.certified ? 1 : 0), found
    )
  }

  private func show(_ results: [Result]) {
    var table = Table(header: [
      "device", "what it is", "prepare s", "queries/s", "recall", "same bytes", "certified",
    ])
    for result in results {
      table.add(
        result.device, "\(result.name), \(result.variant)", result.prepareSeconds.short,
        result.queriesPerSecond.short, result.recall.short, result.identical ? "yes" : "NO",
        "\(Int(result.certifiedShare * 100)) %")
    }
    table.print()
    Console.print(
      """

      Recall and bytes are compared with the reference device, which answered the first \
      \(min(queries, Self.checkedQueries)) queries in Float64.

      Try next:
        tessera devices                  what each device offers
        tessera doctor                   what this machine lacks
        tessera search --help            search your own .npy, .fvecs or .fbin files
        tessera demo --rows 1000000 -k 100 --metric l2
      """)
  }
}
