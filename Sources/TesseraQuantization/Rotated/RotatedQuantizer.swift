public import TesseraCompute

/// Optimized product quantization (Ge, He, Ke, Sun 2013): a rotation that makes parts independent
/// and equally hard, learnt together with the codewords, and a ``ProductQuantizer`` behind it.
///
/// Rotations are canonical inner products, so codes are the same bits on every device.
public struct RotatedQuantizer: ScannedQuantizer {
  /// `rotated-product`.
  public static let kind = "rotated-product"

  /// Works on rotated vectors.
  public let product: ProductQuantizer
  let rotation: LinearMap

  /// `OPQ<parts>,PQ<parts>x<bits>`, with `_<kept>` after the first part where dimensions are
  /// dropped.
  public let specification: String
  /// Numbers of a vector, before the rotation.
  public var dimension: Int { rotation.inputs }
  /// Dimensions after the rotation, at most ``dimension``.
  public var rotatedDimension: Int { rotation.outputs }
  /// Bytes of a code, which is a code of ``product``.
  public var codeByteCount: Int { product.codeByteCount }

  init(_ recipe: RotatedRecipe, _ product: ProductQuantizer, _ rotation: LinearMap) {
    specification = recipe.specification
    self.product = product
    self.rotation = rotation
  }

  /// Complexity: O(vectors * dimension * (rotatedDimension + codewords)), on the device.
  public func encode(
    _ vectors: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> Codes {
    try vectors.requireDimension(dimension, "encode")
    return try control.steer(on: device) { device throws(TesseraError) in
      try vectors.requireMeasurable(on: device, "encode")
      let rotated = try rotation.apply(
        to: vectors, on: device, "encode", control: control.stage("rotation", 0...0.5))
      return try product.encode(
        Vectors(rotated, dimension: rotatedDimension), on: device,
        control: RunControl(
          stop: control.stop, progress: control.stage("", 0.5...1).progress, note: control.note))
    }
  }

  /// Decodes with the inner quantizer and turns the result back.
  public func decode(
    _ codes: Codes, on device: any Device, control: RunControl
  ) throws(TesseraError) -> [Float] {
    try control.steer(on: device) { device throws(TesseraError) in
      let rotated = try Vectors(product.decode(codes, on: device), dimension: rotatedDimension)
      return try rotation.transposed.apply(to: rotated, on: device, "decode", control: control)
    }
  }

  /// Returns asymmetric scores by tables, of rotated queries, as ``product`` has them. Where the
  /// rotation drops dimensions, what a query has there is added to distances.
  public func scores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try tableScores(of: queries, against: codes, metric: metric, on: device)
  }

  package var canScan: Bool { product.canScan }
  package var scanEntries: Int { product.scanEntries }
  package var scanCenter: [Float]? { nil }

  package func scanCodes(
    _ codes: Codes, metric: Metric, around centroids: ListedCentroids?
  ) throws(TesseraError) -> ProductCodes {
    try product.scanCodes(codes, metric: metric, around: centroids, after: rotation)
  }

  package func scanQueries(
    _ queries: Vectors, metric: Metric, aroundCentroids: Bool, on device: any Device, firstRow: Int
  ) throws(TesseraError) -> ScanQueries {
    let isCosine = metric == .cosine
    // Scaled before: what the rotation drops is a part of a query's length.
    let whole = isCosine ? try queries.unitLength() : queries
    let rotated = try Vectors(
      rotation.apply(to: whole, on: device, "scores: queries"), dimension: rotatedDimension)
    let scan = try product.scanQueries(
      rotated, metric: isCosine ? .innerProduct : metric, aroundCentroids: aroundCentroids,
      on: device, firstRow: firstRow)
    guard rotatedDimension < dimension, metric == .squaredL2, !aroundCentroids else { return scan }
    let terms = (0..<queries.count).map { query in
      let whole = FixedOrder.squares(queries.row(query).span)
      return Float(max(0, whole - FixedOrder.squares(rotated.row(query).span)))
    }
    return ScanQueries(scan.tables, terms: terms)
  }

  /// Holds the rotation and the arrays of the inner quantizer.
  public var arrays: [String: StoredArray] {
    product.arrays.merging(
      ["rotation": .of(rotation.rows, shape: [rotatedDimension, dimension])]) { own, _ in own }
  }

  /// Reads the arrays of ``product`` and the rotation.
  public init(specification: String, arrays: [String: StoredArray]) throws(TesseraError) {
    let table = StoredArrayTable(specification: specification, arrays: arrays)
    guard let recipe = try RotatedRecipe(parsing: specification) else {
      throw table.malformed("its name is not that of an optimized product quantizer")
    }
    self.specification = specification
    product = try ProductQuantizer(
      specification: recipe.product.specification, arrays: arrays)
    let (rows, shape) = try table.values("rotation", Float.self, [product.dimension, nil])
    guard shape[1] >= shape[0], recipe.rotatedDimension.map({ $0 == shape[0] }) ?? true else {
      throw table.malformed("the rotation makes \(shape[0]) dimensions of \(shape[1])")
    }
    rotation = LinearMap(rows, outputs: shape[0], inputs: shape[1])
  }
}
