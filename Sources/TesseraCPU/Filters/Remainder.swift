internal import CSIMD
internal import TesseraCompute

/// Measures what coordinates along leading directions leave out of a vector.
///
/// With `q = Pᵀ(P q) + s` and `x = Pᵀ(P x) + r`, s and r orthogonal to the directions,
/// - inner product and cosine: `q·x = Pq·Px + s·r <= Pq·Px + |s| |r|` (Cauchy-Schwarz), so reach is
///   no smaller than the length left out;
/// - squared L2: `|q-x|² = |Pq-Px|² + |s-r|² >= |Pq-Px|² + (|s|-|r|)²`, which is the distance of
///   vectors with one coordinate more, the length left out. Reach is that coordinate, and like the
///   others it may be off.
///
/// The coordinates y are within `w |x|` of `P x`, so `|r|²` is within `k |x|²` of `|x|² - |y|²`,
/// where `k = 2 w (1 + w)`.
struct Remainder {
  /// The length left out: an upper bound, or the nominal value for squared L2.
  let reach: Double
  /// The largest distance of coordinates, and for squared L2 of the reach, from the exact ones.
  let doubt: Double

  /// - Parameters:
  ///   - squares: `|x|²`.
  ///   - coordinateSquares: `|y|²`.
  ///   - slack: w.
  init(_ metric: Metric, squares: Double, coordinateSquares: Double, slack: Double) {
    let rest = max(0, squares - coordinateSquares)
    let uncertain = 2 * slack * (1 + slack) * squares
    let length = squares.squareRoot()
    if metric == .squaredL2 {
      reach = rest.squareRoot()
      // |a - b| is |a² - b²| / (a + b), and its square is no larger than |a² - b²|.
      let off = min(uncertain.squareRoot(), reach > 0 ? uncertain / reach : .infinity)
      doubt = slack * length + off
    } else {
      reach = (rest + uncertain).squareRoot()
      doubt = slack * length
    }
  }

  /// Returns the error of a query's rounded coordinates, as if the query itself had been rounded.
  func extending(_ rounded: csimd_rounded_query, _ metric: Metric) -> csimd_rounded_query {
    var extended = rounded
    extended.residual += doubt
    if metric == .squaredL2 { extended.squares += reach * reach }
    return extended
  }

  /// Returns the error of a row's rounded coordinates, as if the row itself had been rounded.
  func extending(_ row: csimd_quantized, _ metric: Metric) -> csimd_quantized {
    var extended = row
    extended.residual += doubt
    if metric == .squaredL2 {
      extended.length = (row.length * row.length + reach * reach).squareRoot()
    }
    return extended
  }
}
