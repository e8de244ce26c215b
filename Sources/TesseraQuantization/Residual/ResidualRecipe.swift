public import TesseraCompute

/// Trains a ``ResidualQuantizer``: stage by stage by k-means of what is left over, then all stages
/// together by turns of encoding and averaging.
public struct ResidualRecipe: CodewordRecipe, Hashable {
  /// Subspaces a vector is cut into · 1 to the dimension · 1 for `RQ`.
  public let subspaceCount: Int
  /// Codebooks added up for each subspace · 1 or more · with 2^bits codewords each, 8192 codewords
  /// at most.
  public let stageCount: Int
  /// Bits of a number · 1 to 12 · 8 is usual.
  public let bits: Int
  /// Options of the k-means that finds the first codewords of each stage.
  public var options: CodewordOptions
  /// Turns of encoding and averaging after the last stage · 0 or more · each lowers the error less.
  public var refinements = 12

  /// - Throws: `.invalidArgument` for subspaces, stages or bits out of range.
  public init(
    subspaceCount: Int = 1, stageCount: Int, bits: Int = 8,
    options: CodewordOptions = CodewordOptions()
  ) throws(TesseraError) {
    self.subspaceCount = subspaceCount
    self.stageCount = stageCount
    self.bits = bits
    self.options = options
    guard (1...1 << 20).contains(subspaceCount), stageCount >= 1 else {
      throw .badSpecification(
        specification, "\(subspaceCount) subspaces of \(stageCount) stages, expected 1 or more")
    }
    guard (1...12).contains(bits) else {
      throw .badSpecification(specification, "\(bits) bits, expected 1 to 12")
    }
    guard stageCount <= BeamEncoder.mostCodewords >> bits else {
      throw .badSpecification(
        specification,
        "\(stageCount) stages of \(1 << bits) codewords are more than "
          + "\(BeamEncoder.mostCodewords) together; use fewer, or PRQ")
    }
  }

  /// `RQ8x8`, or `PRQ4x2x8` for four subspaces of two stages; nil for other names.
  init?(parsing text: String) throws(TesseraError) {
    var scanner = FactoryScanner(text)
    var numbers: [Int] = []
    let count = scanner.take("PRQ") ? 3 : scanner.take("RQ") ? 2 : 0
    for place in 0..<count {
      guard place == 0 || scanner.take("x"), let number = scanner.number() else { return nil }
      numbers.append(number)
    }
    guard count > 0, scanner.isAtEnd else { return nil }
    try self.init(
      subspaceCount: count == 3 ? numbers[0] : 1, stageCount: numbers[count - 2],
      bits: numbers[count - 1])
  }

  /// `RQ<stages>x<bits>` for one subspace, else `PRQ<subspaces>x<stages>x<bits>`.
  public var specification: String {
    subspaceCount == 1 ? "RQ\(stageCount)x\(bits)" : "PRQ\(subspaceCount)x\(stageCount)x\(bits)"
  }

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
    guard points.dimension >= subspaceCount, (0...1 << 30).contains(refinements) else {
      throw .badSpecification(
        specification,
        "\(points.dimension) dimensions do not divide into \(subspaceCount) subspaces, or "
          + "\(refinements) refinements are not from 0 to 2^30")
    }
    let sample = try options.sample(points, codewordCount: 1 << bits, for: specification)
    let layout = SubspaceLayout(dimension: points.dimension, count: subspaceCount)
    // What all points have in common is taken out, and goes into the first stage's codewords in the
    // end: the stages' sums of products are in Float32, where it would drown the rest.
    let mean = try Vectors(sample.rows, dimension: points.dimension).mean()
    let rows = try layout.padded(sample.rows.subtracting(mean))
    let offset = try layout.padded(mean)
    var subspaces: [ResidualStages] = []
    for subspace in 0..<subspaceCount {
      let columns = subspace * layout.width..<(subspace + 1) * layout.width
      var training = try ResidualTraining(
        self, try rows.columns(columns, of: layout.paddedDimension), layout.width,
        stream: subspace * stageCount, on: device)
      let steps = stageCount + refinements
      for step in 0..<steps {
        let error =
          step < stageCount ? try training.addStage() : try training.refine()
        let name = subspaceCount > 1 ? "subspace \(subspace + 1) of \(subspaceCount), " : ""
        let done = (Double(subspace) + Double(step + 1) / Double(steps)) / Double(subspaceCount)
        try control.report(
          name + (step < stageCount ? "stage \(step + 1) of \(stageCount)" : "refinement"),
          done: 0.95 * done, objective: error)
      }
      subspaces.append(training.stages.moved(by: offset[columns]))
    }
    let quantizer = ResidualQuantizer(self, layout, subspaces)
    return try TrainedQuantizer.measured(quantizer, on: points, device, control, sample.notes)
  }
}
