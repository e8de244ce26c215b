/// A power of two by which points are multiplied, so that no squared distance between them leaves
/// the range of Float32: scores of points as large as 1e20 would all be infinite, and of such as
/// small as 1e-25 all 0.
///
/// Multiplying by a power of two is exact, and every step of k-means gives the same bits times the
/// power. Only numbers less than 2^-166 of the largest lose digits.
struct PointScale: Equatable {
  let factor: Float

  static let one = PointScale(factor: 1)

  /// The exponent of the largest number after scaling: its square times any dimension is a Float32.
  private static let target = 40

  init(factor: Float) { self.factor = factor }

  /// Returns 1 where numbers between `smallest`, not counting 0, and `largest` need no scaling: then
  /// the square of a difference between two of them, at least 2^-24 of `smallest`, is a Float32.
  init(smallest: Float, largest: Float) {
    guard largest > 0, largest > 0x1p40 || smallest < 0x1p-36 else {
      self = .one
      return
    }
    // Both this power and its inverse are normal numbers.
    let exponent = min(126, Self.target - Int(largest.exponent))
    self.init(factor: Float(sign: .plus, exponent: exponent, significand: 1))
  }

  func scale(_ values: inout [Float]) {
    guard factor != 1 else { return }
    for index in values.indices { values[index] *= factor }
  }

  /// Returns centroids of scaled points as centroids of the points.
  func unscaled(_ values: [Float]) -> [Float] {
    factor == 1 ? values : values.map { $0 * (1 / factor) }
  }

  /// Returns a squared distance of scaled points as one of the points.
  func unscaledSquare(_ score: Float) -> Double {
    let inverse = 1 / Double(factor)
    return Double(score) * (inverse * inverse)
  }
}
