package import TesseraCompute

/// A matrix that rows are multiplied by: row i of the result is the inner product with each of the
/// map's rows, canonical ones, so that codes made from them are the same everywhere.
package struct LinearMap: Sendable, Hashable {
  package let outputs: Int
  package let inputs: Int
  /// `outputs` x `inputs`, row-major.
  package let rows: [Float]

  package init(_ rows: [Float], outputs: Int, inputs: Int) {
    self.rows = rows
    self.outputs = outputs
    self.inputs = inputs
  }

  /// The map that undoes one whose rows are at right angles, as far as it can be undone.
  package var transposed: LinearMap {
    var values = [Float](repeating: 0, count: rows.count)
    for output in 0..<outputs {
      for input in 0..<inputs { values[input * outputs + output] = rows[output * inputs + input] }
    }
    return LinearMap(values, outputs: inputs, inputs: outputs)
  }

  /// Multiplies every row of `vectors`, some rows at a time.
  ///
  /// - Parameter operation: Said in messages and in progress.
  package func apply(
    to vectors: Vectors, on device: any Device, _ operation: String,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> [Float] {
    let map = try device.upload(rows, rows: outputs, columns: inputs)
    var results: [Float] = []
    results.reserveCapacity(vectors.count * outputs)
    try vectors.forEachBlock(on: device, operation, control: control) {
      block, _ throws(TesseraError) in
      let result = try device.allocate(Float.self, rows: block.rows, columns: outputs)
      try device.canonicalScores(block, map, metric: .innerProduct, into: result)
      results += try device.download(result)
    }
    return results
  }
}
