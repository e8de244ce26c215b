internal import TesseraCompute

/// The hits of a search, batch by batch, on their way to the caller.
struct SearchHits {
  private let operation: String
  private let queryCount: Int
  private let hitCount: Int
  private let rowCount: Int
  private let firstID: Int64
  private var ids: [Int64] = []
  private var scores: [Float] = []
  private var statistics = SearchStatistics.none

  /// - Parameters:
  ///   - rowCount: Rows of the set.
  ///   - firstID: Of its first row.
  init(
    _ operation: String, queryCount: Int, hitCount: Int, rowCount: Int, firstID: Int64 = 0
  ) {
    self.operation = operation
    self.queryCount = queryCount
    self.hitCount = hitCount
    self.rowCount = rowCount
    self.firstID = firstID
    ids.reserveCapacity(queryCount * hitCount)
    scores.reserveCapacity(queryCount * hitCount)
  }

  /// - Throws: `.deviceFailure` for rows that the set does not have, or hits out of order.
  mutating func add(_ report: BatchReport) throws(TesseraError) {
    let rowLimit = UInt32(clamping: rowCount)
    guard report.rows.allSatisfy({ $0 < rowLimit }) else {
      throw TesseraError(
        .deviceFailure,
        "\(operation): the device returned rows that are not there; update its driver")
    }
    guard report.isOrdered else {
      throw TesseraError(
        .deviceFailure,
        "\(operation): the device returned hits that are not in order; update its driver")
    }
    ids += report.rows.lazy.map { [firstID] in firstID + Int64($0) }
    scores += report.scores.lazy.map(Float.init(bitPattern:))
    statistics = statistics + report.statistics
  }

  mutating func add(_ neighbors: Neighbors) {
    ids += neighbors.ids
    scores += neighbors.scores
    statistics = statistics + neighbors.statistics
  }

  /// - Precondition: those of every query were added.
  var neighbors: Neighbors {
    Neighbors(
      queryCount: queryCount, hitCount: hitCount, ids: ids, scores: scores,
      statistics: statistics)
  }
}

extension CertifiedSearch {
  /// The places in the report for hits that it brings to the host.
  var reportedHits: (rows: KernelArgument, scores: KernelArgument) {
    (
      .element(BatchReport.rowsStart(queryCount), of: lists.report, as: Int32.self),
      .element(
        BatchReport.scoresStart(queryCount, hitCount: lists.hitCount), of: lists.report,
        as: Float.self)
    )
  }
}
