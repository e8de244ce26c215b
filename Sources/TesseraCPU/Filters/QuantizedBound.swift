internal import CSIMD
internal import TesseraCompute

/// Bounds the error of the filter on bytes.
///
/// Write q' and x' for the rounded query and row, r = |q - q'| and t = |x - x'| for the lengths of
/// what rounding removed; they are computed from the bytes themselves, so any rounding will do.
/// `q'·x'` is a sum of whole numbers, exact in 32 bits.
/// - inner product: `|q·x - q'·x'| <= Q t + r |x'|` (Cauchy-Schwarz, twice).
/// - cosine: the same, everything about a row divided by X.
/// - squared L2: distances of the rounded and of the true vectors differ by at most r + t (the
///   triangle inequality). So a row may be dropped if its rounded distance exceeds R + r + t, where
///   the k-th best row found so far lies at the distance R. In the filter's terms: its value
///   `q'·x' - |x'|²/2 = (|q'|² - |q'-x'|²) / 2` is below `(|q'|² - (R+r)²) / 2` by more than
///   `(R+r) t + t²/2`. Near rows are thus told apart far better than by lengths, which count the
///   way from the origin.
///
/// To that come roundings by u = 2^-24: at most 6 in turning the whole number into a value, of at
/// most `(step |codes| + |middle| sqrt(d)) |x'|`, and fewer than 16 of `Q X`, or of `Q²` and `X²` for
/// squared L2, in offsets, reach, the error itself, comparisons and the canonical score. Where a length that is not 0 leaves
/// [2^-40, 2^40] the error is infinite: Float32 could underflow or overflow.
enum QuantizedBound {
  private static let lengths = 0x1p-40...0x1p40
  private static let underflow = 0x1p-100
  /// Beyond this the sum of products could leave 32 bits.
  static let largestDimension = 65_000

  private static func isMeasurable(_ length: Double) -> Bool {
    length == 0 || lengths.contains(length)
  }

  /// A query's part. For squared L2 `a` is known with the first hits: ``within(score:_:)``.
  static func query(
    _ metric: Metric, length: Double, _ rounded: csimd_rounded_query
  ) -> (a: Float, b: Float, c: Float) {
    guard isMeasurable(length) else { return (0, 0, .infinity) }
    let rounding = 8 * roundingUnit * rounded.size + 16 * roundingUnit * length
    guard metric == .squaredL2 else {
      return (length.roundedUp, (rounded.residual + rounding).roundedUp, underflow.roundedUp)
    }
    let c = 16 * roundingUnit * length * length + underflow
    return (0, rounding.roundedUp, c.roundedUp)
  }

  /// The threshold and `a` for squared L2, where the k-th best row found so far has `score`.
  static func within(
    score: Float, _ rounded: csimd_rounded_query
  ) -> (threshold: Float, a: Float) {
    // The score is within 2^-24 of its unrounded self.
    let radius = (Double(score) * (1 + 0x1p-23) + 0x1p-148).squareRoot() + rounded.residual
    let threshold = (rounded.squares * (1 - 0x1p-32) - radius * radius * (1 + 0x1p-32)) / 2
    return (threshold.roundedDown, radius.roundedUp)
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
      let g = row.residual * row.residual / 2 + 16 * roundingUnit * longer * longer
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

  /// Returns the number that the filter multiplies a query's reach by.
  static func reach(_ metric: Metric, squares: Double, _ remainder: Remainder) -> Float {
    guard isMeasurable(squares.squareRoot()) else { return 0 }
    guard metric == .cosine else { return remainder.reach.roundedUp }
    return squares > 0 ? (remainder.reach / squares.squareRoot()).roundedUp : 0
  }
}
