extension Device {
  /// The `k` best columns of each row of scores, or all, as hits: `topK`, brought to the host.
  ///
  /// - Parameter firstID: The id of column 0.
  package func bestColumns(
    of scores: Matrix<Float>, order: ScoreOrder, k: Int, firstID: Int = 0
  ) throws(TesseraError) -> Neighbors {
    let hitCount = min(k, scores.columns)
    let values = try allocate(Float.self, rows: scores.rows, columns: hitCount)
    let columns = try allocate(Int32.self, rows: scores.rows, columns: hitCount)
    try topK(scores, order: order, into: values, columns)
    return Neighbors(
      queryCount: scores.rows, hitCount: hitCount,
      ids: try download(columns).map { Int64(firstID) + Int64($0) }, scores: try download(values),
      statistics: SearchStatistics(
        certified: true, candidates: scores.count, rescored: scores.count))
  }
}
