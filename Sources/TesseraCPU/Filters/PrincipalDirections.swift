internal import TesseraCompute
internal import TesseraHost

/// The leading principal directions of a sample, most telling first, nearly.
///
/// Orthogonal iteration (Golub and Van Loan, Matrix Computations, 2013, section 8.2.4) with the
/// matrix M of the rows' second moments: rows Y become an orthonormal basis of what spans Y M²,
/// three times, and of Y M at last. The first m directions then hold nearly as much of the rows as
/// any m can, where that matters: directions that the iteration tells apart slowly are worth about
/// the same. They steer which filter is chosen and what it lets pass, never a hit.
struct PrincipalDirections {
  let dimension: Int
  /// Directions, a multiple of ``panelWidth`` or the dimension.
  private let count: Int
  private let vectors: HostStorage

  /// The `count` leading directions of `rowCount` rows, or nil where their squares leave the range
  /// of Float32.
  ///
  /// - Complexity: O((rowCount + dimension) * dimension² + count * dimension²).
  /// - Throws: `.outOfMemory`, `.cancelled`.
  init?(
    _ rows: UnsafePointer<Float>, rowCount: Int, dimension: Int, count wanted: Int,
    products: BlockedProduct
  ) throws(TesseraError) {
    self.dimension = dimension
    // The last of them are the least certain: some more than are wanted.
    count = min(dimension, (wanted + panelWidth - 1) / panelWidth * panelWidth + panelWidth)
    vectors = try HostStorage(allocating: count * dimension * 4)
    let sample = StridedFloats.rows(rows, columns: dimension)
    let moments = try HostStorage(allocating: dimension * dimension * 4)
    guard try Self.findMoments(sample, rowCount, dimension, products, moments.floats) else {
      return nil
    }
    let squared = try HostStorage(allocating: dimension * dimension * 4)
    let symmetric = StridedFloats.rows(moments.floats, columns: dimension)
    try products.multiply(
      symmetric, symmetric, rows: dimension, columns: dimension, inner: dimension,
      into: squared.floats, stride: dimension)

    for index in 0..<count {
      let row = index * rowCount / count
      (vectors.floats + index * dimension).update(from: rows + row * dimension, count: dimension)
    }
    var basis = try OrthonormalRows(
      vectors.floats, count: count, dimension: dimension, products: products)
    for matrix in [squared, squared, squared, moments] {
      try basis.multiply(matrix.floats, passes: matrix === moments ? 3 : 2)
    }
  }

  /// Writes `XᵀX` over its trace. Returns false where that is no normal number.
  private static func findMoments(
    _ rows: StridedFloats, _ rowCount: Int, _ dimension: Int, _ products: BlockedProduct,
    _ moments: UnsafeMutablePointer<Float>
  ) throws(TesseraError) -> Bool {
    // What is above the diagonal, but for the blocks on it, mirrors what is below.
    let block = max(96, (dimension + 3) / 4)
    for first in stride(from: 0, to: dimension, by: block) {
      let last = min(dimension, first + block)
      let side = StridedFloats(
        start: rows.start + first, rowStep: rows.rowStep, columnStep: rows.columnStep)
      try products.multiply(
        side.transposed, rows, rows: last - first, columns: last, inner: rowCount,
        into: moments + first * dimension, stride: dimension)
    }
    let trace = (0..<dimension).reduce(0) { $0 + moments[$1 * (dimension + 1)] }
    guard trace > 0x1p-80, trace < 0x1p80 else { return false }
    for row in 0..<dimension {
      for column in 0...row {
        let moment = moments[row * dimension + column] / trace
        moments[row * dimension + column] = moment
        moments[column * dimension + row] = moment
      }
    }
    return true
  }

  /// The space of the first `width` directions, a multiple of ``panelWidth``.
  ///
  /// - Throws: `.outOfMemory`, `.cancelled`.
  func leading(_ width: Int, on device: CPUDevice) throws(TesseraError) -> LeadingBasis {
    let mixed = try HostStorage(allocating: width * dimension * 4)
    let panelCount = width / panelWidth
    // Groups of 32 directions, spread evenly from the most telling to the least, each mixed by a
    // Hadamard matrix: the sign of (i, j) is the parity of the bits they share.
    let scale = 1 / Float(panelWidth).squareRoot()
    for panel in 0..<panelCount {
      for i in 0..<panelWidth {
        let target = mixed.floats + (panel * panelWidth + i) * dimension
        for d in 0..<dimension { target[d] = 0 }
        for j in 0..<panelWidth {
          let source = vectors.floats + (j * panelCount + panel) * dimension
          let sign = (i & j).nonzeroBitCount % 2 == 0 ? scale : -scale
          for d in 0..<dimension { target[d] += sign * source[d] }
        }
      }
    }
    return try LeadingBasis(mixed.floats, width: width, dimension: dimension, on: device)
  }
}

/// Rows that are made orthonormal in panels: each is projected away from those before it, and then
/// multiplied by the inverse of the Cholesky factor of its own inner products (Yamamoto and others,
/// Roundoff error analysis of the CholeskyQR2 algorithm, 2015).
private struct OrthonormalRows {
  private let rows: UnsafeMutablePointer<Float>
  private let count: Int
  private let dimension: Int
  private let products: BlockedProduct
  /// As many rows, before they are orthonormal.
  private let raw: HostStorage
  /// A panel's products with the rows before it.
  private let shadows: HostStorage
  private let panel: HostStorage
  private var random = SplitMix64(seed: 1)

  init(
    _ rows: UnsafeMutablePointer<Float>, count: Int, dimension: Int, products: BlockedProduct
  ) throws(TesseraError) {
    self.rows = rows
    self.count = count
    self.dimension = dimension
    self.products = products
    raw = try HostStorage(allocating: count * dimension * 4)
    shadows = try HostStorage(allocating: panelWidth * max(count, panelWidth) * 4)
    panel = try HostStorage(allocating: panelWidth * dimension * 4)
  }

  /// Replaces the rows by an orthonormal basis of the rows times a symmetric matrix.
  mutating func multiply(
    _ matrix: UnsafePointer<Float>, passes: Int
  ) throws(TesseraError) {
    try products.multiply(
      .rows(rows, columns: dimension), .rows(matrix, columns: dimension), rows: count,
      columns: dimension, inner: dimension, into: raw.floats, stride: dimension)
    rows.update(from: raw.floats, count: count * dimension)
    for first in stride(from: 0, to: count, by: panelWidth) {
      let width = min(panelWidth, count - first)
      for _ in 0..<passes {
        scaleToUnit(first, width)
        try project(first, width)
        try orthonormalize(first, width)
      }
    }
  }

  /// Gives rows length 1. Rows without a length become random ones.
  private mutating func scaleToUnit(_ first: Int, _ width: Int) {
    for row in first..<first + width {
      let values = UnsafeMutableBufferPointer(start: rows + row * dimension, count: dimension)
      var length = Self.length(values)
      if !(length > 0x1p-60 && length.isFinite) {
        for d in values.indices { values[d] = Float(random.nextUnit() - 0.5) }
        length = Self.length(values)
      }
      let scale = 1 / length
      for d in values.indices { values[d] *= scale }
    }
  }

  private static func length(_ values: UnsafeMutableBufferPointer<Float>) -> Float {
    var lanes = SIMD8<Float>()
    var d = 0
    while d + 8 <= values.count {
      for lane in 0..<8 { lanes[lane] += values[d + lane] * values[d + lane] }
      d += 8
    }
    return values[d...].reduce(lanes.sum()) { $0 + $1 * $1 }.squareRoot()
  }

  /// Takes away what lies along the rows before the panel.
  private func project(_ first: Int, _ width: Int) throws(TesseraError) {
    guard first > 0 else { return }
    let own = rows + first * dimension
    let before = StridedFloats.rows(rows, columns: dimension)
    try products.multiply(
      .rows(own, columns: dimension), before.transposed, rows: width, columns: first,
      inner: dimension, into: shadows.floats, stride: first)
    try products.multiply(
      .rows(shadows.floats, columns: first), before, rows: width, columns: dimension, inner: first,
      alpha: -1, beta: 1, into: own, stride: dimension)
  }

  private func orthonormalize(_ first: Int, _ width: Int) throws(TesseraError) {
    let own = rows + first * dimension
    let side = StridedFloats.rows(own, columns: dimension)
    try products.multiply(
      side, side.transposed, rows: width, columns: width, inner: dimension, into: shadows.floats,
      stride: width)
    let inverse = Self.inverseFactor(shadows.floats, width)
    let source = panel.floats
    source.update(from: own, count: width * dimension)
    for index in 0..<width * width { shadows.floats[index] = Float(inverse[index]) }
    try products.multiply(
      .rows(shadows.floats, columns: width), .rows(source, columns: dimension), rows: width,
      columns: dimension, inner: width, into: own, stride: dimension)
  }

  /// The inverse of the lower Cholesky factor of a symmetric matrix. A pivot that rounding has made
  /// too small is raised: the next pass finds the row better conditioned.
  private static func inverseFactor(_ matrix: UnsafePointer<Float>, _ width: Int) -> [Double] {
    var factor = [Double](repeating: 0, count: width * width)
    var inverse = factor
    for row in 0..<width {
      for column in 0...row {
        var rest = Double(matrix[row * width + column])
        for inner in 0..<column {
          rest -= factor[row * width + inner] * factor[column * width + inner]
        }
        factor[row * width + column] =
          row == column
          ? max(rest, 0x1p-17 * max(0x1p-60, Double(matrix[row * width + row]))).squareRoot()
          : rest / factor[column * width + column]
      }
      let pivot = factor[row * width + row]
      inverse[row * width + row] = 1 / pivot
      for column in 0..<row {
        var sum = 0.0
        for inner in column..<row {
          sum += factor[row * width + inner] * inverse[inner * width + column]
        }
        inverse[row * width + column] = -sum / pivot
      }
    }
    return inverse
  }
}
