internal import CSIMD
internal import TesseraCompute

/// How far the filter on bytes can be off.
///
/// With rounded query q' and row x', and what rounding removed, `q - q'` and `x - x'`,
/// `|q·x - q'·x'| <= Q |x - x'| + |q - q'| |x'|` (Cauchy-Schwarz, twice). The lengths of what was
/// removed are computed from the bytes themselves, so any rounding will do. `q'·x'` is a sum of
/// whole numbers, exact in 32 bits. Turning it into a value rounds at most 5 times, each time by
/// u = 2^-24 of at most `(step |codes| + |middle| sqrt(d)) |x'|`, and the offset of squared L2
/// another 3 times by u of X²/2. Comparing, and the canonical score's rounding, take a few u of
/// `Q X`, for squared L2 of `(Q + X)²`.
///
/// For the cosine everything about a row is divided by X. Where a length that is not 0 leaves
/// [2^-40, 2^40] the error is infinite: Float32 could underflow or overflow.
enum QuantizedBound {
  private static let lengths = 0x1p-40...0x1p40
  /// Beyond this the sum of products could leave 32 bits.
  static let largestDimension = 65_000

  private static func isMeasurable(_ length: Double) -> Bool {
    length == 0 || lengths.contains(length)
  }

  /// A query's part. `residual` is `|q - q'|`, `size` is `step |codes| + |middle| sqrt(d)`.
  static func query(
    _ metric: Metric, length: Double, residual: Double, size: Double
  ) -> (a: Float, b: Float, c: Float) {
    guard isMeasurable(length) else { return (0, 0, .infinity) }
    let b = (residual + 8 * roundingUnit * size).roundedUp
    let rounding = 4 * roundingUnit * length * length
    switch metric {
    case .innerProduct: return (length.roundedUp, b, 0x1p-100)
    case .squaredL2: return (length.roundedUp, b, rounding.roundedUp + 0x1p-100)
    case .cosine: return (length.roundedUp, b, 0x1p-100)
    }
  }

  /// A row's part, and what the filter multiplies and adds for it.
  static func row(
    _ metric: Metric, squares: Double, _ row: csimd_quantized
  ) -> (e: Float, f: Float, g: Float, scale: Float, sum: Float, offset: Float) {
    let length = squares.squareRoot()
    guard isMeasurable(length) else { return (.infinity, .infinity, .infinity, 0, 0, 0) }
    guard metric == .cosine else {
      let isL2 = metric == .squaredL2
      return (
        (row.residual + 16 * roundingUnit * length).roundedUp, row.length.roundedUp,
        isL2 ? (4 * roundingUnit * squares).roundedUp : 0, row.step, Float(row.sum),
        isL2 ? Float(-squares / 2) : 0
      )
    }
    guard length > 0 else { return (0, 0, 0, 0, 0, 0) }
    return (
      (row.residual / length + 16 * roundingUnit).roundedUp, (row.length / length).roundedUp, 0,
      Float(Double(row.step) / length), Float(row.sum / length), 0
    )
  }
}
