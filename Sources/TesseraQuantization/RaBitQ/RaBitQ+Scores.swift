public import TesseraCompute
import TesseraHost

/// Scores that were estimated, and how far off they may be.
public struct ScoreEstimates: Sendable {
  /// `queryCount` x `codeCount`, row-major.
  public let scores: [Float]
  /// A bound on the error of each score, which holds with high probability: at RaBitQ's default
  /// confidence, each for all but 3 in a thousand rotations.
  public let bounds: [Float]
}

extension RaBitQ {
  /// Unbiased estimates of the scores between exact queries and coded vectors.
  public func scores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try estimates(queries, codes, metric, confidence: nil, on: device).scores
  }

  /// Unbiased estimates of the scores between exact queries and coded vectors, and bounds on their
  /// errors.
  ///
  /// With o the vector and q the query, both less the center and turned, and x the grid point, the
  /// product of o and q is estimated as |o| (x, q) / (x, o / |o|). Its error is |o| |q|
  /// tan(angle between x and o) times at most one coordinate of a direction in dimension - 1
  /// dimensions, which a random rotation makes a random direction. So it is above
  /// `confidence` * |o| |q| tan(angle) / sqrt(dimension - 1) with a probability below
  /// 2 exp(-confidence^2 / 2) (theorem 3.2 of arXiv 2405.12497), about that of a normal distribution.
  /// The codes of one quantizer share a rotation: vectors that lie close together have nearly the
  /// same error, and leave their bounds together.
  ///
  /// The product (x, q) is taken in whole numbers, with q rounded to 8 bits more than x has, or
  /// more, and that rounding is part of the bound. Under inner product and cosine q is what the query
  /// has at right angles to the center, so neither the rounding nor the error depends on whether the
  /// query is long or short. Whole numbers make the same sums in any order,
  /// so a device's fast products give the same bits everywhere.
  ///
  /// - Parameter confidence: Standard deviations, about: 1.9 as in the paper leaves out 6 in 100
  ///   rotations, 3 less than 3 in 1000.
  /// - Complexity: O(queries * codes * dimension) by ``Device/innerProducts(_:_:into:)``.
  /// - Throws: `.invalidShape` for queries or codes that do not fit, `.nonFinite`,
  ///   `.invalidArgument` for a code that no vector has, and what the device throws.
  public func estimates(
    of queries: Vectors, against codes: Codes, metric: Metric, confidence: Double = 3,
    on device: any Device
  ) throws(TesseraError) -> ScoreEstimates {
    try estimates(queries, codes, metric, confidence: confidence, on: device)
  }

  /// - Parameter confidence: nil for no bounds.
  private func estimates(
    _ queries: Vectors, _ codes: Codes, _ metric: Metric, confidence: Double?,
    on device: any Device
  ) throws(TesseraError) -> ScoreEstimates {
    try require(queries, "scores")
    let factors = try factors(of: codes)
    let prepared = try RaBitQQueries(queries, metric, quantizer: self)
    var scores = [Float](repeating: 0, count: queries.count * codes.count)
    var bounds = confidence == nil ? [] : scores
    // Products of about 16 MB at a time, and at most as many grid points.
    let blockCodes = max(
      1, min((4 << 20) / max(1, queries.count * prepared.limbs.count), (4 << 20) / dimension))
    for start in stride(from: 0, to: codes.count, by: blockCodes) {
      try StopSignal.check()
      let block = start..<min(start + blockCodes, codes.count)
      let products = try prepared.products(with: codes, block, of: self, on: device)
      let workers = device.hostWorkers
      try workers.updateEachRow(of: &scores, width: codes.count, minimum: 1) { query, scores in
        prepared.forEachProduct(of: query, in: products) { offset, product in
          scores[start + offset] = prepared.score(
            metric, query, product, factors[start + offset])
        }
      }
      guard let confidence else { continue }
      try workers.updateEachRow(of: &bounds, width: codes.count, minimum: 1) { query, bounds in
        for offset in 0..<block.count {
          bounds[start + offset] = prepared.bound(
            metric, query, factors[start + offset], squares: products.squares[offset],
            confidence: confidence)
        }
      }
    }
    return ScoreEstimates(scores: scores, bounds: bounds)
  }
}
