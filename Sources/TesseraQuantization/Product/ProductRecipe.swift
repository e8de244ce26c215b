public import TesseraCompute

/// Trains a ``ProductQuantizer``: k-means of each subspace of the points.
public struct ProductRecipe: CodewordRecipe, Hashable {
  /// Subspaces of a vector · 1 to the dimension · a code has one number each.
  public let subspaceCount: Int
  /// Bits of a number · 4 to 16 · 8 is usual; there are 2^bits codewords a subspace.
  public let bits: Int
  /// Options of the k-means that finds the codewords of a subspace.
  public var options: CodewordOptions

  /// - Throws: `.invalidArgument` for subspaces or bits out of range.
  public init(
    subspaceCount: Int, bits: Int = 8, options: CodewordOptions = CodewordOptions()
  ) throws(TesseraError) {
    self.subspaceCount = subspaceCount
    self.bits = bits
    self.options = options
    guard (1...1 << 20).contains(subspaceCount) else {
      throw .badSpecification(specification, "\(subspaceCount) subspaces, expected 1 or more")
    }
    guard (4...16).contains(bits) else {
      throw .badSpecification(specification, "\(bits) bits, expected 4 to 16")
    }
  }

  /// `PQ48x8`, or `PQ48` for 8 bits; nil for other names. `PQ48x4fs` is FAISS's name for codes that
  /// are scanned fast, which codes of 4 bits always are here.
  init?(parsing text: String) throws(TesseraError) {
    var scanner = FactoryScanner(text)
    guard scanner.take("PQ"), let subspaceCount = scanner.number() else { return nil }
    var bits = 8
    if !scanner.isAtEnd {
      guard scanner.take("x"), let number = scanner.number() else { return nil }
      bits = number
      // FAISS's fsr are those of differences from centroids, as they always are in lists here.
      let isFastScan = scanner.take("fsr") || scanner.take("fs")
      guard scanner.isAtEnd else { return nil }
      guard bits == 4 || !isFastScan else {
        throw .badSpecification(text, "fast scans are of 4 bits: PQ\(subspaceCount)x4fs")
      }
    }
    try self.init(subspaceCount: subspaceCount, bits: bits)
  }

  /// `PQ<subspaces>x<bits>`, also where it was read from `PQ<subspaces>`, which means 8 bits.
  public var specification: String { "PQ\(subspaceCount)x\(bits)" }

  /// - Throws: `.invalidArgument` for fewer dimensions than subspaces, or fewer points than
  ///   codewords.
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
    guard points.dimension >= subspaceCount else {
      throw .badSpecification(
        specification,
        "\(points.dimension) dimensions do not divide into \(subspaceCount) subspaces")
    }
    let sample = try options.sample(points, codewordCount: 1 << bits, for: specification)
    let layout = SubspaceLayout(dimension: points.dimension, count: subspaceCount)
    let quantizer = ProductQuantizer(
      self, layout,
      codewords: try codewords(
        layout.padded(sample.rows), layout, iterations: options.iterations, on: device,
        control.stage("", 0...0.95)))
    return try TrainedQuantizer.measured(quantizer, on: points, device, control, sample.notes)
  }

  /// Returns the codewords of all subspaces of `rows`, which are padded.
  ///
  /// - Parameter initial: Where they start; nil for points far apart.
  func codewords(
    _ rows: [Float], _ layout: SubspaceLayout, from initial: [Float]? = nil, iterations: Int,
    on device: any Device, _ control: RunControl
  ) throws(TesseraError) -> [Float] {
    var codewords: [Float] = []
    let subspaceSize = (1 << bits) * layout.width
    for subspace in 0..<subspaceCount {
      let columns = subspace * layout.width..<(subspace + 1) * layout.width
      let found = try options.codewords(
        1 << bits, of: rows.columns(columns, of: layout.paddedDimension), width: layout.width,
        from: initial.map { Array($0[subspace * subspaceSize..<(subspace + 1) * subspaceSize]) },
        stream: UInt64(subspace), iterations: iterations, on: device)
      codewords += found.values
      try control.report(
        "subspace \(subspace + 1) of \(subspaceCount)",
        done: Double(subspace + 1) / Double(subspaceCount),
        objective: found.objective)
    }
    return codewords
  }
}
