import TesseraHost

/// Linear equations with a symmetric positive definite matrix, in Float64 and one fixed order.
enum Cholesky {
  /// Solves (matrix + adding * identity) * X = right.
  ///
  /// - Parameters:
  ///   - matrix: `size` x `size`, row-major, positive semidefinite.
  ///   - adding: Above 0, so that there is one solution.
  ///   - right: `size` x `columns`, row-major.
  /// - Complexity: O(size^3 + size^2 * columns).
  /// - Throws: `.cancelled` or `.deadlineExceeded` if the call under way should end.
  static func solve(
    _ matrix: [Double], size: Int, adding: Double, _ right: [Double], columns: Int
  ) throws(TesseraError) -> [Double] {
    precondition(
      matrix.count == size * size && right.count == size * columns && adding > 0,
      "the sizes of linear equations fit together")
    var factor = matrix
    for i in 0..<size { factor[i * size + i] += adding }
    try factor.withUnsafeMutableBufferPointer { factor throws(TesseraError) in
      try decompose(factor, size: size, least: adding)
    }
    var solution = right
    try solution.withUnsafeMutableBufferPointer { solution throws(TesseraError) in
      try factor.withUnsafeBufferPointer { factor throws(TesseraError) in
        for i in 0..<size {
          try StopSignal.check()
          for j in 0..<i { subtract(factor[i * size + j], solution, j, i, columns) }
          divide(solution, i, by: factor[i * size + i], columns)
        }
        for i in (0..<size).reversed() {
          try StopSignal.check()
          for j in i + 1..<size { subtract(factor[j * size + i], solution, j, i, columns) }
          divide(solution, i, by: factor[i * size + i], columns)
        }
      }
    }
    return solution
  }

  /// The lower triangle becomes the factor.
  private static func decompose(
    _ factor: UnsafeMutableBufferPointer<Double>, size: Int, least: Double
  ) throws(TesseraError) {
    for i in 0..<size {
      try StopSignal.check()
      for j in 0...i {
        var sum = factor[i * size + j]
        for k in 0..<j { sum -= factor[i * size + k] * factor[j * size + k] }
        // Rounding can leave less than what was added to a dependent row, even less than 0.
        factor[i * size + j] =
          i == j ? max(sum, 0.5 * least).squareRoot() : sum / factor[j * size + j]
      }
    }
  }

  /// Row `target` less `factor` times row `source`.
  private static func subtract(
    _ factor: Double, _ rows: UnsafeMutableBufferPointer<Double>, _ source: Int, _ target: Int,
    _ columns: Int
  ) {
    for c in 0..<columns { rows[target * columns + c] -= factor * rows[source * columns + c] }
  }

  private static func divide(
    _ rows: UnsafeMutableBufferPointer<Double>, _ row: Int, by divisor: Double, _ columns: Int
  ) {
    for c in 0..<columns { rows[row * columns + c] /= divisor }
  }
}
