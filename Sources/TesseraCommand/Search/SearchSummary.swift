import Tessera
import TesseraDevices
internal import TesseraHost

extension SearchCommand {
  /// The result that `search` prints: as JSON under these names, or as a table.
  struct Summary: Encodable {
    let device: String
    let variant: String
    let metric: String
    let rows: Int
    /// Rows that could be hits: fewer with `--ids`.
    let selectedRows: Int
    let dimension: Int
    let queries: Int
    let k: Int
    let seconds: Seconds
    let queriesPerSecond: Double
    let certified: Bool
    let candidatesPerQuery: Double
    let rescoredPerQuery: Double
    /// Chunks of the base that were searched.
    let chunks: Int
    /// Queries given to the device at a time.
    let batch: Int
    /// Kept by the largest prepared chunk beyond the file's rows.
    let residentBytes: Int
    /// Planned for the work on one chunk, and given back.
    let workingBytes: Int
    /// The most memory the process had resident, mapped files included.
    let peakBytes: Int
    let recall: Double?

    struct Seconds: Encodable {
      let load: Double
      let prepare: Double
      let search: [Double]
    }

    init(
      of reports: [IndexSearch.Report], _ base: Vectors, selectedRows: Int, metric: Metric, k: Int,
      loadSeconds: Double, recall: Double?
    ) {
      let last = reports[reports.count - 1]
      let statistics = last.neighbors.statistics
      let queryCount = last.neighbors.queryCount
      let perQuery = 1 / Double(max(1, queryCount))
      let searches = reports.map(\.searchSeconds)
      device = last.device.identifier
      variant = last.device.variant
      self.metric = metric.rawValue
      rows = base.count
      self.selectedRows = selectedRows
      dimension = base.dimension
      queries = queryCount
      self.k = k
      seconds = Seconds(
        load: loadSeconds, prepare: reports[0].prepareSeconds, search: searches)
      queriesPerSecond = Double(queryCount) / max(Self.median(searches), 1e-9)
      certified = statistics.certified
      candidatesPerQuery = Double(statistics.candidates) * perQuery
      rescoredPerQuery = Double(statistics.rescored) * perQuery
      chunks = last.chunkCount
      batch = last.batchSize
      residentBytes = last.residentBytes
      workingBytes = last.workingBytes
      peakBytes = HostLimits.current.peakResidentBytes
      self.recall = recall
    }

    static func median(_ values: [Double]) -> Double {
      let sorted = values.sorted()
      let middle = sorted.count / 2
      return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    func table() -> Table {
      var table = Table()
      table.add("device", "\(device) (\(variant))")
      table.add("base", "\(rows) x \(dimension), \(metric)")
      if selectedRows < rows { table.add("selected", "\(selectedRows) of \(rows) rows") }
      table.add("queries", "\(queries), k = \(k)")
      table.add("prepare", "\(seconds.prepare.short) s")
      table.add("search", seconds.search.map(\.short).joined(separator: ", ") + " s")
      table.add("rate", "\(queriesPerSecond.short) queries/s")
      table.add(
        "certified",
        (certified ? "yes" : "no") + ", \(candidatesPerQuery.short) candidates and "
          + "\(rescoredPerQuery.short) exact scores a query")
      table.add("prepared rows", residentBytes.asBytes + (chunks > 1 ? " a chunk" : ""))
      table.add("peak memory", peakBytes.asBytes + (chunks > 1 ? ", \(chunks) chunks" : ""))
      if let recall { table.add("recall", recall.short) }
      return table
    }
  }
}
