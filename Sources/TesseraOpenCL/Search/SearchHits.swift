internal import TesseraCompute

/// The hits of a search, batch by batch, on their way to the caller.
struct SearchHits {
  private let operation: String
  /// The hits that each query will have.
  private let hitCounts: [Int]
  /// The ids of all rows of the set.
  private let rowIDs: IDMap
  /// True if the device found scores that are negated.
  private let isNegated: Bool
  private var starts = [0]
  private var ids: [Int64] = []
  private var scores: [Float] = []
  private var statistics = SearchStatistics.none

  init(_ operation: String, hitCounts: [Int], ids rowIDs: IDMap, isNegated: Bool = false) {
    self.operation = operation
    self.hitCounts = hitCounts
    self.rowIDs = rowIDs
    self.isNegated = isNegated
    let count = hitCounts.reduce(0, +)
    starts.reserveCapacity(hitCounts.count + 1)
    ids.reserveCapacity(count)
    scores.reserveCapacity(count)
  }

  /// Adds the hits of the next queries, whose rows are ranks by id.
  ///
  /// - Throws: `.deviceFailure` for rows that the set does not have, or hits out of order.
  mutating func add(_ report: BatchReport) throws(TesseraError) {
    let first = starts.count - 1
    let counts = Array(hitCounts[first..<first + report.queryCount])
    guard report.isOrdered(counts) else {
      throw TesseraError(
        .deviceFailure,
        "\(operation): the device returned hits that are not in order; update its driver")
    }
    for (query, count) in counts.enumerated() {
      for rank in report.rows.dropFirst(query * report.hitCount).prefix(count) {
        guard rank < rowIDs.count else {
          throw TesseraError(
            .deviceFailure,
            "\(operation): the device returned rows that are not there; update its driver")
        }
        ids.append(rowIDs.id(ofRank: Int(rank)))
      }
      scores += report.scores.dropFirst(query * report.hitCount).prefix(count).lazy.map {
        let score = Float(bitPattern: $0)
        return isNegated ? 0 - score : score
      }
      starts.append(ids.count)
    }
    statistics = statistics + report.statistics
  }

  mutating func add(_ neighbors: Neighbors) {
    starts += neighbors.starts.dropFirst().map { ids.count + $0 }
    ids += neighbors.ids
    scores += neighbors.scores
    statistics = statistics + neighbors.statistics
  }

  /// - Precondition: those of every query were added.
  var neighbors: Neighbors {
    Neighbors(starts: starts, ids: ids, scores: scores, statistics: statistics)
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
