public import TesseraCompute

/// A function with weights, from one tensor to another.
public protocol Layer {
  /// The weights, in a fixed order.
  var parameters: [Parameter] { get }

  /// Computes the layer's result on a tape.
  ///
  /// - Throws: `.invalidShape` for an input that does not fit.
  func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable
}

/// `x * weight + bias`: rows x inputs to rows x outputs.
public struct Linear: Layer {
  /// inputs x outputs.
  public let weight: Parameter
  /// 1 x outputs; nil if there is none.
  public let bias: Parameter?

  /// Makes weights that begin as ``Initialiser/he(inputs:)`` says, and a bias of 0.
  public init(
    _ name: String, inputs: Int, outputs: Int, hasBias: Bool = true,
    weights: Initialiser? = nil, seed: UInt64, on device: any Device
  ) throws(TesseraError) {
    weight = try (weights ?? .he(inputs: inputs)).parameter(
      name + ".weight", [inputs, outputs], seed: seed, on: device)
    bias =
      hasBias
      ? try Initialiser.constant(0).parameter(name + ".bias", [1, outputs], seed: seed, on: device)
      : nil
  }

  /// The weight, then the bias.
  public var parameters: [Parameter] { [weight] + (bias.map { [$0] } ?? []) }

  /// Multiplies, then adds the bias.
  public func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    let product = try tape.product(x, tape.weights(of: weight))
    guard let bias else { return product }
    return try tape.apply(product, tape.weights(of: bias)) { x, _ in x[0] + x[1] }
  }
}

/// A function of each number by itself, without weights.
public enum Activation: String, Layer, Sendable, CaseIterable {
  /// `max(x, 0)`.
  case relu
  /// `x` above 0, a hundredth of it below (Maas, Hannun, Ng 2013).
  case leakyReLU
  /// `x * Phi(x)` with the normal distribution's Phi (Hendrycks, Gimpel 2016).
  case gelu
  /// `x * sigmoid(x)` (Elfwing, Uchibe, Doya 2018).
  case silu
  case tanh
  case sigmoid

  /// None.
  public var parameters: [Parameter] { [] }

  /// Applies the function to each number.
  public func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    try tape.apply(x) { x, _ in
      switch self {
      case .relu: .maximum(x[0], 0)
      case .leakyReLU: .maximum(x[0], .constant(0.01) * x[0])
      case .gelu: .constant(0.5) * x[0] * (1 + (x[0] * .constant(0.70710678)).erf)
      case .silu: x[0] * x[0].sigmoid
      case .tanh: x[0].tanh
      case .sigmoid: x[0].sigmoid
      }
    }
  }
}

/// Layers one after the other.
public struct LayerStack: Layer {
  /// The layers, first to last.
  public let layers: [any Layer]

  /// Takes layers in the order in which they are computed.
  public init(_ layers: [any Layer]) { self.layers = layers }

  /// The weights of all layers.
  public var parameters: [Parameter] { layers.flatMap(\.parameters) }

  /// Computes layer after layer.
  public func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    var x = x
    for layer in layers { x = try layer(x, on: tape) }
    return x
  }
}
