internal import TesseraTraining

/// What a recommender is trained to make small.
public enum RecommenderLoss: String, Sendable, Hashable, CaseIterable {
  /// Bayesian personalised ranking with one negative item for each pair (Rendle et al. 2009).
  case bpr
  /// Alignment of pairs and uniformity of users and items (Wang et al. 2022).
  case directAU = "directau"
  /// Cross-entropy of a pair's item among the items of the batch, a sampled softmax.
  case softmax

  /// The mean over a batch, plus `decay / 2` times the mean of the squares of the weights used.
  ///
  /// - Parameter weight: Of uniformity in ``directAU``; the temperature of ``softmax``.
  func value(
    of batch: PairSampler.Batch, _ model: any Recommender, decay: Float, weight: Float,
    on tape: Tape
  ) throws(TesseraError) -> Variable {
    let vectors = try model.vectors(on: tape)
    let users = try vectors.users(batch.users, on: tape)
    let positives = try vectors.items(batch.positives, on: tape)
    let loss: Variable
    switch self {
    case .bpr:
      let negatives = try vectors.items(batch.negatives, on: tape)
      if case .weights = vectors {
        return try Self.decayedBPR(users, positives, negatives, decay: decay, on: tape)
      }
      loss = try Loss.bpr(users: users, positives: positives, negatives: negatives, on: tape)
    case .directAU:
      loss = try Loss.directAU(users: users, items: positives, weight: weight, on: tape)
    case .softmax:
      loss = try Loss.infoNCE(
        tape.unitLines(users), tape.unitLines(positives), temperature: weight, on: tape)
    }
    guard decay > 0 else { return loss }
    let items = self == .bpr ? batch.positives + batch.negatives : batch.positives
    let own = try model.ownWeights(users: batch.users, items: items, on: tape)
    let squares = try tape.sum(of: tape.squares(of: own, along: 1))
    return try tape.apply(
      loss, squares, parameters: [decay / 2 / Float(batch.users.count)]
    ) { x, p in x[0] + p[0] * x[1] }
  }

  /// BPR and the squares of its own three rows, in one pass over them.
  private static func decayedBPR(
    _ users: Variable, _ positives: Variable, _ negatives: Variable, decay: Float, on tape: Tape
  ) throws(TesseraError) -> Variable {
    let sums = try tape.sums(marginAndSquares, of: [users, positives, negatives], along: 1)
    return try tape.mean(
      of: tape.apply(sums[0], sums[1], parameters: [decay / 2]) { x, p in
        (-x[0]).softplus + p[0] * x[1]
      })
  }

  private static let marginAndSquares = Formula(inputs: 3) { x, _ in
    [x[0] * (x[1] - x[2]), x[0] * x[0] + x[1] * x[1] + x[2] * x[2]]
  }
}
