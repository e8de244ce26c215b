public import TesseraTraining

/// NGCF: vectors of users and items joined over layers, where a layer sends what neighbours are and what they
/// have in common with the receiver (Wang, He, Wang, Feng, Chua 2019):
///
/// `E' = leaky((L E + E) W1 + (L E * E) W2)`, each row then of unit length.
public final class NGCF: Recommender {
  /// `ngcf`.
  public static let name = "ngcf"
  private let vectors: Parameter
  private let layers: [(own: Linear, common: Linear)]
  private let graph: SparseOperator
  private let userCount: Int

  /// Begins with vectors and weights as ``Initialiser/glorot(inputs:outputs:)`` says.
  ///
  /// - Parameter layers: How often neighbours are asked · 1 or more.
  /// - Throws: `.outOfMemory`.
  public init(
    _ interactions: Interactions, dimension: Int, layers: Int = 3, seed: UInt64,
    on device: any Device
  ) throws(TesseraError) {
    userCount = interactions.userCount
    let count = interactions.userCount + interactions.itemCount
    vectors = try Initialiser.glorot(inputs: count, outputs: dimension).parameter(
      "vectors", [count, dimension], seed: seed, on: device)
    func linear(_ name: String) throws(TesseraError) -> Linear {
      try Linear(
        name, inputs: dimension, outputs: dimension,
        weights: .glorot(inputs: dimension, outputs: dimension), seed: seed, on: device)
    }
    self.layers = try (0..<layers).map { layer throws(TesseraError) in
      (try linear("layer\(layer).own"), try linear("layer\(layer).common"))
    }
    graph = try interactions.normalisedGraph(on: device)
  }

  /// The vectors, then the weights of layer after layer.
  public var parameters: [Parameter] {
    [vectors] + layers.flatMap { $0.own.parameters + $0.common.parameters }
  }

  /// Cost: a sparse product of all pairs, both ways, and two products of all vectors for each layer.
  public func vectors(on tape: Tape) throws(TesseraError) -> Representation {
    var layer = tape.weights(of: vectors)
    var all = [layer]
    for weights in layers {
      let near = try tape.product(graph, layer)
      let sum = try tape.apply(near, layer) { x, _ in x[0] + x[1] }
      let common = try tape.apply(near, layer) { x, _ in x[0] * x[1] }
      layer = try tape.apply(
        weights.own(sum, on: tape), weights.common(common, on: tape)
      ) { x, _ in
        let both = x[0] + x[1]
        return .maximum(both, .constant(0.2) * both)
      }
      all.append(try tape.unitLines(layer))
    }
    let joined = try tape.joined(all, along: 1)
    return .computed(
      users: try tape.slice(joined, 0..<userCount, of: 0),
      items: try tape.slice(joined, userCount..<joined.shape[0], of: 0))
  }

  /// Rows of users, then of items.
  public func ownWeights(
    users: [Int32], items: [Int32], on tape: Tape
  ) throws(TesseraError) -> Variable {
    try tape.rows(users + items.map { $0 + Int32(userCount) }, of: vectors)
  }
}
