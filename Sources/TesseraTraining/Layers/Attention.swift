public import TesseraCompute

/// Attention of several heads: each row of a sequence becomes a mean of all rows, weighted by how well they
/// answer it (Vaswani et al. 2017): `softmax(Q K' / sqrt(width of a head)) V` for each head, then a linear layer.
public struct MultiHeadAttention {
  private let (query, key, value, output): (Linear, Linear, Linear, Linear)
  private let heads: Int

  /// Makes four linear layers of width x width.
  ///
  /// - Throws: `.invalidShape` unless the heads divide the width.
  public init(
    _ name: String, width: Int, heads: Int, seed: UInt64, on device: any Device
  ) throws(TesseraError) {
    guard heads > 0, width % heads == 0 else {
      throw TesseraError(
        .invalidShape, "attention: \(heads) heads do not divide a width of \(width)")
    }
    self.heads = heads
    func linear(_ part: String) throws(TesseraError) -> Linear {
      try Linear(
        "\(name).\(part)", inputs: width, outputs: width,
        weights: .glorot(inputs: width, outputs: width), seed: seed, on: device)
    }
    (query, key) = (try linear("query"), try linear("key"))
    (value, output) = (try linear("value"), try linear("output"))
  }

  /// The weights of query, key, value and output.
  public var parameters: [Parameter] {
    query.parameters + key.parameters + value.parameters + output.parameters
  }

  /// Computes attention within each sequence.
  ///
  /// - Parameters:
  ///   - x: sequences x length x width.
  ///   - mask: Is added to scores, repeated to sequences x heads x length x length: 0 where a row may look, a
  ///     large negative number where it may not · nil lets all look at all.
  /// - Throws: `.invalidShape`.
  public func callAsFunction(
    _ x: Variable, mask: TensorView<Float>? = nil, on tape: Tape
  ) throws(TesseraError) -> Variable {
    guard x.shape.count == 3 else {
      throw TesseraError(
        .invalidShape, "attention: \(x.shape) is not sequences x length x width")
    }
    let (count, length, width) = (x.shape[0], x.shape[1], x.shape[2])
    let own = width / heads
    let rows = try tape.reshaped(x, [count * length, width])
    /// sequences x heads x length x width of a head.
    func split(_ layer: Linear) throws(TesseraError) -> Variable {
      let all = try tape.reshaped(layer(rows, on: tape), [count, length, heads, own])
      return try tape.exchangingMiddle(all)
    }
    let (queries, keys, values) = (try split(query), try split(key), try split(value))
    var scores = try tape.apply(
      tape.product(queries, tape.transposed(keys)), parameters: [1 / Float(own).squareRoot()]
    ) { x, p in x[0] * p[0] }
    if let mask { scores = try tape.apply(scores, tape.constant(mask)) { x, _ in x[0] + x[1] } }
    let mixed = try tape.product(tape.softmax(scores), values)
    let joined = try tape.reshaped(tape.exchangingMiddle(mixed), [count * length, width])
    return try tape.reshaped(output(joined, on: tape), x.shape)
  }
}

/// Target attention: the sum of what a user met, each weighted by how it fits a candidate, by a small network
/// on both and their difference and product; the weights need not add up to 1 (Zhou et al. 2018).
public struct TargetAttention {
  private let network: LayerStack

  /// Makes a network of 4 * width inputs and one hidden layer.
  public init(
    _ name: String, width: Int, hidden: Int = 36, seed: UInt64, on device: any Device
  ) throws(TesseraError) {
    network = LayerStack([
      try Linear(name + ".0", inputs: 4 * width, outputs: hidden, seed: seed, on: device),
      Activation.sigmoid,
      try Linear(name + ".1", inputs: hidden, outputs: 1, seed: seed, on: device),
    ])
  }

  /// The weights of the network.
  public var parameters: [Parameter] { network.parameters }

  /// Sums the history of each candidate: candidates x width.
  ///
  /// - Parameters:
  ///   - history: candidates x length x width.
  ///   - candidates: candidates x width.
  ///   - mask: candidates x length x 1: 1 for what was met, 0 for what fills up.
  /// - Throws: `.invalidShape`.
  public func callAsFunction(
    history: Variable, candidates: Variable, mask: TensorView<Float>, on tape: Tape
  ) throws(TesseraError) -> Variable {
    let (count, length, width) = (history.shape[0], history.shape[1], history.shape[2])
    let target = try tape.apply(
      tape.reshaped(candidates, [count, 1, width]), history
    ) { x, _ in x[0] + 0 * x[1] }
    let difference = try tape.apply(history, target) { x, _ in x[0] - x[1] }
    let product = try tape.apply(history, target) { x, _ in x[0] * x[1] }
    let features = try tape.joined([history, target, difference, product], along: 2)
    let weights = try tape.reshaped(
      network(tape.reshaped(features, [count * length, 4 * width]), on: tape), [count, length, 1])
    let sum = try tape.sum(
      Formula(inputs: 3) { x, _ in [x[0] * x[1] * x[2]] },
      of: [history, weights, tape.constant(mask)], along: 1)
    return try tape.reshaped(sum, [count, width])
  }
}

extension Tape {
  /// Numbers from 0 to 1 along the last side that add up to 1: `exp(x)` by its sum.
  public func softmax(_ x: Variable) throws(TesseraError) -> Variable {
    try apply(x, logSumExp(x)) { x, _ in (x[0] - x[1]).exp }
  }

  /// The same numbers with the second and the third side exchanged.
  func exchangingMiddle(_ x: Variable) throws(TesseraError) -> Variable {
    let value = try dense(x.value).exchanging(1, 2)
    return record([value], from: [x]) { [unowned self] gradients throws(TesseraError) in
      if let gradient = gradients[0] { try add(gradient.exchanging(1, 2), to: x) }
    }[0]
  }
}
