public import TesseraCompute
import TesseraHost

extension Quantizer {
  /// Decodes a few codes at a time and computes canonical scores.
  public func scores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try decodedScores(of: queries, against: codes, metric: metric, on: device)
  }

  /// Returns the scores of what the codes stand for, canonical ones.
  func decodedScores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try requireQueries(queries)
    try requireOwn(codes)
    let queryRows = try device.upload(
      queries.widened(), rows: queries.count, columns: dimension)
    var scores = [Float](repeating: 0, count: queries.count * codes.count)
    try forEachDecoded(codes, on: device) { decoded, range throws(TesseraError) in
      let block = try device.allocate(Float.self, rows: queries.count, columns: range.count)
      try device.canonicalScores(
        queryRows, device.upload(decoded, rows: range.count, columns: dimension), metric: metric,
        into: block)
      let found = try device.download(block)
      for query in 0..<queries.count {
        let own = query * range.count..<(query + 1) * range.count
        scores.replaceSubrange(
          query * codes.count + range.lowerBound..<query * codes.count + range.upperBound,
          with: found[own])
      }
    }
    return scores
  }

  /// Returns symmetric scores: both sides coded. The queries are decoded and scored against `codes`
  /// as exact ones would be.
  public func symmetricScores(
    of queries: Codes, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    let decoded = try decode(queries, on: device)
    return try scores(
      of: Vectors(decoded, dimension: dimension), against: codes, metric: metric, on: device)
  }

  /// Returns the mean over `vectors` of the squared distance to what their codes stand for; 0 for
  /// none. Float64 sums in row order.
  public func meanSquaredError(
    of vectors: Vectors, on device: any Device
  ) throws(TesseraError) -> Double {
    let codes = try encode(vectors, on: device)
    var sum = 0.0
    try forEachDecoded(codes, on: device) { decoded, range throws(TesseraError) in
      let rows = vectors.rows(range).widened()
      let errors: [Double] = try device.hostWorkers.makeEachRow(range.count, of: 1) { row, error in
        error[0] = FixedOrder.squaredDistance(
          rows.span.extracting(.row(row, of: dimension)),
          decoded.span.extracting(.row(row, of: dimension)))
      }
      sum = errors.reduce(sum, +)
    }
    return vectors.count > 0 ? sum / Double(vectors.count) : 0
  }

  /// Decodes some codes at a time, of about `numbers` numbers together.
  func forEachDecoded(
    _ codes: Codes, numbers: Int = 1 << 20, on device: any Device,
    _ body: ([Float], Range<Int>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let blockRows = Swift.max(1, numbers / dimension)
    for start in stride(from: 0, to: codes.count, by: blockRows) {
      try StopSignal.check()
      let range = start..<Swift.min(start + blockRows, codes.count)
      try body(decode(codes.rows(range), on: device), range)
    }
  }

  func requireQueries(_ queries: Vectors) throws(TesseraError) {
    try queries.requireDimension(dimension, "scores")
    try Shapes.requireFinite(queries, "scores: queries")
  }

  /// Refuses codes of another length than this quantizer makes.
  package func requireOwn(_ codes: Codes) throws(TesseraError) {
    try Shapes.require(
      codes.byteCount == codeByteCount,
      "codes of \(codes.byteCount) bytes are not \(specification)'s, which have \(codeByteCount)")
  }
}

extension StoredArray {
  /// Makes an array whose shape is known to fit.
  static func of<Number: StoredNumber>(_ values: [Number], shape: [Int]) -> StoredArray {
    do throws(TesseraError) {
      return try StoredArray(values, shape: shape)
    } catch {
      preconditionFailure("\(error)")
    }
  }
}
