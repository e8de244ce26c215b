public import TesseraCompute

extension ProductQuantizer: TableScored {
  /// Asymmetric scores by tables: for each query, the score of each codeword with the query's part
  /// (Float64, rounded once), and for each code the Float32 sum of its codewords' entries in rising
  /// order of parts. Cosine divides the sum of products by the lengths of the query and of what the
  /// code stands for.
  ///
  /// With more than 256 codewords a part there are no byte codes to look up, and codes are decoded.
  public func scores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try requireQueries(queries)
    try requireOwn(codes)
    guard bits <= 8 else {
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
        maker.tables(of: rows, metric: metric, on: device), codeMatrix, device)
    }
    guard metric == .cosine else { return scores }
    let codeSquares = try lookup(squaresTable, codeMatrix, device)
    let queryRows = queries.widened()
    for query in 0..<queries.count {
      let squares = queryRows.withUnsafeBufferPointer { rows in
        rows.baseAddress.map {
          let row = $0 + query * dimension
          return FixedOrder.product(row, row, count: dimension)
        } ?? 0
      }
      for row in 0..<codes.count {
        let lengths = squares.squareRoot() * Double(codeSquares[row]).squareRoot()
        let index = query * codes.count + row
        scores[index] = lengths > 0 ? Float(Double(scores[index]) / lengths) : 0
      }
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

  /// Cosine needs the lengths of the vectors that codes stand for.
  func addsUp(_ metric: Metric) -> Bool { metric != .cosine }

  var codewordTables: CodewordTables { CodewordTables(self) }

  /// The sum of squares of each codeword.
  private var squaresTable: [Float] {
    codewords.withUnsafeBufferPointer { codewords in
      guard let start = codewords.baseAddress else { return [] }
      return (0..<subspaceCount * codewordCount).map {
        Float(FixedOrder.product(start + $0 * width, start + $0 * width, count: width))
      }
    }
  }
}
