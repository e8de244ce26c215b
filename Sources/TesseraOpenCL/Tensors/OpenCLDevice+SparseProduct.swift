public import TesseraCompute

extension OpenCLDevice {
  /// Adds the entries of each row, all columns side by side. Selections, and tensors whose rows are not
  /// in one piece, are copied first.
  public func product(
    _ matrix: SparseMatrix, _ source: TensorView<Float>, adding: Bool,
    into result: TensorView<Float>
  ) throws(TesseraError) {
    try Shapes.product(matrix, source, into: result)
    guard result.count > 0 else { return }
    guard roundsAsIEEE, loopLimit == .max, try trusts(.sparseProduct) else {
      return try HostPath(self).product(matrix, source, adding: adding, into: result)
    }
    func isInRows(_ view: TensorView<Float>) -> Bool {
      view.rows == nil && (view.strides[1] == 1 || view.shape[1] == 1)
    }
    guard isInRows(source) else {
      return try product(matrix, copied(source), adding: adding, into: result)
    }
    guard isInRows(result) else {
      let copy = try dense(result.shape)
      if adding { try apply(.copy, to: [result], into: [copy]) }
      try product(matrix, source, adding: adding, into: copy)
      return try apply(.copy, to: [copy], into: [result])
    }
    let entryColumns = try argument(matrix.entryColumns.numbers, "product")
    // Without values the kernel reads none.
    let values = try matrix.values.map { values throws(TesseraError) in
      try argument(values, "product")
    }
    let width = source.shape[1]
    let macros = ["ADDING": adding ? 1 : 0, "HAS_VALUES": values == nil ? 0 : 1]
    try launch(
      "multiply_sparse", of: KernelSource("multiply_sparse", macros),
      [
        argument(matrix.deviceStarts, "product"), .int(matrix.rows), entryColumns,
        values ?? entryColumns, argument(source, "product"), .ulong(source.strides[0]),
        .int(width), argument(result, "product"), .ulong(result.strides[0]),
      ], over: sparseGrid(matrix, width: width))
  }

  private func sparseGrid(_ matrix: SparseMatrix, width: Int) -> Grid {
    let entriesEach = matrix.entryCount / max(1, matrix.rows) + 1
    switch body {
    case .wideItem:
      let rows = 8
      return Grid(
        workGroups: ((matrix.rows + rows - 1) / rows, 1), workEach: 2 * rows * entriesEach * width)
    case .tile:
      let height = workGroupSize / 32
      return Grid(
        workGroups: ((width + 31) / 32, (matrix.rows + height - 1) / height),
        local: (32, height), workEach: 2 * workGroupSize * entriesEach)
    }
  }
}
