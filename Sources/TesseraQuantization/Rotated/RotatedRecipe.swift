public import TesseraCompute

/// Trains a ``RotatedQuantizer``: codewords and the rotation by turns.
public struct RotatedRecipe: CodewordRecipe, Hashable {
  /// The quantizer of the rotated vectors.
  public var product: ProductRecipe
  /// Dimensions to keep · the number of subspaces to the dimension · nil keeps all.
  public let rotatedDimension: Int?
  /// Rotations to find · 1 or more · each lowers the error less than the one before.
  public var rotationCount = 10

  /// Options of the k-means, which are those of ``product``.
  public var options: CodewordOptions {
    get { product.options }
    set { product.options = newValue }
  }

  /// - Throws: `.invalidArgument` for fewer dimensions than subspaces.
  public init(_ product: ProductRecipe, rotatedDimension: Int? = nil) throws(TesseraError) {
    self.product = product
    self.rotatedDimension = rotatedDimension
    if let rotatedDimension, rotatedDimension < product.subspaceCount {
      throw .badSpecification(
        specification,
        "\(rotatedDimension) dimensions do not divide into \(product.subspaceCount) subspaces")
    }
  }

  /// `OPQ48,PQ48x8`, or `OPQ48_192,PQ48x8` to keep 192 dimensions; nil for other names.
  init?(parsing text: String) throws(TesseraError) {
    var scanner = FactoryScanner(text)
    guard scanner.take("OPQ"), let subspaceCount = scanner.number() else { return nil }
    var kept: Int?
    if scanner.take("_") {
      guard let number = scanner.number() else { return nil }
      kept = number
    }
    guard scanner.take(","), let product = try ProductRecipe(parsing: String(scanner.rest)) else {
      return nil
    }
    guard product.subspaceCount == subspaceCount else {
      throw .badSpecification(
        text,
        "a rotation for \(subspaceCount) subspaces before a quantizer of \(product.subspaceCount)")
    }
    try self.init(product, rotatedDimension: kept)
  }

  /// `OPQ<subspaces>,PQ<subspaces>x<bits>`, or `OPQ<subspaces>_<kept>,PQ<subspaces>x<bits>`.
  public var specification: String {
    let kept = rotatedDimension.map { "_\($0)" } ?? ""
    return "OPQ\(product.subspaceCount)\(kept),\(product.specification)"
  }

  /// - Throws: `.invalidArgument` for fewer dimensions than subspaces or than are kept, or fewer
  ///   points than codewords.
  public func train(
    _ points: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> TrainedQuantizer {
    try control.steer(on: device) { device throws(TesseraError) in
      try trained(points, on: device, control)
    }
  }

  private func trained(
    _ points: Vectors, on device: any Device, _ control: RunControl
  ) throws(TesseraError) -> TrainedQuantizer {
    let (search, sample) = try search(points, on: device, control.stage("", 0...0.8))
    let layout = layout(points)
    let rotated = try search.rotation.apply(
      to: Vectors(sample.rows, dimension: points.dimension), on: device, "train")
    let codewords = try product.codewords(
      layout.padded(rotated), layout, from: search.codewordsOfWholePoints(),
      iterations: options.iterations, on: device, control.stage("", 0.8...0.95))
    let quantizer = RotatedQuantizer(
      self, ProductQuantizer(product, layout, codewords: codewords), search.rotation)
    return try TrainedQuantizer.measured(quantizer, on: points, device, control, sample.notes)
  }

  /// Finds the rotation alone, as ``train(_:on:control:)`` does before it finds the codewords.
  package func rotation(
    of points: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> (map: LinearMap, notes: [TrainingNote]) {
    let (search, sample) = try search(points, on: device, control)
    return (search.rotation, sample.notes)
  }

  private func search(
    _ points: Vectors, on device: any Device, _ control: RunControl
  ) throws(TesseraError) -> (RotationSearch, sample: (rows: [Float], notes: [TrainingNote])) {
    let kept = rotatedDimension ?? points.dimension
    guard kept <= points.dimension, kept >= product.subspaceCount, rotationCount >= 1 else {
      throw .badSpecification(
        specification,
        "\(product.subspaceCount) subspaces of \(kept) dimensions out of \(points.dimension), "
          + "\(rotationCount) rotations")
    }
    let sample = try options.sample(
      points, codewordCount: 1 << product.bits, for: specification)
    let rows = try Vectors(sample.rows, dimension: points.dimension)
    var search = try RotationSearch(
      product, layout(points), rows.everyNth(max(1, rows.count / Self.rotationSample)), on: device)
    for round in 1...rotationCount {
      try search.improve()
      try control.report(
        "rotation \(round) of \(rotationCount)", done: Double(round) / Double(rotationCount))
    }
    return (search, sample)
  }

  /// The subspaces of rotated points.
  private func layout(_ points: Vectors) -> SubspaceLayout {
    SubspaceLayout(
      dimension: rotatedDimension ?? points.dimension, count: product.subspaceCount)
  }

  /// A rotation has fewer numbers to find than the codewords; this many points are plenty.
  private static let rotationSample = 16_384
}
