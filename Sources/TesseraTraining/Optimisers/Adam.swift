public import TesseraCompute

/// Adam (Kingma, Ba 2015), and with decoupled decay AdamW (Loshchilov, Hutter 2019).
///
/// `m = b1 * m + (1 - b1) * g`, `v = b2 * v + (1 - b2) * g^2`, `weights -= rate * (m / (1 - b1^t)) /
/// (sqrt(v / (1 - b2^t)) + epsilon)`, where t counts steps from 1. For gradients by rows, moments of
/// other rows stay as they are (what PyTorch calls SparseAdam).
public final class Adam: Optimiser {
  /// The factor of each step.
  public var rate: Float
  /// Steps done so far.
  public var stepCount = 0
  /// The two moments of each parameter.
  public let state = OptimiserState()
  private let (first, second): (Float, Float)
  private let epsilon: Float
  private let decay: Float
  private let isDecoupled: Bool

  /// - Parameters:
  ///   - rate: The factor of each step · above 0.
  ///   - first: The share of the mean of gradients that a step keeps · 0 to below 1.
  ///   - second: The same for the mean of squares.
  ///   - epsilon: Keeps the divisor from 0 · above 0.
  ///   - decay: Weight decay · 0 or more.
  ///   - isDecoupled: True to take the decay from the weights (AdamW), false to add it to the gradient.
  public init(
    rate: Float = 1e-3, first: Float = 0.9, second: Float = 0.999, epsilon: Float = 1e-8,
    decay: Float = 0, isDecoupled: Bool = false
  ) {
    self.rate = rate
    (self.first, self.second) = (first, second)
    (self.epsilon, self.decay) = (epsilon, decay)
    self.isDecoupled = isDecoupled
  }

  /// The two moments.
  public var stateNames: [String] { ["mean", "square"] }

  /// The formula of the class. Powers of the shares are computed on the host in Float64, one product
  /// for each step.
  public func update() -> (formula: Formula, parameters: [Float]) {
    let (first, second) = (Double(first), Double(second))
    let corrections = (
      1 / (1 - first.power(stepCount)), 1 / (1 - second.power(stepCount)).squareRoot()
    )
    return (
      isDecoupled ? Self.decoupled : Self.plain,
      [
        self.first, Float(1 - first), self.second, Float(1 - second),
        Float(Double(rate) * corrections.0), Float(corrections.1), epsilon,
        isDecoupled ? 1 - rate * decay : decay,
      ]
    )
  }

  private static let plain = Formula(inputs: 4, parameters: 8) { x, p in
    moved(x, p, gradient: .multiplyAdd(p[7], x[0], x[1]), weights: x[0])
  }

  private static let decoupled = Formula(inputs: 4, parameters: 8) { x, p in
    moved(x, p, gradient: x[1], weights: x[0] * p[7])
  }

  private static func moved(
    _ x: [Term], _ p: [Term], gradient: Term, weights: Term
  ) -> [Term] {
    let mean = Term.multiplyAdd(p[0], x[2], p[1] * gradient)
    let square = Term.multiplyAdd(p[2], x[3], p[3] * (gradient * gradient))
    let divisor = Term.multiplyAdd(square.squareRoot, p[5], p[6])
    return [.multiplyAdd(-p[4], mean / divisor, weights), mean, square]
  }
}

extension Double {
  /// The product of `count` factors, the same on every machine.
  fileprivate func power(_ count: Int) -> Double {
    var (result, factor, rest) = (1.0, self, count)
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return result
  }
}
