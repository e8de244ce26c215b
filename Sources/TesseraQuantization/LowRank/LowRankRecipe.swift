public import TesseraCompute

/// Low-rank vector quantization: codewords of few numbers, and one projection, shared by all of
/// them, that makes vectors of them.
///
/// After LR2VQ (Zhu et al. 2022, arXiv 2211.11397). A vector of D numbers has a code of ceil(D / m)
/// numbers, so m sets the compression. Each names one of k codewords in d <= m latent dimensions,
/// and the vector is the mean plus the latent numbers of all subspaces times the projection:
/// look-ups and one matrix product. Fewer latent numbers leave more outside the latent space, more
/// spread the codewords thinner; without `d` the balance is estimated before training
/// (``LowRankQuantizer/latent`` says what came out).
///
/// Codewords and projection are trained by turns: codes subspace by subspace, each subspace's
/// codewords as the means of what the other subspaces leave, the projection by least squares. No
/// turn raises the error.
public struct LowRankRecipe: CodewordRecipe, Hashable {
  /// Numbers of the vector for each number of the code · m · 1 or more.
  public let blockLength: Int
  /// Latent numbers of a codeword · d · 1 to `blockLength`, or nil to estimate.
  public let latent: Int?
  /// Bits of a number of the code · 1 to 8 · there are 2^bits codewords a subspace.
  public let bits: Int
  /// Options of the k-means that finds the first codewords of a subspace.
  public var options: CodewordOptions
  /// Turns of codes, codewords and projection · 0 or more · each costs about as much as encoding
  /// the training points.
  public var turns: Int

  /// - Throws: `.invalidArgument` for parameters out of range.
  public init(
    blockLength: Int, latent: Int? = nil, bits: Int = 8,
    options: CodewordOptions = CodewordOptions(), turns: Int = 8
  ) throws(TesseraError) {
    self.blockLength = blockLength
    self.latent = latent
    self.bits = bits
    self.options = options
    self.turns = turns
    guard blockLength >= 1 else {
      throw .badSpecification(
        specification, "\(blockLength) numbers a subspace, expected 1 or more")
    }
    if let latent, !(1...blockLength).contains(latent) {
      throw .badSpecification(
        specification, "\(latent) latent numbers a subspace, expected 1 to \(blockLength)")
    }
    guard (1...8).contains(bits) else {
      throw .badSpecification(specification, "\(bits) bits, expected 1 to 8")
    }
    guard (0...1 << 30).contains(turns) else {
      throw .badSpecification(specification, "\(turns) turns, expected 0 to 2^30")
    }
  }

  /// `LRVQ8_6x8`, `LRVQ8x8`, or either without `x8` for 8 bits; nil for other names.
  init?(parsing text: String) throws(TesseraError) {
    var scanner = FactoryScanner(text)
    guard scanner.take("LRVQ"), let blockLength = scanner.number() else { return nil }
    var latent: Int?
    var bits = 8
    if scanner.take("_") {
      guard let number = scanner.number() else { return nil }
      latent = number
    }
    if !scanner.isAtEnd {
      guard scanner.take("x"), let number = scanner.number(), scanner.isAtEnd else { return nil }
      bits = number
    }
    try self.init(blockLength: blockLength, latent: latent, bits: bits)
  }

  static let family = QuantizerFactory.Family(
    pattern: "LRVQ<m>[_<d>]x<bits>", quantizer: LowRankQuantizer.self
  ) { text throws(TesseraError) in try LowRankRecipe(parsing: text) }

  /// `LRVQ<m>_<d>x<bits>`, without `_<d>` where the latent numbers are estimated.
  public var specification: String {
    "LRVQ\(blockLength)" + (latent.map { "_\($0)" } ?? "") + "x\(bits)"
  }

  /// - Throws: `.invalidArgument` for fewer points than codewords, or more latent numbers than
  ///   dimensions.
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
    try Shapes.require(points.dimension > 0, "\(specification): points have no dimensions")
    let sample = try options.sample(points, codewordCount: 1 << bits, for: specification)
    var training = try LowRankTraining(self, sample.rows, points.dimension, on: device)
    let steps = Double(turns + 2)
    try control.report("codewords", done: 1 / (steps + 1))
    for turn in 0..<turns {
      let objective = try training.turn()
      try control.report(
        "turn \(turn + 1) of \(turns)", done: Double(turn + 2) / (steps + 1), objective: objective)
    }
    return try TrainedQuantizer.measured(
      training.quantizer, on: points, device, control, sample.notes)
  }
}
