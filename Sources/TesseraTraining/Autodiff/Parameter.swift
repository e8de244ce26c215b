public import TesseraCompute

/// Weights that training changes.
///
/// For one thread.
public final class Parameter {
  /// The name in checkpoints, such as `encoder.0.weight`.
  public let name: String
  /// The weights.
  public let value: TensorView<Float>
  /// The gradient of the last ``Tape/backward(from:)``; nil before, and for weights that the result
  /// does not depend on.
  public internal(set) var gradient: Gradient?

  /// A gradient by all weights, or by some rows of them.
  public enum Gradient {
    /// One number for each weight.
    case dense(TensorView<Float>)
    /// Rows that were used, each once and rising, and one line for each of them; it is 0 by all other
    /// rows.
    case rows(RowSelection, TensorView<Float>)
  }

  /// Takes weights that lie one after the other.
  ///
  /// - Precondition: `value` is dense.
  public init(_ name: String, _ value: TensorView<Float>) {
    precondition(value.isDense, "the weights of \(name) have to lie one after the other")
    (self.name, self.value) = (name, value)
  }

  /// The number of weights.
  public var count: Int { value.count }
}
