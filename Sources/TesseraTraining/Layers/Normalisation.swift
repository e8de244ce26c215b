public import TesseraCompute

/// Each row with mean 0 and variance 1, then scaled and shifted (Ba, Kiros, Hinton 2016).
public struct LayerNorm: Layer {
  private let scale: Parameter
  private let shift: Parameter
  private let epsilon: Float

  /// For rows of `width` numbers.
  ///
  /// - Parameter epsilon: Is added to the variance · above 0.
  public init(
    _ name: String, width: Int, epsilon: Float = 1e-5, on device: any Device
  ) throws(TesseraError) {
    scale = try Initialiser.constant(1).parameter(
      name + ".weight", [1, width], seed: 0, on: device)
    shift = try Initialiser.constant(0).parameter(name + ".bias", [1, width], seed: 0, on: device)
    self.epsilon = epsilon
  }

  /// The scale, then the shift.
  public var parameters: [Parameter] { [scale, shift] }

  /// Normalises along the last side.
  public func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    let side = x.shape.count - 1
    let share = 1 / Float(x.shape[side])
    let mean = try tape.apply(tape.sum(of: x, along: side), parameters: [share]) { x, p in
      x[0] * p[0]
    }
    let squares = try tape.sum(Self.squaredDifference, of: [x, mean], along: side)
    return try tape.apply(
      x, mean, squares, tape.weights(of: scale), tape.weights(of: shift),
      parameters: [share, epsilon]
    ) { x, p in
      let inverse = Term.multiplyAdd(x[2], p[0], p[1]).reciprocalSquareRoot
      return .multiplyAdd((x[0] - x[1]) * inverse, x[3], x[4])
    }
  }

  private static let squaredDifference = Formula(inputs: 2) { x, _ in
    let difference = x[0] - x[1]
    return [difference * difference]
  }
}

/// Each row with a mean square of 1, then scaled (Zhang, Sennrich 2019).
public struct RMSNorm: Layer {
  private let scale: Parameter
  private let epsilon: Float

  /// For rows of `width` numbers.
  ///
  /// - Parameter epsilon: Is added to the mean square · above 0.
  public init(
    _ name: String, width: Int, epsilon: Float = 1e-6, on device: any Device
  ) throws(TesseraError) {
    scale = try Initialiser.constant(1).parameter(
      name + ".weight", [1, width], seed: 0, on: device)
    self.epsilon = epsilon
  }

  /// The scale.
  public var parameters: [Parameter] { [scale] }

  /// Normalises along the last side.
  public func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    let side = x.shape.count - 1
    let squares = try tape.squares(of: x, along: side)
    return try tape.apply(
      x, squares, tape.weights(of: scale), parameters: [1 / Float(x.shape[side]), epsilon]
    ) { x, p in
      x[0] * Term.multiplyAdd(x[1], p[0], p[1]).reciprocalSquareRoot * x[2]
    }
  }
}

/// Sets a share of numbers to 0 and makes up for it with the rest (Srivastava et al. 2014). Which
/// numbers is a function of the key and of their places.
public struct Dropout {
  /// The share of numbers that become 0 · 0 to below 1.
  public let share: Float

  /// Drops `share` of the numbers.
  public init(share: Float) { self.share = share }

  /// Drops numbers, for a step of training. `key` has to differ from step to step and layer to layer.
  public func callAsFunction(
    _ x: Variable, key: RandomKey, on tape: Tape
  ) throws(TesseraError) -> Variable {
    guard share > 0 else { return x }
    return try tape.apply(x, parameters: [share, 1 / (1 - share)], random: key) { x, p in
      .select(Term.random(draw: 0).isLess(than: p[0]), 0, x[0] * p[1])
    }
  }
}

extension Tape {
  /// The sum of squares along a side, which becomes 1.
  public func squares(of x: Variable, along side: Int) throws(TesseraError) -> Variable {
    try sum(.square, of: [x], along: side)
  }

  /// Lines along the last side with length 1; those of length 0 stay 0.
  public func unitLines(_ x: Variable) throws(TesseraError) -> Variable {
    try apply(x, squares(of: x, along: x.shape.count - 1)) { x, _ in
      x[0] * Term.maximum(x[1], .constant(0x1p-100)).reciprocalSquareRoot
    }
  }

  /// The logarithm of the sum of exponentials along the last side, which becomes 1.
  public func logSumExp(_ x: Variable) throws(TesseraError) -> Variable {
    let side = x.shape.count - 1
    // Nothing changes with what is taken away here and added again below, so it has no gradient.
    let largest = constant(try maximum(of: constant(x.value), along: side).value)
    let sum = try sum(.shiftedExponential, of: [x, largest], along: side)
    return try apply(sum, largest) { x, _ in x[0].log + x[1] }
  }
}

extension Formula {
  static let square = Formula(inputs: 1) { x, _ in [x[0] * x[0]] }
  fileprivate static let shiftedExponential = Formula(inputs: 2) { x, _ in [(x[0] - x[1]).exp] }
}
