public import TesseraCompute
internal import TesseraHost

/// A ball that holds all rows of a shard: what tells, without the rows, how good a hit among them can be at
/// best, so that a search may leave the shard out and prove that it lost nothing.
///
/// Under the cosine it holds the rows at unit length.
///
///     let balls = ...                                      // of each shard, made where its rows are
///     let bounds = try ShardBall.bounds(balls, of: queries)
///     let left = try ShardBall.left(bounds, after: hits, k: 10, order: .smallestFirst)
public struct ShardBall: Sendable, Hashable {
  /// The metric that rows are compared by.
  public let metric: Metric
  /// The mean of the rows.
  public let center: [Float]
  /// The largest distance of a row from the center, never too small.
  public let radius: Float

  /// Takes a ball that was made before.
  ///
  /// - Throws: `.invalidShape` for a center without numbers, `.nonFinite`, `.invalidArgument` for a radius
  ///   below 0.
  public init(metric: Metric, center: [Float], radius: Float) throws(TesseraError) {
    guard !center.isEmpty else {
      throw TesseraError(.invalidShape, "shard: the center has no numbers")
    }
    guard center.allSatisfy(\.isFinite), radius.isFinite else {
      throw TesseraError(.nonFinite, "shard: center and radius must be finite")
    }
    guard radius >= 0 else {
      throw TesseraError(.invalidArgument, "shard: a radius of \(radius) is below 0")
    }
    self.metric = metric
    self.center = center
    self.radius = radius
  }

  /// Measures the ball of rows.
  ///
  /// - Complexity: O(rows * dimension), two passes.
  /// - Throws: `.invalidShape` for rows without dimensions, `.nonFinite` for rows that are not finite or a
  ///   radius beyond Float32, `.cancelled` and `.deadlineExceeded`.
  public init(
    of rows: Vectors, metric: Metric, control: RunControl = RunControl()
  ) throws(TesseraError) {
    try Shapes.requireFinite(rows, "shard: rows")
    let (center, radius) = try control.stop.govern {
      () throws(TesseraError) -> ([Float], Float) in
      try StopSignal.check()
      let center = try Self.mean(of: rows, metric)
      return (center, try Self.radius(of: rows, around: center, metric))
    }
    try self.init(metric: metric, center: center, radius: radius)
  }

  /// Rows that are looked at together: some milliseconds of work.
  private static let rowsAtATime = 4096

  private static func mean(of rows: Vectors, _ metric: Metric) throws(TesseraError) -> [Float] {
    var sums = [Double](repeating: 0, count: rows.dimension)
    try StopSignal.checkEvery(rowsAtATime, of: rows.count) { range in
      for row in range {
        let values = rows.row(row)
        let scale = scale(values, metric)
        for (d, value) in values.enumerated() { sums[d] += Double(value) * scale }
      }
    }
    let count = Double(max(1, rows.count))
    return sums.map { Float($0 / count) }
  }

  private static func radius(
    of rows: Vectors, around center: [Float], _ metric: Metric
  ) throws(TesseraError) -> Float {
    let blocks = (rows.count + rowsAtATime - 1) / rowsAtATime
    let largest: [Double] = try WorkerPool.host.makeEachRow(blocks, of: 1, minimum: 1) {
      block, largest throws(TesseraError) in
      try StopSignal.check()
      let first = block * rowsAtATime
      var most = 0.0
      for row in first..<min(first + rowsAtATime, rows.count) {
        let values = rows.row(row)
        let scale = scale(values, metric)
        var squares = 0.0
        for (value, middle) in zip(values, center) {
          let difference = Double(value) * scale - Double(middle)
          squares += difference * difference
        }
        most = max(most, squares)
      }
      largest[0] = most
    }
    // A sum of 2^20 squares errs by less than 2^-32 of itself.
    return (largest.max() ?? 0).squareRoot().float(rounded: .up, slack: 0x1p-32)
  }

  /// Returns what rows are multiplied by before they are compared.
  private static func scale(_ values: [Float], _ metric: Metric) -> Double {
    guard metric == .cosine else { return 1 }
    let length = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    return length > 0 ? 1 / length : 0
  }

  /// Returns a score for each query and ball, queries x balls, that no row in the ball is better than, by the
  /// triangle inequality. Scores are canonical, and so are ties: a row may be just as good.
  ///
  /// - Complexity: O(queries * balls * dimension).
  /// - Throws: `.invalidShape` for queries of another dimension, `.invalidArgument` for balls of different
  ///   metrics, `.nonFinite`.
  public static func bounds(
    _ balls: [ShardBall], of queries: Vectors
  ) throws(TesseraError) -> [Float] {
    guard let metric = balls.first?.metric else { return [] }
    guard balls.allSatisfy({ $0.metric == metric }) else {
      throw TesseraError(.invalidArgument, "shard: the balls are of different metrics")
    }
    if let other = balls.first(where: { $0.center.count != queries.dimension }) {
      throw TesseraError(
        .invalidShape,
        "shard: queries have \(queries.dimension) dimensions, the center of a ball has "
          + "\(other.center.count)")
    }
    try Shapes.requireFinite(queries, "shard: queries")
    return try WorkerPool.host.makeEachRow(
      queries.count, of: balls.count, minimum: max(1, (1 << 16) / (balls.count * queries.dimension))
    ) { query, bounds in
      let values = queries.row(query)
      for (place, ball) in balls.enumerated() { bounds[place] = ball.bound(values) }
    }
  }

  /// Returns a score that no row in the ball is better than.
  private func bound(_ query: [Float]) -> Float {
    // Covers the rounding of canonical scores to Float32, 2^-24 of each; the sums themselves are of Float64
    // and err by less than 2^-32 of the lengths.
    let slack = 1e-6
    let radius = Double(radius) * (1 + slack)
    if metric == .squaredL2 {
      var squares = 0.0
      for (a, b) in zip(query, center) {
        let difference = Double(a) - Double(b)
        squares += difference * difference
      }
      let least = squares.squareRoot() * (1 - slack) - radius
      return least > 0 ? (least * least).float(rounded: .down, slack: slack) : 0
    }
    var (product, squares, centerSquares) = (0.0, 0.0, 0.0)
    for (a, b) in zip(query, center) {
      product += Double(a) * Double(b)
      squares += Double(a) * Double(a)
      centerSquares += Double(b) * Double(b)
    }
    var length = squares.squareRoot()
    guard length > 0 else { return 0 }
    if metric == .cosine { (product, length) = (product / length, 1) }
    let most = product + length * radius
    let doubt =
      slack * (abs(product) + length * radius)
      + 0x1p-32 * length * (centerSquares.squareRoot() + radius)
    return (most + doubt).float(rounded: .up, slack: 0)
  }

  /// Tells which shards may still hold a row that belongs to the hits: queries x shards. Where none is left for
  /// a query, its hits are those of all rows, and that is proven.
  ///
  /// - Parameters:
  ///   - bounds: What ``bounds(_:of:)`` has returned.
  ///   - found: The hits so far, of the same queries. One with fewer than `k` needs every shard.
  ///   - searched: Shards that the hits so far are of, queries x shards; nil: none.
  /// - Throws: `.invalidShape` for numbers of things that do not fit together.
  public static func left(
    _ bounds: [Float], after found: Neighbors, k: Int, order: ScoreOrder, searched: [Bool]? = nil
  ) throws(TesseraError) -> [Bool] {
    let queries = max(1, found.queryCount)
    guard bounds.count % queries == 0, searched.map({ $0.count == bounds.count }) ?? true,
      k >= 1, found.queryCount > 0 || bounds.isEmpty
    else {
      throw TesseraError(
        .invalidShape,
        "shard: \(bounds.count) bounds and \(searched?.count ?? 0) flags are not a number of shards for "
          + "each of \(found.queryCount) queries, of \(k) hits")
    }
    let shards = bounds.count / queries
    return bounds.indices.map { place in
      if searched?[place] == true { return false }
      let hits = found[place / shards]
      guard hits.count >= k, let last = hits.dropFirst(k - 1).first else { return true }
      // A row as good as the last hit may have a lower id.
      return !order.ranks(last.score, ahead: bounds[place])
    }
  }
}

extension Double {
  /// Returns the Float32 that is no nearer to zero's side than this number, made larger (rounded up) or
  /// smaller by the share `slack` before.
  fileprivate func float(rounded direction: FloatingPointRoundingRule, slack: Double) -> Float {
    let moved = self + (direction == .up ? slack : -slack) * magnitude
    let nearest = Float(moved)
    if direction == .up { return Double(nearest) < moved ? nearest.nextUp : nearest }
    return Double(nearest) > moved ? nearest.nextDown : nearest
  }
}
