public import TesseraCompute

/// Says how weights begin: the same numbers for the same key on every device.
public enum Initialiser: Sendable, Hashable {
  /// The same number everywhere.
  case constant(Float)
  /// Evenly spread in -limit...limit.
  case uniform(limit: Float)
  /// Normal, with mean 0 (Box, Muller 1958).
  case normal(deviation: Float)
  /// Evenly spread, with a variance of 2 / (inputs + outputs) (Glorot, Bengio 2010).
  case glorot(inputs: Int, outputs: Int)
  /// Evenly spread, with a variance of 2 / inputs, for layers before a rectifier (He, Zhang, Ren, Sun
  /// 2015).
  case he(inputs: Int)

  /// Makes a parameter of `shape` on a device.
  ///
  /// - Parameters:
  ///   - name: The parameter's name in checkpoints; it must differ from those of others.
  ///   - seed: With the name's own number it decides the weights.
  /// - Throws: `.outOfMemory`.
  public func parameter(
    _ name: String, _ shape: [Int], seed: UInt64, on device: any Device
  ) throws(TesseraError) -> Parameter {
    let storage = try device.allocate(byteCount: shape.reduce(MemoryLayout<Float>.stride, *))
    let value = TensorView<Float>(storage, shape: shape)
    // Parameters of one model get different numbers by their names (FNV-1a).
    let stream = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    let (formula, parameters) = formula
    try device.apply(
      formula, to: [], parameters: parameters, random: RandomKey(seed: seed, step: stream),
      into: [value])
    return Parameter(name, value)
  }

  private var formula: (Formula, [Float]) {
    switch self {
    case .constant(let value): (.constant, [value])
    case .uniform(let limit): (Self.evenly, [limit])
    case .normal(let deviation): (Self.normally, [deviation])
    case .glorot(let inputs, let outputs):
      (Self.evenly, [(6 / Float(max(1, inputs + outputs))).squareRoot()])
    case .he(let inputs): (Self.evenly, [(6 / Float(max(1, inputs))).squareRoot()])
    }
  }

  private static let evenly = Formula(inputs: 0, parameters: 1) { _, p in
    [p[0] * .multiplyAdd(2, .random(draw: 0), -1)]
  }

  private static let normally = Formula(inputs: 0, parameters: 1) { _, p in
    // One minus a number below 1 is never 0.
    let length = (-2 * (1 - Term.random(draw: 0)).log).squareRoot
    return [p[0] * (length * (.constant(6.2831855) * Term.random(draw: 1)).cos)]
  }
}
