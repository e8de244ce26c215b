internal import TesseraHost

extension ReferenceDevice {
  /// Computes element after element.
  public func apply(
    _ formula: Formula, to inputs: [TensorView<Float>], parameters: [Float], random: RandomKey,
    into results: [TensorView<Float>]
  ) throws(TesseraError) {
    let inputs = try Shapes.apply(formula, to: inputs, parameters: parameters, into: results)
    let values = try all(formula, inputs, parameters, random, count: results[0].count, "apply")
    for (result, values) in zip(results, values) { try store(values, in: result, "apply") }
  }

  /// Computes all results of the formula and combines those of each line.
  public func reduce(
    _ formula: Formula, of inputs: [TensorView<Float>], parameters: [Float],
    by reduction: Reduction, along side: Int, into results: [TensorView<Float>]
  ) throws(TesseraError) {
    let inputs = try Shapes.reduce(
      formula, of: inputs, parameters: parameters, along: side, into: results)
    var shape = results[0].shape
    shape[side] = inputs.first?.shape[side] ?? 1
    let values = try all(
      formula, inputs, parameters, RandomKey(seed: 0), count: shape.reduce(1, *), "reduce")
    let length = shape[side]
    let inside = shape[(side + 1)...].reduce(1, *)
    for (result, values) in zip(results, values) {
      let combined = (0..<result.count).map { place in
        let first = place / inside * inside * length + place % inside
        return reduction.combine(all: (0..<length).map { values[first + $0 * inside] })
      }
      try store(combined, in: result, "reduce")
    }
  }

  /// Multiplies element after element.
  public func product(
    _ a: TensorView<Float>, _ b: TensorView<Float>, adding: Bool, into result: TensorView<Float>
  ) throws(TesseraError) {
    let product = try Shapes.product(a, b, into: result)
    let left = try numbers(of: product.a, "product")
    let right = try numbers(of: product.b, "product")
    let old = adding ? try numbers(of: result, "product") : []
    let (rows, inner, columns) = (product.rows, product.inner, product.columns)
    var values: [Float] = []
    values.reserveCapacity(result.count)
    for place in 0..<product.count {
      for row in 0..<rows {
        for column in 0..<columns {
          values.append(
            Self.sum(
              inner, to: adding ? old[values.count] : nil,
              factors: {
                (
                  left[(place * rows + row) * inner + $0],
                  right[(place * inner + $0) * columns + column]
                )
              }))
        }
      }
    }
    try store(values, in: result, "product")
  }

  /// Adds entry after entry.
  public func product(
    _ matrix: SparseMatrix, _ source: TensorView<Float>, adding: Bool,
    into result: TensorView<Float>
  ) throws(TesseraError) {
    try Shapes.product(matrix, source, into: result)
    let rows = try numbers(of: source, "product")
    let old = adding ? try numbers(of: result, "product") : []
    let entryColumns = try matrix.entryColumns.numbers.hostElements("product")
    let values = try matrix.values?.hostElements("product")
    let width = source.shape[1]
    var sums: [Float] = []
    sums.reserveCapacity(result.count)
    for row in 0..<matrix.rows {
      let first = matrix.starts[row]
      for column in 0..<width {
        sums.append(
          Self.sum(
            matrix.starts[row + 1] - first, to: adding ? old[sums.count] : nil,
            factors: {
              (values?[first + $0] ?? 1, rows[Int(entryColumns[first + $0]) * width + column])
            }))
      }
    }
    try store(sums, in: result, "product")
  }

  /// The sum of `count` products in runs of 256, added to `old` if there is one.
  private static func sum(
    _ count: Int, to old: Float?, factors: (Int) -> (Float, Float)
  ) -> Float {
    var total = old
    for first in stride(from: 0, to: count, by: 256) {
      var run: Float = 0
      for place in first..<min(first + 256, count) {
        let (a, b) = factors(place)
        run.addProduct(a, b)
      }
      total = total.map { $0 + run } ?? run
    }
    return total ?? 0
  }

  /// The results of a formula for all elements, result by result.
  private func all(
    _ formula: Formula, _ inputs: [TensorView<Float>], _ parameters: [Float], _ random: RandomKey,
    count: Int, _ operation: String
  ) throws(TesseraError) -> [[Float]] {
    let numbers = try inputs.map { input throws(TesseraError) in
      try self.numbers(of: input, operation)
    }
    var results = [[Float]](repeating: [], count: formula.outputs.count)
    for element in 0..<count {
      if element % 4096 == 0 { try StopSignal.check() }
      let values = formula.results(
        of: numbers.map { $0[element] }, parameters: parameters,
        random: { random.unit(element: element, draw: $0) })
      for place in results.indices { results[place].append(values[place]) }
    }
    return results
  }

  private func numbers(
    of view: TensorView<Float>, _ operation: String
  ) throws(TesseraError) -> [Float] {
    let memory = try view.hostMemory(operation)
    return try view.places(operation).map { memory[$0] }
  }

  private func store(
    _ values: [Float], in view: TensorView<Float>, _ operation: String
  ) throws(TesseraError) {
    let memory = try view.hostMemory(operation)
    for (place, value) in zip(try view.places(operation), values) { memory[place] = value }
  }
}
