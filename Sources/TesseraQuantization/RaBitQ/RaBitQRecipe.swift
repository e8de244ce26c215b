public import TesseraCompute
import TesseraHost

/// RaBitQ: random rotation, a few bits a dimension, and scores with an error bound.
///
/// Gao and Long 2024 (arXiv 2405.12497) for one bit, Gao et al. 2024 (arXiv 2409.09913) for more.
/// Nothing is learnt but the mean of the points, so training is one pass.
public struct RaBitQRecipe: QuantizerRecipe, Hashable {
  /// Bits of a dimension · 1 to 9 · 1 with re-ranking, 4 without, 8 for next to no loss.
  public let bits: Int

  /// - Throws: `.invalidArgument` for bits outside 1 to 9.
  public init(bits: Int) throws(TesseraError) {
    self.bits = bits
    guard (1...9).contains(bits) else {
      throw .badSpecification("RaBitQ\(bits)", "\(bits) bits a dimension, expected 1 to 9")
    }
  }

  /// `RaBitQ<bits>`, or `RaBitQ` for one bit.
  public var specification: String { bits == 1 ? "RaBitQ" : "RaBitQ\(bits)" }

  /// `RaBitQ4`, or `RaBitQ` for one bit; nil for other names.
  init?(parsing text: String) throws(TesseraError) {
    var scanner = FactoryScanner(text)
    guard scanner.take("RaBitQ") else { return nil }
    let bits = scanner.isAtEnd ? 1 : scanner.number()
    guard let bits, scanner.isAtEnd else { return nil }
    try self.init(bits: bits)
  }

  static let family = QuantizerFactory.Family(
    pattern: "RaBitQ<bits>", quantizer: RaBitQ.self
  ) { text throws(TesseraError) in try RaBitQRecipe(parsing: text) }

  /// Takes the mean of the points as the center; the rotation follows from a fixed seed. Throws
  /// `.invalidShape` without points or dimensions.
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
    guard points.count > 0, points.dimension > 0 else {
      throw TesseraError(
        .invalidShape,
        "\(specification): \(points.count) points of \(points.dimension) dimensions; training "
          + "needs at least one of each")
    }
    try Shapes.requireFinite(points, "\(specification): training points")
    let quantizer = RaBitQ(
      bits: bits, center: try points.mean(),
      rotation: HadamardRotation(dimension: points.dimension, seed: Self.seed))
    try control.report("center", done: 0.1)
    return try TrainedQuantizer.measured(quantizer, on: points, device, control)
  }

  /// The rotation is part of a file, so another one would do as well.
  private static let seed: UInt64 = 1234
}

extension Vectors {
  /// Returns the mean of the rows: Float64 sums in row order, rounded once.
  package func mean() throws(TesseraError) -> [Float] {
    var sums = [Double](repeating: 0, count: dimension)
    let step = Swift.max(1, (64 << 10) / Swift.max(1, dimension))
    for start in stride(from: 0, to: count, by: step) {
      try StopSignal.check()
      let block = rows(start..<Swift.min(start + step, count))
      try block.withFloats { values in
        for row in 0..<block.count {
          let own = values.extracting(.row(row, of: dimension))
          for i in sums.indices { sums[i] += Double(own[unchecked: i]) }
        }
      }
    }
    return sums.map { Float($0 / Double(count)) }
  }
}
