/// The score every device agrees on to the last bit, because its arithmetic is fixed.
///
/// Inputs are widened to Float64. Sixteen lanes run side by side, lane j taking dimensions
/// i = j, j + 16, j + 32, ... in rising order:
/// - inner product: `lane = fma(q[i], x[i], lane)`
/// - squared L2: `d = q[i] - x[i]; lane = fma(d, d, lane)`
///
/// The lanes are added as a fixed tree (8, 4, 2, 1), and one rounding to Float32 ends it, with a
/// zero always positive. The product of two Float32 is exact in Float64, so the inner product
/// needs no fused instruction; squared L2 does.
public enum CanonicalScore {
  /// The Float64 sum over `count` dimensions: of squared differences for `.squaredL2`, of products
  /// for the other metrics.
  public static func sum(
    _ metric: Metric, _ query: UnsafePointer<Float>, _ vector: UnsafePointer<Float>, count: Int
  ) -> Double {
    var lanes = SIMD16<Double>()
    for start in stride(from: 0, to: count, by: 16) {
      var q = SIMD16<Float>()
      var x = SIMD16<Float>()
      for lane in 0..<min(16, count - start) {
        q[lane] = query[start + lane]
        x[lane] = vector[start + lane]
      }
      // Lanes past the end see 0 and 0, which leaves them as they are.
      if metric == .squaredL2 {
        let difference = SIMD16<Double>(q) - SIMD16<Double>(x)
        lanes.addProduct(difference, difference)
      } else {
        lanes += SIMD16<Double>(q) * SIMD16<Double>(x)
      }
    }
    let eight = lanes.lowHalf + lanes.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// The score from the sum and, for `.cosine`, the sums of squares of both vectors.
  public static func finish(
    _ metric: Metric, sum: Double, querySquares: Double, vectorSquares: Double
  ) -> Float {
    guard metric == .cosine else { return Float(sum) + 0 }
    let lengths = querySquares.squareRoot() * vectorSquares.squareRoot()
    return lengths > 0 ? Float(sum / lengths) + 0 : 0
  }

  /// The score of one query against one vector.
  public static func score(_ metric: Metric, _ query: [Float], _ vector: [Float]) -> Float {
    precondition(query.count == vector.count, "a score compares vectors of one dimension")
    let count = query.count
    let isCosine = metric == .cosine
    return finish(
      metric, sum: sum(metric, query, vector, count: count),
      querySquares: isCosine ? sum(.innerProduct, query, query, count: count) : 0,
      vectorSquares: isCosine ? sum(.innerProduct, vector, vector, count: count) : 0)
  }
}
