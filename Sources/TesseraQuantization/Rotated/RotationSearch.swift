import TesseraCompute
import TesseraHost

/// The rotation that suits a product quantizer best, by turns: codewords for rotated points, and
/// the rotation that brings points nearest to what their codes stand for (the Procrustes problem).
///
/// Starts from principal axes, dealt out so that the subspaces' variances have equal products: the
/// best start where points are normally distributed (Ge et al. 2013, section 4).
struct RotationSearch {
  private let product: ProductRecipe
  private let layout: SubspaceLayout
  private let device: any Device
  /// The points less their mean: an offset that all have would drown what sets them apart.
  private let points: Vectors
  private let mean: [Float]
  /// The points transposed, `dimension` x `points`, on the device.
  private let columns: Matrix<Float>
  private(set) var rotation: LinearMap
  private(set) var codewords: [Float]

  /// - Parameter layout: The subspaces of rotated vectors.
  init(
    _ product: ProductRecipe, _ layout: SubspaceLayout, _ points: Vectors, on device: any Device
  ) throws(TesseraError) {
    self.product = product
    self.layout = layout
    self.device = device
    mean = try points.mean()
    self.points = try Vectors(points.widened().subtracting(mean), dimension: points.dimension)
    let dimension = points.dimension
    let values = try Self.transposed(self.points.widened(), columns: dimension)
    columns = try device.upload(values, rows: dimension, columns: points.count)
    let axes = try Self.principalAxes(columns, values, on: device)
    let order = Self.dealt(axes.values, layout)
    rotation = LinearMap(
      order.flatMap { axis in
        axes.vectors[axis * dimension..<(axis + 1) * dimension].map { Float($0) }
      }, outputs: layout.dimension, inputs: dimension)
    codewords = []
    codewords = try codewords(from: nil, iterations: 10, rotated())
  }

  /// A few updates of the codewords, then the rotation that is best for them.
  mutating func improve() throws(TesseraError) {
    let rotated = try rotated()
    codewords = try codewords(from: codewords, iterations: 3, rotated)
    let quantizer = ProductQuantizer(product, layout, codewords: codewords)
    let decoded = try quantizer.decode(
      quantizer.encode(Vectors(rotated, dimension: layout.dimension), on: device), on: device)
    let (outputs, inputs) = (layout.dimension, points.dimension)
    let targets = try device.upload(
      try Self.transposed(decoded, columns: outputs), rows: outputs, columns: points.count)
    let products = try device.allocate(Float.self, rows: outputs, columns: inputs)
    try device.canonicalScores(targets, columns, metric: .innerProduct, into: products)
    let best = try Orthogonal.nearest(
      try device.download(products).map(Double.init), rows: outputs, columns: inputs)
    rotation = LinearMap(best.map { Float($0) }, outputs: outputs, inputs: inputs)
  }

  private func rotated() throws(TesseraError) -> [Float] {
    try rotation.apply(to: points, on: device, "train")
  }

  private func codewords(
    from initial: [Float]?, iterations: Int, _ rotated: [Float]
  ) throws(TesseraError) -> [Float] {
    try product.codewords(
      layout.padded(rotated), layout, from: initial, iterations: iterations, on: device,
      RunControl())
  }

  /// Returns codewords for points that still have their mean.
  func codewordsOfWholePoints() throws(TesseraError) -> [Float] {
    let offset = try rotation.apply(
      to: Vectors(mean, dimension: mean.count), on: device, "train")
    let padded = try layout.padded(offset)
    let count = codewords.count / (layout.count * layout.width)
    var whole = codewords
    for index in whole.indices {
      let (row, d) = (index / layout.width, index % layout.width)
      whole[index] += padded[row / count * layout.width + d]
    }
    return whole
  }

  /// Finds the directions of the points about their mean, the most variance first.
  private static func principalAxes(
    _ columns: Matrix<Float>, _ values: [Float], on device: any Device
  ) throws(TesseraError) -> SymmetricEigen {
    let (dimension, count) = (columns.rows, columns.columns)
    let products = try device.allocate(Float.self, rows: dimension, columns: dimension)
    try device.canonicalScores(columns, columns, metric: .innerProduct, into: products)
    var moments = try device.download(products).map(Double.init)
    let means = (0..<dimension).map { d in
      values[d * count..<(d + 1) * count].reduce(0.0) { $0 + Double($1) } / Double(count)
    }
    for i in 0..<dimension {
      for j in 0..<dimension {
        moments[i * dimension + j] =
          moments[i * dimension + j] / Double(count) - means[i] * means[j]
      }
    }
    guard moments.allSatisfy(\.isFinite) else {
      throw TesseraError(
        .invalidArgument,
        "train: sums of products of the points are beyond Float32; scale the points down")
    }
    return try SymmetricEigen(moments, count: dimension)
  }

  /// The axes in the order of rotated dimensions: each, from the largest variance down, goes to the
  /// subspace with room whose variances have the smallest product so far, ties to the lower.
  private static func dealt(_ variances: [Double], _ layout: SubspaceLayout) -> [Int] {
    var subspaces = [[Int]](repeating: [], count: layout.count)
    var products = [Double](repeating: 0, count: layout.count)
    // Logarithms differ between systems in the last bit; binary exponents do not.
    let floor = max(variances.first ?? 0, .leastNormalMagnitude) * 0x1p-40
    for axis in 0..<layout.dimension {
      let open = subspaces.indices.filter { subspaces[$0].count < layout.range($0).count }
      guard let subspace = open.min(by: { (products[$0], $0) < (products[$1], $1) }) else { break }
      subspaces[subspace].append(axis)
      let variance = max(variances[axis], floor) / floor
      products[subspace] += Double(variance.exponent) + variance.significand - 1
    }
    return subspaces.flatMap { $0 }
  }

  private static func transposed(
    _ rows: [Float], columns: Int
  ) throws(TesseraError) -> [Float] {
    let count = rows.count / columns
    var target = [Float](repeating: 0, count: rows.count)
    // Blocks of columns, so that what is written stays in the cache.
    for first in stride(from: 0, to: columns, by: 16) {
      try StopSignal.check()
      for row in 0..<count {
        for column in first..<min(first + 16, columns) {
          target[column * count + row] = rows[row * columns + column]
        }
      }
    }
    return target
  }
}
