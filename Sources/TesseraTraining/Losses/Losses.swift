public import TesseraCompute

/// Losses: each gives one number, the mean over the rows of a batch.
public enum Loss {
  /// Softmax cross-entropy: the mean of `log(sum over c of exp(scores[i, c])) - scores[i, labels[i]]`.
  ///
  /// - Parameters:
  ///   - scores: rows x classes.
  ///   - labels: The class of each row.
  /// - Throws: `.invalidShape`, and `.invalidArgument` for a class there is not.
  public static func crossEntropy(
    _ scores: Variable, _ labels: [Int32], on tape: Tape
  ) throws(TesseraError) -> Variable {
    let (rows, classes) = (scores.shape[0], scores.shape[scores.shape.count - 1])
    guard scores.shape.count == 2, labels.count == rows else {
      throw TesseraError(
        .invalidShape, "crossEntropy: \(labels.count) labels for scores of \(scores.shape)")
    }
    if let place = labels.firstIndex(where: { !(0..<classes).contains(Int($0)) }) {
      throw TesseraError(
        .invalidArgument,
        "crossEntropy: label \(labels[place]) at \(place) is outside 0..<\(classes)")
    }
    let own = try tape.rows(
      labels.enumerated().map { Int32($0.offset * classes) + $0.element },
      of: tape.reshaped(scores, [rows * classes, 1]))
    return try tape.mean(
      of: tape.apply(tape.logSumExp(scores), own) { x, _ in x[0] - x[1] })
  }

  /// Binary cross-entropy of scores before the sigmoid: the mean of `softplus(s) - target * s`.
  ///
  /// - Parameter targets: 0 to 1, of the shape of the scores.
  public static func binaryCrossEntropy(
    _ scores: Variable, targets: TensorView<Float>, on tape: Tape
  ) throws(TesseraError) -> Variable {
    try tape.mean(
      of: tape.apply(scores, tape.constant(targets)) { x, _ in x[0].softplus - x[1] * x[0] })
  }

  /// The mean of squared differences.
  public static func squaredError(
    _ x: Variable, targets: TensorView<Float>, on tape: Tape
  ) throws(TesseraError) -> Variable {
    try tape.mean(
      of: tape.apply(x, tape.constant(targets)) { x, _ in
        let difference = x[0] - x[1]
        return difference * difference
      })
  }

  /// Bayesian personalised ranking: the mean of `-log sigmoid(<user, positive> - <user, negative>)`
  /// (Rendle, Freudenthaler, Gantner, Schmidt-Thieme 2009).
  ///
  /// - Parameters: Each rows x dimension.
  public static func bpr(
    users: Variable, positives: Variable, negatives: Variable, on tape: Tape
  ) throws(TesseraError) -> Variable {
    let margins = try tape.sum(Self.margin, of: [users, positives, negatives], along: 1)
    return try tape.mean(of: tape.apply(margins) { x, _ in (-x[0]).softplus })
  }

  private static let margin = Formula(inputs: 3) { x, _ in [x[0] * (x[1] - x[2])] }

  /// InfoNCE: cross-entropy of each row's own partner among the partners of all rows of the batch (van
  /// den Oord, Li, Vinyals 2018), scores divided by the temperature.
  ///
  /// - Parameters:
  ///   - queries: rows x dimension.
  ///   - partners: rows or more x dimension; row i is the partner of query i, and rows behind them are
  ///     further negatives.
  public static func infoNCE(
    _ queries: Variable, _ partners: Variable, temperature: Float, on tape: Tape
  ) throws(TesseraError) -> Variable {
    let scores = try tape.product(queries, tape.transposed(partners))
    return try crossEntropy(
      tape.apply(scores, parameters: [1 / temperature]) { x, p in x[0] * p[0] },
      Array(0..<Int32(queries.shape[0])), on: tape)
  }

  /// Alignment: the mean of `|x - y|^2` of pairs of unit length (Wang, Isola 2020).
  public static func alignment(
    _ x: Variable, _ y: Variable, on tape: Tape
  ) throws(TesseraError) -> Variable {
    let squares = try tape.sum(Self.squaredDifference, of: [x, y], along: 1)
    return try tape.mean(of: squares)
  }

  /// Uniformity: `log` of the mean over pairs of rows of `exp(-2 * |x - y|^2)`, rows of unit length
  /// (Wang, Isola 2020).
  ///
  /// Cost: rows * rows products.
  public static func uniformity(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    let rows = Float(x.shape[0])
    let products = try tape.product(x, tape.transposed(x))
    let lines = try tape.sum(Self.nearness, of: [products], along: 1)
    // Each pair is met twice, and each row with itself, which counts 1.
    return try tape.apply(
      tape.sum(of: lines), parameters: [-rows, 1 / (rows * (rows - 1))]
    ) { x, p in
      (Term.maximum((x[0] + p[0]) * p[1], .constant(0x1p-100))).log
    }
  }

  private static let squaredDifference = Formula(inputs: 2) { x, _ in
    let difference = x[0] - x[1]
    return [difference * difference]
  }
  /// `exp(-2 * (2 - 2 * product))`.
  private static let nearness = Formula(inputs: 1) { x, _ in
    [Term.multiplyAdd(4, Term.minimum(x[0], 1), -4).exp]
  }

  /// DirectAU: alignment of pairs plus `weight` times the mean uniformity of both sides (Wang et al.
  /// 2022), after making rows unit length.
  public static func directAU(
    users: Variable, items: Variable, weight: Float, on tape: Tape
  ) throws(TesseraError) -> Variable {
    let (users, items) = (try tape.unitLines(users), try tape.unitLines(items))
    return try tape.apply(
      alignment(users, items, on: tape), uniformity(users, on: tape), uniformity(items, on: tape),
      parameters: [weight / 2]
    ) { x, p in x[0] + p[0] * (x[1] + x[2]) }
  }

  /// Orthogonal projection loss: features of a class point one way, those of different classes are
  /// orthogonal: `(1 - mean of same-class cosines) + weight * |mean of other cosines|` (Ranasinghe et
  /// al. 2021).
  ///
  /// - Parameters:
  ///   - features: rows x dimension.
  ///   - labels: The class of each row.
  public static func orthogonalProjection(
    _ features: Variable, _ labels: [Int32], weight: Float, on tape: Tape
  ) throws(TesseraError) -> Variable {
    let unit = try tape.unitLines(features)
    let cosines = try tape.product(unit, tape.transposed(unit))
    var (same, other) = ([Float](), [Float]())
    for (row, label) in labels.enumerated() {
      for (column, another) in labels.enumerated() {
        same.append(label == another && row != column ? 1 : 0)
        other.append(label == another ? 0 : 1)
      }
    }
    func mean(_ mask: [Float]) throws(TesseraError) -> Variable {
      let weights = TensorView(
        try tape.device.upload(mask, rows: labels.count, columns: labels.count))
      let lines = try tape.sum(.scaled, of: [cosines, tape.constant(weights)], along: 1)
      return try tape.apply(
        tape.sum(of: lines), parameters: [1 / max(1, mask.reduce(0, +))]
      ) { x, p in x[0] * p[0] }
    }
    return try tape.apply(mean(same), mean(other), parameters: [weight]) { x, p in
      1 - x[0] + p[0] * x[1].magnitude
    }
  }
}
