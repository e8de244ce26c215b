internal import TesseraCompute
internal import TesseraHost
internal import TesseraQuantization

/// A change of rows before all else, as a file of FAISS has it.
struct FAISSTransform: Sendable {
  enum Kind: Sendable {
    /// `LTra`, `rrot`, `Pcam`: a matrix, and what is added to its product.
    case linear(matrix: [Float], bias: [Float]?, PrincipalAxes?)
    /// `VNrm`: division by a norm of this order.
    case unitLength(order: Float)
    /// `VCnt`: a mean that is taken off.
    case center([Float])
  }

  /// What `Pcam` keeps beside its matrix.
  struct PrincipalAxes: Sendable {
    var eigenPower: Float = 0
    var epsilon: Float = 0
    var isRotated: Bool
    var balancedBins: Int32 = 0
    var mean: [Float]
    var eigenvalues: [Float] = []
    var axes: [Float] = []
  }

  var name: String
  var kind: Kind
  var inputs: Int
  var outputs: Int
}

// MARK: To Tessera

extension FAISSTransform {
  /// The transforms that do the same.
  ///
  /// - Parameters:
  ///   - coder: What becomes of rows after all transforms; a rotation before product codes suits them.
  /// - Throws: `.unsupported` for what no transform does.
  func transforms(
    _ metric: Metric, before coder: FAISSCoder
  ) throws(TesseraError) -> [Transform] {
    switch kind {
    case .center(let mean): return [Transform(.center, inputs: inputs, mean: mean)]
    case .unitLength(let order):
      guard order == 2 else {
        throw FAISSPart.unsupported(
          "VNrm divides rows by a norm of order \(order); build the index with L2norm")
      }
      return [Transform(.unitLength, inputs: inputs)]
    case .linear(let matrix, let bias, let axes):
      let map = LinearMap(matrix, outputs: outputs, inputs: inputs)
      try requireUnitRows(map)
      let kept = outputs == inputs ? nil : outputs
      guard let axes else {
        guard bias?.allSatisfy({ $0 == 0 }) ?? true else {
          throw FAISSPart.unsupported(
            "\(name) adds a vector to rotated rows; build the index with PCA or OPQ")
        }
        guard name == "LTra", case .product(let product) = coder else {
          return [Transform(.randomRotation(kept), inputs: inputs, map: map)]
        }
        let recipe = try RotatedRecipe(
          ProductRecipe(subspaceCount: product.subspaceCount, bits: min(8, product.bits)),
          rotatedDimension: kept)
        return [Transform(.optimizedRotation(recipe), inputs: inputs, map: map)]
      }
      let mean = try mean(axes, bias, map)
      let recipe = TransformRecipe.principalAxes(outputs, rotated: axes.isRotated)
      // Under inner products Tessera's principal axes take no mean off: that is a transform of its own.
      if metric == .squaredL2 {
        return [Transform(recipe, inputs: inputs, mean: mean, map: map)]
      }
      let center =
        mean.allSatisfy { $0 == 0 } ? [] : [Transform(.center, inputs: inputs, mean: mean)]
      return center + [Transform(recipe, inputs: inputs, map: map)]
    }
  }

  /// Rotations and what they leave out keep lengths, as `reconstruct` relies on.
  private func requireUnitRows(_ map: LinearMap) throws(TesseraError) {
    guard outputs <= inputs else {
      throw FAISSPart.unsupported(
        "\(name) makes \(outputs) dimensions of \(inputs); build the index with at most as many")
    }
    for row in 0..<outputs {
      var squares = 0.0
      for value in map.rows[row * inputs..<(row + 1) * inputs] {
        squares += Double(value) * Double(value)
      }
      guard abs(squares - 1) < 1e-3 else {
        throw FAISSPart.unsupported(
          "\(name) changes lengths, as whitening (PCAW) does; build the index with PCA, OPQ or RR")
      }
    }
  }

  /// The mean that principal axes take off: what they add to products is the same times the matrix.
  private func mean(
    _ axes: PrincipalAxes, _ bias: [Float]?, _ map: LinearMap
  ) throws(TesseraError) -> [Float] {
    guard let bias else { return [Float](repeating: 0, count: inputs) }
    for row in 0..<outputs {
      var sum = 0.0
      var size = 0.0
      for (value, middle) in zip(map.rows[row * inputs..<(row + 1) * inputs], axes.mean) {
        sum += Double(value) * Double(middle)
        size += abs(Double(value) * Double(middle))
      }
      guard abs(sum + Double(bias[row])) <= 1e-4 * max(size, 1e-30) else {
        throw FAISSPart.unsupported(
          "\(name) adds something else than its mean to rows; train the transform again")
      }
    }
    return axes.mean
  }
}

// MARK: From Tessera

extension FAISSTransform {
  init(_ transform: Transform) {
    let outputs = transform.outputs
    let matrix = transform.map?.rows ?? []
    switch transform.recipe {
    case .center:
      self.init(
        name: "VCnt", kind: .center(transform.mean ?? []), inputs: transform.inputs,
        outputs: outputs)
    case .unitLength:
      self.init(
        name: "VNrm", kind: .unitLength(order: 2), inputs: transform.inputs, outputs: outputs)
    case .principalAxes(_, let rotated):
      let mean = transform.mean ?? [Float](repeating: 0, count: transform.inputs)
      let bias = (0..<outputs).map { row in
        var sum = 0.0
        let own = matrix[row * transform.inputs..<(row + 1) * transform.inputs]
        for (value, middle) in zip(own, mean) { sum += Double(value) * Double(middle) }
        return Float(-sum)
      }
      self.init(
        name: "Pcam",
        kind: .linear(matrix: matrix, bias: bias, PrincipalAxes(isRotated: rotated, mean: mean)),
        inputs: transform.inputs, outputs: outputs)
    case .randomRotation:
      self.init(
        name: "rrot", kind: .linear(matrix: matrix, bias: nil, nil), inputs: transform.inputs,
        outputs: outputs)
    case .optimizedRotation:
      self.init(
        name: "LTra", kind: .linear(matrix: matrix, bias: nil, nil), inputs: transform.inputs,
        outputs: outputs)
    }
  }
}
