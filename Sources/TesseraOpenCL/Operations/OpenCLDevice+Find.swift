internal import TesseraCompute

extension OpenCLDevice {
  /// Throws `.invalidArgument`, naming the first of them, if `matrix` holds a number outside
  /// 0..<`limit`.
  func requireInside(
    _ matrix: Matrix<Int32>, limit: Int, _ operation: String, _ what: String
  ) throws(TesseraError) {
    let limit = min(limit, Int(Int32.max))
    if let index = try firstBad(matrix, holding: "INTS", limit: limit, operation) {
      throw Shapes.outside(
        "\(operation): \(what)", value: Int(try element(index, of: matrix)), at: index,
        limit: limit)
    }
  }

  /// Throws `.invalidArgument`, naming the first of them, if `matrix` holds a number of `limit` or
  /// more.
  func requireInside(
    _ matrix: Matrix<UInt8>, limit: Int, _ operation: String, _ what: String
  ) throws(TesseraError) {
    guard limit <= UInt8.max else { return }
    if let index = try firstBad(matrix, holding: "BYTES", limit: limit, operation) {
      throw Shapes.outside(
        "\(operation): \(what)", value: Int(try element(index, of: matrix)), at: index,
        limit: limit)
    }
  }

  /// Throws `.nonFinite`, naming the first rows, if `matrix` holds NaN or infinity.
  func requireFinite(
    _ matrix: Matrix<Float>, _ operation: String, _ what: String
  ) throws(TesseraError) {
    var rows: [Int] = []
    var next = 0
    while rows.count < 6, next < matrix.rows,
      let index = try firstBad(
        matrix.rows(next..<matrix.rows), holding: "FLOATS", limit: 0, operation)
    {
      next += index / matrix.columns
      rows.append(next)
      next += 1
    }
    guard rows.isEmpty else { throw Shapes.nonFinite("\(operation): \(what)", rows: rows) }
  }

  /// The place of the first element that must not be there, if any.
  private func firstBad<Element>(
    _ matrix: Matrix<Element>, holding: String, limit: Int, _ operation: String
  ) throws(TesseraError) -> Int? {
    let span = 4096
    let found = try reserve(1, of: UInt32.self)
    // Places in a step are 32-bit.
    let step = 1 << 30
    for first in stride(from: 0, to: matrix.count, by: step) {
      let count = min(step, matrix.count - first)
      try context.write([UInt32.max], to: found)
      try launch(
        "find", of: KernelSource("find", [holding: 1, "SPAN": span]),
        [
          argument(matrix, operation), .ulong(first), .int(count), .int(limit),
          .all(of: found, as: UInt32.self),
        ], over: Grid(elements: count, span: span, local: workGroupSize, workPerElement: 4))
      let place = try context.read(1, of: UInt32.self, from: found)[0]
      guard place != .max else { continue }
      guard place < count else {
        throw TesseraError(
          .deviceFailure,
          "\(operation): the device found a fault at a place that is not there; update its driver")
      }
      return first + Int(place)
    }
    return nil
  }

  private func element<Element>(
    _ index: Int, of matrix: Matrix<Element>
  ) throws(TesseraError) -> Element {
    try download(
      Matrix<Element>(matrix.storage, offset: matrix.offset + index, rows: 1, columns: 1))[0]
  }
}
