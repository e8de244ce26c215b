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
    try require(queries, "scores")
    return try scannedScores(of: queries, against: codes, metric: metric, on: device)
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
  /// The product (x, q) is a Float32 sum of table entries (``CodeQueries``), the same bits on every
  /// device, and its rounding is part of the bound. Under inner product and cosine q is what the query
  /// has at right angles to the center, so neither the rounding nor the error depends on whether the
  /// query is long or short.
  ///
  /// - Parameter confidence: Standard deviations, about: 1.9 as in the paper leaves out 6 in 100
  ///   rotations, 3 less than 3 in 1000.
  /// - Complexity: O(queries * codes * numbers of a code) look-ups.
  /// - Throws: `.invalidShape` for queries or codes that do not fit, `.nonFinite`,
  ///   `.invalidArgument` for a code that no vector has, and what the device throws.
  public func estimates(
    of queries: Vectors, against codes: Codes, metric: Metric, confidence: Double = 3,
    on device: any Device
  ) throws(TesseraError) -> ScoreEstimates {
    let scores = try scores(of: queries, against: codes, metric: metric, on: device)
    let factors = try factors(of: codes)
    let prepared = (0..<queries.count).map { RaBitQQuery(queries.row($0), metric, self) }
    let (_, squares) = try gridPoints(codes, 0..<codes.count, on: device)
    let bounds: [Float] = try device.hostWorkers.makeEachRow(
      queries.count, of: codes.count, minimum: 1
    ) { query, bounds in
      for code in factors.indices {
        bounds[code] = prepared[query].bound(
          metric, factors[code], squares: squares[code], confidence: confidence, self)
      }
    }
    return ScoreEstimates(scores: scores, bounds: bounds)
  }
}
