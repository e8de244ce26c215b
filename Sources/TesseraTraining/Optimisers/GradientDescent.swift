public import TesseraCompute

/// Stochastic gradient descent, with momentum and weight decay where they are asked for.
///
/// `v = momentum * v + gradient + decay * weights`, `weights -= rate * v`.
public final class GradientDescent: Optimiser {
  /// The factor of each step.
  public var rate: Float
  /// Steps done so far.
  public var stepCount = 0
  /// The velocity of each parameter, if there is momentum.
  public let state = OptimiserState()
  private let momentum: Float
  private let decay: Float

  /// - Parameters:
  ///   - rate: The factor of each step · above 0.
  ///   - momentum: The share of the last step that the next one keeps · 0 to below 1.
  ///   - decay: The factor of the weights that is added to the gradient · 0 or more.
  public init(rate: Float, momentum: Float = 0, decay: Float = 0) {
    (self.rate, self.momentum, self.decay) = (rate, momentum, decay)
  }

  /// The velocity, if there is momentum.
  public var stateNames: [String] { momentum > 0 ? ["velocity"] : [] }

  /// The formula of the class.
  public func update() -> (formula: Formula, parameters: [Float]) {
    momentum > 0
      ? (Self.withMomentum, [rate, decay, momentum]) : (Self.plain, [rate, decay])
  }

  private static let plain = Formula(inputs: 2, parameters: 2) { x, p in
    [.multiplyAdd(-p[0], .multiplyAdd(p[1], x[0], x[1]), x[0])]
  }

  private static let withMomentum = Formula(inputs: 3, parameters: 3) { x, p in
    let velocity = Term.multiplyAdd(p[2], x[2], .multiplyAdd(p[1], x[0], x[1]))
    return [.multiplyAdd(-p[0], velocity, x[0]), velocity]
  }
}
