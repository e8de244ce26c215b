internal import CSIMD
internal import TesseraCompute

/// Bounds the error of the Float32 filter.
///
/// Write u = 2^-24 and d for the dimension. A Float32 sum of d products, in any order, is within
/// `d u / (1 - d u) * Q X` of `q·x` (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
/// section 3.1). To that come, each at most u times the size of what is rounded: the row's scale
/// or offset, the value, the comparison's own arithmetic, and the canonical score's rounding. With
/// 8 for all of those and a factor 9/8 for higher orders (d up to 2^20) the error is at most
/// - inner product: `9/8 (d + 8) u Q X`
/// - squared L2: `9/8 (d + 8) u Q X + 9/8 * 4 u (Q + X)²`
/// - cosine: `9/8 (d + 8) u Q`
///
/// plus what underflow can add: `(d + 8) 2^-126`, divided by X for the cosine. Where lengths leave
/// [2^-40, 2^62] (cosine) or exceed 2^62 (the others) it is infinite, and nothing is dropped there:
/// dot products could overflow.
enum Float32Bound {
  private static let longest = 0x1p62
  private static let shortestScaled = 0x1p-40

  /// A query's part.
  static func query(
    _ metric: Metric, length: Double, dimension: Int
  ) -> (a: Float, b: Float, c: Float) {
    guard length <= longest, dimension <= 1 << 20 else { return (0, 0, .infinity) }
    let sum = Double(dimension + 8) * roundingUnit * length
    let underflow = Double(dimension + 8) * 0x1p-126
    switch metric {
    case .innerProduct:
      return (sum.roundedUp, 0, underflow.roundedUp)
    case .squaredL2:
      let a = sum + 8 * roundingUnit * length
      return (a.roundedUp, 0, (4 * roundingUnit * length * length + underflow).roundedUp)
    case .cosine:
      return (0, 0, (sum + underflow / shortestScaled).roundedUp)
    }
  }

  /// A panel's part, from its rows' canonical sums of squares.
  static func panel(
    _ metric: Metric, squares: UnsafeMutableBufferPointer<Double>
  ) -> (e: Float, f: Float, g: Float) {
    let length = (squares.max() ?? 0).squareRoot()
    let scalable =
      metric != .cosine
      || squares.allSatisfy { squares in
        squares == 0 || squares >= shortestScaled * shortestScaled
      }
    guard scalable, length <= longest else { return (.infinity, .infinity, .infinity) }
    switch metric {
    case .innerProduct: return (length.roundedUp, 0, 0)
    case .squaredL2: return (length.roundedUp, 0, (4 * roundingUnit * length * length).roundedUp)
    case .cosine: return (0, 0, 0)
    }
  }

  /// The filter's scale and offset of a row. What Float32 cannot hold is never dropped, because
  /// the panel's error is infinite there.
  static func row(_ metric: Metric, squares: Double) -> (scale: Float, offset: Float) {
    switch metric {
    case .innerProduct: (1, 0)
    case .squaredL2: (1, Float(-squares / 2))
    case .cosine: (squares > 0 ? Float(1 / squares.squareRoot()) : 0, 0)
    }
  }

  /// Bounds the error of a canonical score's Float32 estimate: relative to the score for squared L2
  /// (and 2^-100, where squares of tiny differences underflow), absolute otherwise.
  ///
  /// Sixteen lanes and a tree make chains of d/16 + 4 additions, so that the sum of products is
  /// within `(d/16 + 5) u` of it, times Q X, and a sum of squared differences within
  /// `(d/16 + 7) u` of itself, each difference being rounded too. To that come the rounding of the
  /// canonical score, of the estimate of a cosine, and of comparisons, fewer than 8. Infinite where
  /// lengths let products underflow, or anything overflow.
  static func tolerance(
    _ metric: Metric, length: Double, longest: Double, dimension: Int
  ) -> Float {
    let safe = 0x1p-30...0x1p40
    guard safe.contains(length), safe.contains(longest), dimension <= 1 << 20 else {
      return .infinity
    }
    let relative = Double(dimension / 16 + 16) * roundingUnit
    return (metric == .innerProduct ? relative * length * longest : relative).roundedUp
  }
}
