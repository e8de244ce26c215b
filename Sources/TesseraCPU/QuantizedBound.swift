internal import CSIMD
internal import TesseraCompute

/// How far the filter on bytes can be off.
///
/// Write q' and x' for the rounded query and row, r = |q - q'| and t = |x - x'| for the lengths of
/// what rounding removed; they are computed from the bytes themselves, so any rounding will do.
/// `q'·x'` is a sum of whole numbers, exact in 32 bits.
/// - inner product: `|q·x - q'·x'| <= Q t + r |x'|` (Cauchy-Schwarz, twice).
/// - cosine: the same, everything about a row divided by X.
/// - squared L2: distances of the rounded and of the true vectors differ by at most m = r + t (the
///   triangle inequality), so the filter compares `q'·x' - |x'|²/2`. Where the k-th best row is
///   known to lie within a distance R of the query, the value of any row that matters is off by at
///   most `R m + 3 m²`: if it is lower than the threshold by more, the rounded distance exceeds
///   R + m and the true one R; and a row that is kept has a rounded distance of at most
///   `R + sqrt(6) m`, so that its true value is no further away. At first R is the sum of the
///   lengths of query and longest row; each rise of the threshold lowers it. Near rows are thus
///   told apart far better than by lengths, which count the way from the origin.
///
/// To that come roundings by u = 2^-24: at most 5 in turning the whole number into a value, of at
/// most `(step |codes| + |middle| sqrt(d)) |x'|`, and a few of `Q X`, or of `(Q + X)²` for squared
/// L2, in offsets, comparisons and the canonical score. Where a length that is not 0 leaves
/// [2^-40, 2^40] the error is infinite: Float32 could underflow or overflow.
enum QuantizedBound {
  private static let lengths = 0x1p-40...0x1p40
  private static let underflow = 0x1p-100
  /// Beyond this the sum of products could leave 32 bits.
  static let largestDimension = 65_000

  private static func isMeasurable(_ length: Double) -> Bool {
    length == 0 || lengths.contains(length)
  }

  /// A query's part. `longest` is the length of the longest row.
  static func query(
    _ metric: Metric, length: Double, _ rounded: csimd_rounded_query, longest: Double
  ) -> (a: Float, b: Float, c: Float) {
    guard isMeasurable(length) else { return (0, 0, .infinity) }
    let rounding = 8 * roundingUnit * rounded.size + 16 * roundingUnit * length
    guard metric == .squaredL2 else {
      return (length.roundedUp, (rounded.residual + rounding).roundedUp, underflow.roundedUp)
    }
    let (a, c) = within(length + longest, length: length, residual: rounded.residual)
    return (a, rounding.roundedUp, c)
  }

  /// What squared L2 adds for a query whose k-th best row is known to lie within `radius`.
  static func within(
    _ radius: Double, length: Double, residual: Double
  ) -> (a: Float, c: Float) {
    let c =
      radius * residual + 3 * residual * residual + 4 * roundingUnit * length * length + underflow
    return ((radius + 6 * residual).roundedUp, c.roundedUp)
  }

  /// A row's part, and what the filter multiplies and adds for it.
  static func row(
    _ metric: Metric, squares: Double, _ row: csimd_quantized
  ) -> (e: Float, f: Float, g: Float, scale: Float, sum: Float, offset: Float) {
    let length = squares.squareRoot()
    guard isMeasurable(length) else { return (.infinity, .infinity, .infinity, 0, 0, 0) }
    let longer = max(length, row.length)
    switch metric {
    case .innerProduct:
      return (row.residual.roundedUp, longer.roundedUp, 0, row.step, Float(row.sum), 0)
    case .squaredL2:
      let g = 3 * row.residual * row.residual + 4 * roundingUnit * longer * longer
      return (
        row.residual.roundedUp, longer.roundedUp, g.roundedUp, row.step, Float(row.sum),
        Float(-row.length * row.length / 2)
      )
    case .cosine:
      guard length > 0 else { return (0, 0, 0, 0, 0, 0) }
      return (
        (row.residual / length).roundedUp, (longer / length).roundedUp, 0,
        Float(Double(row.step) / length), Float(row.sum / length), 0
      )
    }
  }
}

/// What the error of squared L2 needs to know of a query as its threshold rises.
struct DistanceBound {
  let querySquares: Double
  let roundedSquares: Double
  let residual: Double

  /// The filter's values are those of the rounded query; the true query's are this much larger.
  var shift: Double { (querySquares - roundedSquares) / 2 }

  /// The query's part of the error where the k-th best row's filter value is at least `threshold`.
  func within(_ threshold: Float) -> (a: Float, c: Float) {
    let squares = querySquares - 2 * (Double(threshold) + shift)
    // Sums of squares are exact to 2^-33 of themselves.
    let radius = max(0, squares + querySquares * 0x1p-30).squareRoot()
    return QuantizedBound.within(
      radius, length: querySquares.squareRoot(), residual: residual)
  }
}
