public import TesseraCompute

extension ProductQuantizer: TableScored {
  /// Returns asymmetric scores by tables: for each query, the score of each codeword with the
  /// query's subspace (Float64, rounded once), and for each code the Float32 sum of its codewords'
  /// entries in rising order of subspaces.
  ///
  /// Under cosine, whose lengths do not add up from tables without leaving Float32, and with more
  /// than 256 codewords a subspace, codes are decoded.
  ///
  /// - Throws: `.nonFinite` for a query whose scores would be beyond Float32.
  public func scores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try requireQueries(queries)
    try requireOwn(codes)
    guard bits <= 8, addsUp(metric) else {
      return try decodedScores(of: queries, against: codes, metric: metric, on: device)
    }
    let codeMatrix = try device.upload(
      packing.byteNumbers(codes.bytes), rows: codes.count, columns: subspaceCount)
    let maker = codewordTables
    var scores: [Float] = []
    scores.reserveCapacity(queries.count * codes.count)
    let blockRows = max(1, (16 << 20) / max(1, codes.count + subspaceCount * codewordCount))
    for start in stride(from: 0, to: queries.count, by: blockRows) {
      let rows = queries.rows(start..<min(start + blockRows, queries.count))
      scores += try lookup(
        maker.tables(of: rows, metric: metric, on: device, firstRow: start), codeMatrix, device)
    }
    return scores
  }

  private func lookup(
    _ tables: [Float], _ codes: Matrix<UInt8>, _ device: any Device
  ) throws(TesseraError) -> [Float] {
    let width = subspaceCount * codewordCount
    let tables = try device.upload(tables, rows: tables.count / width, columns: width)
    let scores = try device.allocate(Float.self, rows: tables.rows, columns: codes.rows)
    try device.lookupScores(tables, codes, into: scores)
    return try device.download(scores)
  }

  /// Tells whether scores are sums of one entry a subspace: cosine needs lengths, too.
  func addsUp(_ metric: Metric) -> Bool { metric != .cosine }

  var codewordTables: CodewordTables { CodewordTables(self) }
}
