import Tessera

extension SearchCommand {
  /// The plan that `search --plan` prints: as JSON under these names, or as a table.
  struct PlanSummary: Encodable {
    let device: String
    let variant: String
    let metric: String
    let rows: Int
    let selectedRows: Int
    let dimension: Int
    let queries: Int
    let k: Int
    /// Kept by one prepared chunk.
    let residentBytes: Int
    /// Needed while a chunk is searched, and given back.
    let workingBytes: Int
    /// Taken by the hits of all queries while they are put together.
    let resultBytes: Int
    /// Chunks of the base that would be searched.
    let chunks: Int
    let rowsPerChunk: Int
    /// Queries given to the device at a time.
    let batch: Int

    init(
      of plan: IndexSearch.Plan, _ index: Index, selectedRows: Int, queries: Int, k: Int
    ) {
      device = plan.device.identifier
      variant = plan.device.variant
      metric = index.metricName
      rows = index.count
      self.selectedRows = selectedRows
      dimension = index.dimension
      self.queries = queries
      self.k = k
      residentBytes = plan.cost.residentBytes
      workingBytes = plan.cost.workingBytes
      resultBytes = plan.resultBytes
      chunks = plan.chunkCount
      rowsPerChunk = plan.rowsPerChunk
      batch = plan.batchSize
    }

    func table() -> Table {
      var table = Table()
      table.add("device", "\(device) (\(variant))")
      table.add("base", "\(rows) x \(dimension), \(metric)")
      if selectedRows < rows { table.add("selected", "\(selectedRows) of \(rows) rows") }
      table.add("queries", "\(queries), k = \(k), \(batch) at a time")
      table.add("chunks", "\(chunks), of \(rowsPerChunk) rows")
      table.add("prepared rows", "at most \(residentBytes.asBytes) a chunk")
      table.add("working memory", workingBytes.asBytes)
      table.add("hits", resultBytes.asBytes)
      return table
    }
  }
}
