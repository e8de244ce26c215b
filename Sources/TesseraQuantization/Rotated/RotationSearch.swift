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
  private let points: CenteredPoints
  private(set) var rotation: LinearMap
  private(set) var codewords: [Float]

  /// - Parameter layout: The subspaces of rotated vectors.
  init(
    _ product: ProductRecipe, _ layout: SubspaceLayout, _ points: Vectors, on device: any Device
  ) throws(TesseraError) {
    self.product = product
    self.layout = layout
    self.device = device
    self.points = try CenteredPoints(points, on: device)
    let dimension = points.dimension
    let axes = try SymmetricEigen(self.points.covariance(on: device), count: dimension)
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
    let (outputs, inputs) = (layout.dimension, points.rows.dimension)
    let targets = try device.upload(
      try CenteredPoints.transposed(decoded, columns: outputs), rows: outputs,
      columns: points.rows.count)
    let products = try device.allocate(Float.self, rows: outputs, columns: inputs)
    try device.canonicalScores(targets, points.columns, metric: .innerProduct, into: products)
    let best = try Orthogonal.nearest(
      try device.download(products).map(Double.init), rows: outputs, columns: inputs)
    rotation = LinearMap(best.map { Float($0) }, outputs: outputs, inputs: inputs)
  }

  private func rotated() throws(TesseraError) -> [Float] {
    try rotation.apply(to: points.rows, on: device, "train")
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
      to: Vectors(points.mean, dimension: points.mean.count), on: device, "train")
    let padded = try layout.padded(offset)
    let count = codewords.count / (layout.count * layout.width)
    var whole = codewords
    for index in whole.indices {
      let (row, d) = (index / layout.width, index % layout.width)
      whole[index] += padded[row / count * layout.width + d]
    }
    return whole
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
}
