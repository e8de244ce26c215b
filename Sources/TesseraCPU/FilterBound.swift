internal import TesseraCompute

/// The proof that the Float32 filter drops nothing it should keep.
///
/// Write u = 2^-24, d for the dimension, Q and X for the lengths of query and row. The filter's
/// value v, larger is better for every metric, estimates:
/// - inner product: `q·x`
/// - squared L2: `q·x - X²/2`, because `|q-x|² = Q² - 2 (q·x - X²/2)`
/// - cosine: `q·x / X`, the cosine times the constant Q
///
/// A Float32 sum of d products, in any order, is within `d u / (1 - d u) * Q X` of `q·x` (Higham,
/// Accuracy and Stability of Numerical Algorithms, 2002, section 3.1). To that come, each at most
/// u times the size of what is rounded: the row's scale or offset, the value itself, the rounding
/// of bounds and thresholds, and the canonical score's own rounding to Float32, which counts
/// because hits are ordered by the rounded score and rows that tie are ordered by id. With 8 for
/// all of those and a factor 9/8 for higher orders (d up to 2^20) the error is at most
/// - inner product: `9/8 (d + 8) u Q X`
/// - squared L2: `9/8 (d + 8) u Q X + 9/8 * 4 u (Q + X)²`
/// - cosine: `9/8 (d + 8) u Q`
///
/// plus what underflow can add: `(d + 8) 2^-126`, divided by X for the cosine.
///
/// A row is dropped only if `v + error < threshold`, where k rows are known whose `v - error`
/// reaches the threshold: then k rows have a strictly better canonical score. Where lengths leave
/// [2^-40, 2^62] (cosine) or exceed 2^62 (others) the error is taken as infinite, and no row there
/// is ever dropped: dot products could overflow.
///
/// In the form the kernels use, the error for panel p is `a e[p] + b f[p] + c`, with e and f the
/// largest X and X² of the panel's rows.
enum FilterBound {
  private static let unit = 0x1p-24 * 1.125
  private static let longest = 0x1p62
  private static let shortestScaled = 0x1p-40

  /// A query's part of the bound.
  static func query(
    _ metric: Metric, length: Double, dimension: Int
  ) -> (a: Float, b: Float, c: Float) {
    guard length <= longest, dimension <= 1 << 20 else { return (0, 0, .infinity) }
    let sum = Double(dimension + 8) * unit * length
    let underflow = Double(dimension + 8) * 0x1p-126
    switch metric {
    case .innerProduct:
      return (up(sum), 0, up(underflow))
    case .squaredL2:
      let rounding = 4 * unit
      return (
        up(sum + 2 * rounding * length), up(rounding), up(rounding * length * length + underflow)
      )
    case .cosine:
      return (0, 0, up(sum + underflow / shortestScaled))
    }
  }

  /// A panel's part, from the canonical sums of squares of its rows.
  static func panel(_ metric: Metric, squares: some Sequence<Double>) -> (e: Float, f: Float) {
    var longestRow = 0.0
    var measurable = true
    for squares in squares {
      let length = squares.squareRoot()
      longestRow = max(longestRow, length)
      if metric == .cosine, length > 0, length < shortestScaled { measurable = false }
    }
    guard measurable, longestRow <= longest else { return (.infinity, .infinity) }
    return metric == .cosine ? (0, 0) : (up(longestRow), up(longestRow * longestRow))
  }

  /// The filter's scale and offset for a row. What cannot be represented is never dropped, because
  /// ``panel(_:squares:)`` is infinite there.
  static func row(_ metric: Metric, squares: Double) -> (scale: Float, offset: Float) {
    switch metric {
    case .innerProduct: (1, 0)
    case .squaredL2: (1, Float(-squares / 2))
    case .cosine: (squares > 0 ? Float(1 / squares.squareRoot()) : 0, 0)
    }
  }

  /// A filter threshold below the exact value of any row whose canonical score is `score` or
  /// better.
  static func threshold(_ metric: Metric, score: Float, querySquares: Double) -> Float {
    // The score is within 2^-24 of its unrounded self; sums of squares, in Float64, within 2^-33.
    let slack = 0x1p-23
    switch metric {
    case .innerProduct:
      if score == .infinity { return .greatestFiniteMagnitude.nextDown }
      let exact = Double(score)
      return down(exact - abs(exact) * slack - 0x1p-148)
    case .squaredL2:
      let distance = Double(score)
      return down((querySquares * (1 - 0x1p-32) - distance * (1 + slack) - 0x1p-148) / 2)
    case .cosine:
      return down((Double(score) - 2 * slack) * querySquares.squareRoot())
    }
  }

  private static func up(_ value: Double) -> Float { Float(value).nextUp }
  private static func down(_ value: Double) -> Float { Float(value).nextDown }
}
