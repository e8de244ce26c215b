internal import CSIMD
internal import TesseraCompute

/// The cheap pass over all rows that decides which ones deserve a canonical score.
///
/// A filter estimates, larger being better for every metric and Q and X being the lengths of query
/// and row,
/// - inner product: `q·x`
/// - squared L2: `q·x - X²/2`, because `|q-x|² = Q² - 2 (q·x - X²/2)`
/// - cosine: `q·x / X`, the cosine times the constant Q
///
/// and knows how far its value v can be from the exact one. A row is dropped only if
/// `v + error < threshold`, where k rows are known whose canonical scores are worth the threshold
/// at least: then those are strictly better. Hits are ordered by the score as rounded to
/// Float32, and rows that tie by id, so the error has to cover that rounding too.
///
/// The error for panel p is `a e[p] + b f[p] + g[p] + c`: a, b and c belong to the query, e, f and
/// g to the panel.
enum Filter: Sendable {
  /// Float32 rows. See ``Float32Bound``.
  case float32
  /// Rows rounded to `scale * (byte - zero)`, or whole numbers as they are. See
  /// ``QuantizedBound``.
  case quantized(zero: Int32, exact: Bool)
  /// Coordinates along leading directions, rounded to bytes, and the length of what those leave
  /// out. See ``Remainder``.
  case leading(LeadingBasis)

  /// The number that is subtracted from the bytes of the packed rows.
  var zero: Int32 {
    switch self {
    case .float32: 0
    case .quantized(let zero, _): zero
    case .leading: 128
    }
  }

  /// The bytes that the filter keeps besides the packed rows.
  var residentBytes: Int {
    if case .leading(let basis) = self { basis.residentBytes } else { 0 }
  }

  /// Numbers per packed row.
  func width(dimension: Int) -> Int {
    if case .leading(let basis) = self { basis.width } else { dimension }
  }

  /// Bytes of the packed rows of one panel.
  func panelBytes(dimension: Int) -> Int {
    let width = width(dimension: dimension)
    if case .float32 = self { return panelWidth * width * 4 }
    return panelWidth * ((width + 3) / 4) * 4
  }

  /// Bytes of one packed query.
  func queryBytes(dimension: Int) -> Int { panelBytes(dimension: dimension) / panelWidth }

  /// A threshold below the exact value of any row whose canonical score is `score` or better.
  static func threshold(_ metric: Metric, score: Float, querySquares: Double) -> Float {
    // The score is within 2^-24 of its unrounded self; sums of squares, in Float64, within 2^-33.
    let slack = 0x1p-23
    switch metric {
    case .innerProduct:
      if score == .infinity { return .greatestFiniteMagnitude.nextDown }
      let exact = Double(score)
      return (exact - abs(exact) * slack - 0x1p-148).roundedDown
    case .squaredL2:
      let twice = querySquares * (1 - 0x1p-32) - Double(score) * (1 + slack) - 0x1p-148
      return (twice / 2).roundedDown
    case .cosine:
      return ((Double(score) - 2 * slack) * querySquares.squareRoot()).roundedDown
    }
  }
}

/// 2^-24, the relative error of one Float32 rounding, and an eighth for products of such errors.
let roundingUnit = 0x1p-24 * 1.125

extension Double {
  /// A Float32 that is not smaller.
  var roundedUp: Float { Float(self).nextUp }
  /// A Float32 that is not larger.
  var roundedDown: Float { Float(self).nextDown }
}
