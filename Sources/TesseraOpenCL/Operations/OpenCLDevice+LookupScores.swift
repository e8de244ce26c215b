public import TesseraCompute

extension OpenCLDevice {
  /// Cost: one pass over `codes` to check them where a byte can be wrong, then one lookup per
  /// query, row and subspace.
  public func lookupScores(
    _ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.lookupScores(tables, codes, into: scores)
    // Rows of an item, eight at a time or one by one.
    let rounds = codes.columns * (body == .wideItem ? 2048 : 64)
    guard rounds <= loopLimit, try trusts(.lookupScores) else {
      return try HostPath(self).lookupScores(tables, codes, into: scores)
    }
    let codewords = tables.columns / codes.columns
    try requireInside(codes, limit: codewords, "lookupScores", "code")
    guard scores.count > 0 else { return }
    let (macro, perItem, subspacesMacro): (String, Int, [String: Int]) =
      body == .wideItem
      ? ("SPAN", 1024, [:])
      : ("ROWS", 4, ["SUBSPACES": max(1, min(8, info.localMemoryBytes / 2048))])
    let rowsPerWorkGroup = workGroupSize * perItem
    try launch(
      "lookup_scores",
      of: KernelSource("lookup_scores", [macro: perItem].merging(subspacesMacro) { $1 }),
      [
        argument(tables, "lookupScores"), argument(codes, "lookupScores"), .ulong(codes.rows),
        .int(codes.columns), .int(tables.columns / codes.columns), argument(scores, "lookupScores"),
      ],
      over: Grid(
        workGroups: ((codes.rows + rowsPerWorkGroup - 1) / rowsPerWorkGroup, scores.rows),
        local: (workGroupSize, 1), workEach: 4 * rowsPerWorkGroup * codes.columns))
  }
}
