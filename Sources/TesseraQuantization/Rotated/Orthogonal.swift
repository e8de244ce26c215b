import TesseraCompute
package import TesseraHost

/// Matrices whose rows are at right angles and of unit length: rotations, and rotations that keep
/// only some dimensions. Float64 in a fixed order. Throws where the call under way should end.
package enum Orthogonal {
  /// The first rows of a random rotation: `rows` x `columns`, row-major, every direction equally
  /// likely.
  package static func random(
    rows: Int, columns: Int, seed: UInt64
  ) throws(TesseraError) -> [Double] {
    var random = SplitMix64(seed: seed)
    let values = (0..<rows * columns).map { _ in Double(random.nextGaussian()) }
    return try orthonormalized(values, rows: rows, columns: columns)
  }

  /// The matrix with orthonormal rows that is nearest to `matrix`, `rows` x `columns` with
  /// `rows <= columns`: the Procrustes problem, solved by the singular vectors of `matrix`.
  ///
  /// With matrix = U S V, the answer is U V. U and S^2 are eigenvectors and values of
  /// matrix * matrix^T; the rows of S V are those of U^T * matrix, made orthonormal by Gram and
  /// Schmidt, the longest first, so that small singular values cost no right angles.
  static func nearest(
    _ matrix: [Double], rows: Int, columns: Int
  ) throws(TesseraError) -> [Double] {
    let transposed = transpose(matrix, rows: rows, columns: columns)
    let eigen = try SymmetricEigen(
      multiply(matrix, transposed, rows, columns, rows), count: rows)
    let right = try orthonormalized(
      multiply(eigen.vectors, matrix, rows, rows, columns), rows: rows, columns: columns)
    return try multiply(
      transpose(eigen.vectors, rows: rows, columns: rows), right, rows, rows, columns)
  }

  /// Gram and Schmidt over the rows in order, each taken off twice. A row that lies in the span of
  /// those before gives way to the first axis that does not.
  static func orthonormalized(
    _ matrix: [Double], rows: Int, columns: Int
  ) throws(TesseraError) -> [Double] {
    precondition(rows <= columns, "\(rows) rows at right angles in \(columns) dimensions")
    var result = matrix
    var axis = 0
    try result.withUnsafeMutableBufferPointer { q throws(TesseraError) in
      var largest = 0.0
      for row in 0..<rows { largest = max(largest, length(q, row, columns)) }
      for row in 0..<rows {
        try StopSignal.check()
        var before = length(q, row, columns)
        project(q, row, columns)
        // Less than the rounding of the longest row is no direction.
        while !(length(q, row, columns) > max(0x1p-40 * before, 0x1p-48 * largest)) {
          for d in 0..<columns { q[row * columns + d] = d == axis ? 1 : 0 }
          axis += 1
          before = 0x1p20
          largest = 0
          project(q, row, columns)
        }
        scale(q, row, columns)
        project(q, row, columns)
        scale(q, row, columns)
      }
    }
    return result
  }

  /// a * b; a is `rows` x `inner`, b is `inner` x `columns`.
  package static func multiply(
    _ a: [Double], _ b: [Double], _ rows: Int, _ inner: Int, _ columns: Int
  ) throws(TesseraError) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(rows * columns)
    for row in 0..<rows {
      try StopSignal.check()
      var sums = [Double](repeating: 0, count: columns)
      for i in 0..<inner {
        let factor = a[row * inner + i]
        let line = b.span.extracting(.row(i, of: columns))
        for column in sums.indices { sums[column] += factor * line[unchecked: column] }
      }
      result += sums
    }
    return result
  }

  static func transpose(_ matrix: [Double], rows: Int, columns: Int) -> [Double] {
    var result = [Double](repeating: 0, count: matrix.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = matrix[row * columns + column] }
    }
    return result
  }

  private typealias Rows = UnsafeMutableBufferPointer<Double>

  private static func length(_ q: Rows, _ row: Int, _ columns: Int) -> Double {
    var squares = 0.0
    for d in row * columns..<(row + 1) * columns { squares += q[d] * q[d] }
    return squares.squareRoot()
  }

  private static func scale(_ q: Rows, _ row: Int, _ columns: Int) {
    let factor = 1 / length(q, row, columns)
    for d in row * columns..<(row + 1) * columns { q[d] *= factor }
  }

  /// Takes off a row what lies along the rows before it.
  private static func project(_ q: Rows, _ row: Int, _ columns: Int) {
    for other in 0..<row {
      var product = 0.0
      for d in 0..<columns { product += q[row * columns + d] * q[other * columns + d] }
      for d in 0..<columns { q[row * columns + d] -= product * q[other * columns + d] }
    }
  }
}
