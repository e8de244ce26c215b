extension Shapes {
  /// Returns the inputs repeated to the shape of the results.
  package static func apply(
    _ formula: Formula, to inputs: [TensorView<Float>], parameters: [Float],
    into results: [TensorView<Float>]
  ) throws(TesseraError) -> [TensorView<Float>] {
    try check(formula, inputs, parameters, results, "apply")
    let shape = results[0].shape
    return try inputs.map { input throws(TesseraError) in try input.broadcast(to: shape) }
  }

  /// Returns the inputs repeated to one shape.
  package static func reduce(
    _ formula: Formula, of inputs: [TensorView<Float>], parameters: [Float], along side: Int,
    into results: [TensorView<Float>]
  ) throws(TesseraError) -> [TensorView<Float>] {
    try check(formula, inputs, parameters, results, "reduce")
    guard !formula.isRandom else {
      throw TesseraError(.invalidArgument, "reduce: a formula with random numbers; apply it first")
    }
    var shape = results[0].shape
    try require(
      shape.indices.contains(side) && shape[side] == 1,
      "reduce: results of shape \(shape) are combined along side \(side), which is not 1")
    let sideCount = shape.count
    try require(
      inputs.allSatisfy { $0.shape.count <= sideCount },
      "reduce: inputs of shapes \(inputs.map(\.shape)) have more sides than results of \(shape)")
    // Sides are counted from the last one, since those in front may be missing.
    let fromEnd = shape.count - side
    shape[side] =
      inputs.map { $0.shape.count < fromEnd ? 1 : $0.shape[$0.shape.count - fromEnd] }.max() ?? 1
    if inputs.contains(where: {
      $0.shape.count >= fromEnd && $0.shape[$0.shape.count - fromEnd] == 0
    }
    ) {
      shape[side] = 0
    }
    return try inputs.map { input throws(TesseraError) in try input.broadcast(to: shape) }
  }

  private static func check(
    _ formula: Formula, _ inputs: [TensorView<Float>], _ parameters: [Float],
    _ results: [TensorView<Float>], _ operation: String
  ) throws(TesseraError) {
    try require(
      inputs.count == formula.inputCount && parameters.count == formula.parameterCount
        && results.count == formula.outputs.count,
      "\(operation): \(inputs.count) inputs, \(parameters.count) parameters and \(results.count) "
        + "results for a formula of \(formula.inputCount), \(formula.parameterCount) and "
        + "\(formula.outputs.count)")
    try require(
      results.allSatisfy { $0.shape == results[0].shape },
      "\(operation): results have different shapes: \(results.map(\.shape))")
    try require(
      results.allSatisfy { zip($0.shape, $0.strides).allSatisfy { $0 <= 1 || $1 > 0 } },
      "\(operation): elements of a result repeat each other")
  }

  /// Returns the sides of a product, with a and b repeated along those in front.
  package static func product(
    _ a: TensorView<Float>, _ b: TensorView<Float>, into result: TensorView<Float>
  ) throws(TesseraError) -> DenseProduct {
    let sides = result.shape.count
    try require(
      sides >= 2 && a.shape.count >= 2 && b.shape.count >= 2 && a.shape.count <= sides
        && b.shape.count <= sides && a.rows == nil && b.rows == nil && result.rows == nil,
      "product: tensors of shapes \(a.shape) and \(b.shape) do not make one of \(result.shape); "
        + "all have two sides or more, and none is a selection of rows")
    let (rows, columns) = (result.shape[sides - 2], result.shape[sides - 1])
    let inner = a.shape[a.shape.count - 1]
    try require(
      a.shape[a.shape.count - 2] == rows && b.shape[b.shape.count - 2] == inner
        && b.shape[b.shape.count - 1] == columns,
      "product: \(a.shape) times \(b.shape) does not make \(result.shape)")
    let front = Array(result.shape.dropLast(2))
    return DenseProduct(
      a: try a.broadcast(to: front + [rows, inner]),
      b: try b.broadcast(to: front + [inner, columns]),
      result: result, batch: front, rows: rows, inner: inner, columns: columns)
  }

  package static func product(
    _ matrix: SparseMatrix, _ source: TensorView<Float>, into result: TensorView<Float>
  ) throws(TesseraError) {
    try require(
      source.shape.count == 2 && result.shape.count == 2,
      "product: a sparse matrix multiplies two sides, not \(source.shape) into \(result.shape)")
    try require(
      source.shape[0] == matrix.columns && result.shape == [matrix.rows, source.shape[1]],
      "product: \(matrix.rows) x \(matrix.columns) times \(source.shape) does not make "
        + "\(result.shape)")
  }
}

/// A product whose sides fit together: one for each place along the sides in front.
package struct DenseProduct {
  package let a: TensorView<Float>
  package let b: TensorView<Float>
  package let result: TensorView<Float>
  /// The sides in front: none, one or two.
  package let batch: [Int]
  package let rows: Int
  package let inner: Int
  package let columns: Int

  /// The products in the batch.
  package var count: Int { batch.reduce(1, *) }

  /// The positions of the first elements of a, b and the result of one product.
  package func offsets(of place: Int) -> (a: Int, b: Int, result: Int) {
    var (rest, offsets) = (place, (a: a.offset, b: b.offset, result: result.offset))
    for side in batch.indices.reversed() {
      let index = rest % batch[side]
      rest /= batch[side]
      offsets.a += index * a.strides[side]
      offsets.b += index * b.strides[side]
      offsets.result += index * result.strides[side]
    }
    return offsets
  }
}
