public import TesseraCompute

extension OpenCLDevice {
  /// Cost: one pass over `rows` to check them, and one over the rows copied.
  public func gather(
    _ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.gather(source, rows: rows, into: target)
    guard 32 * (target.columns / workGroupSize + 1) <= loopLimit, try trusts(.gather) else {
      return try HostPath(self).gather(source, rows: rows, into: target)
    }
    try requireInside(rows, limit: source.rows, "gather", "row")
    guard target.count > 0 else { return }
    let rowsPerWorkGroup = 32
    try launch(
      "gather", of: KernelSource("gather", ["ROWS": rowsPerWorkGroup]),
      [
        argument(source, "gather"), argument(rows, "gather"), .int(target.rows),
        .int(target.columns), argument(target, "gather"),
      ],
      over: Grid(
        elements: target.rows, span: rowsPerWorkGroup, local: workGroupSize,
        workPerElement: target.columns))
  }
}
