public import TesseraCompute

extension Quantizer {
  /// Decodes a few codes at a time and computes canonical scores.
  public func scores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try decodedScores(of: queries, against: codes, metric: metric, on: device)
  }

  /// Scores of what the codes stand for, canonical ones.
  func decodedScores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try requireQueries(queries)
    try requireOwn(codes)
    let queryRows = queries.widened()
    var scores = [Float](repeating: 0, count: queries.count * codes.count)
    try forEachDecoded(codes, on: device) { decoded, range in
      CanonicalScore.scores(metric, queryRows, decoded, dimension: dimension) { query, row, score in
        scores[query * codes.count + range.lowerBound + row] = score
      }
    }
    return scores
  }

  /// Symmetric scores: both sides coded. The queries are decoded and scored against `codes` as
  /// exact ones would be.
  public func symmetricScores(
    of queries: Codes, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    let decoded = try decode(queries, on: device)
    return try scores(
      of: Vectors(decoded, dimension: dimension), against: codes, metric: metric, on: device)
  }

  /// The mean over `vectors` of the squared distance to what their codes stand for; 0 for none.
  /// Float64 sums in row order.
  public func meanSquaredError(
    of vectors: Vectors, on device: any Device
  ) throws(TesseraError) -> Double {
    let codes = try encode(vectors, on: device)
    var sum = 0.0
    try forEachDecoded(codes, on: device) { decoded, range in
      let rows = vectors.rows(range).widened()
      rows.withUnsafeBufferPointer { rows in
        decoded.withUnsafeBufferPointer { decoded in
          guard let rows = rows.baseAddress, let decoded = decoded.baseAddress else { return }
          for row in 0..<range.count {
            sum += FixedOrder.squaredDistance(
              rows + row * dimension, decoded + row * dimension, count: dimension)
          }
        }
      }
    }
    return vectors.count > 0 ? sum / Double(vectors.count) : 0
  }

  /// Decodes a few codes at a time.
  func forEachDecoded(
    _ codes: Codes, on device: any Device,
    _ body: ([Float], Range<Int>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let blockRows = Swift.max(1, (1 << 20) / dimension)
    for start in stride(from: 0, to: codes.count, by: blockRows) {
      let range = start..<Swift.min(start + blockRows, codes.count)
      let bytes = Array(
        codes.bytes[range.lowerBound * codes.byteCount..<range.upperBound * codes.byteCount])
      try body(decode(Codes(bytes, byteCount: codes.byteCount), on: device), range)
    }
  }

  func requireQueries(_ queries: Vectors) throws(TesseraError) {
    try queries.requireDimension(dimension, "scores")
    try Shapes.requireFinite(queries, "scores: queries")
  }

  /// Refuses codes of another length than this quantizer makes.
  func requireOwn(_ codes: Codes) throws(TesseraError) {
    try Shapes.require(
      codes.byteCount == codeByteCount,
      "codes of \(codes.byteCount) bytes are not \(specification)'s, which have \(codeByteCount)")
  }
}

extension CanonicalScore {
  /// All scores of rows against rows, row-major numbers of `dimension`.
  static func scores(
    _ metric: Metric, _ queries: [Float], _ vectors: [Float], dimension: Int,
    _ give: (_ query: Int, _ vector: Int, _ score: Float) -> Void
  ) {
    let needed = metric == .cosine
    let querySquares = needed ? squares(queries, dimension: dimension) : []
    let vectorSquares = needed ? squares(vectors, dimension: dimension) : []
    queries.withUnsafeBufferPointer { queries in
      vectors.withUnsafeBufferPointer { vectors in
        guard let q = queries.baseAddress, let x = vectors.baseAddress else { return }
        for query in 0..<queries.count / dimension {
          for vector in 0..<vectors.count / dimension {
            let sum = sum(
              metric, q + query * dimension, x + vector * dimension, count: dimension)
            give(
              query, vector,
              finish(
                metric, sum: sum, querySquares: needed ? querySquares[query] : 0,
                vectorSquares: needed ? vectorSquares[vector] : 0))
          }
        }
      }
    }
  }

  private static func squares(_ rows: [Float], dimension: Int) -> [Double] {
    rows.withUnsafeBufferPointer { rows in
      guard let start = rows.baseAddress else { return [] }
      return (0..<rows.count / dimension).map {
        sum(.innerProduct, start + $0 * dimension, start + $0 * dimension, count: dimension)
      }
    }
  }
}

extension Tensor {
  /// A tensor whose shape is known to fit.
  static func of<Number: TensorNumber>(_ values: [Number], shape: [Int]) -> Tensor {
    do throws(TesseraError) {
      return try Tensor(values, shape: shape)
    } catch {
      preconditionFailure("\(error)")
    }
  }
}
