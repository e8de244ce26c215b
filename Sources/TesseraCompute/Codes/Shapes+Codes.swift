extension Shapes {
  package static func prepare(
    _ codes: ProductCodes, in lists: RowLists
  ) throws(TesseraError) {
    try require(
      codes.count == lists.ids.count, "prepare: \(lists.ids.count) ids for \(codes.count) codes")
    guard codes.count <= Int(Int32.max) else {
      throw TesseraError(
        .unsupported, "prepare: \(codes.count) codes are more than \(Int32.max) in one set")
    }
  }

  /// Returns the number of codewords of a subspace.
  @discardableResult
  package static func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, within limit: Limit
  ) throws(TesseraError) -> Int {
    let tables = queries.tables
    try require(
      tables.columns % set.subspaceCount == 0,
      "nearestCodes: \(tables.columns) table entries do not divide into \(set.subspaceCount) tables"
    )
    try check(limit, "nearestCodes")
    if let probes { try check(probes, of: set.lists, queryCount: tables.rows, "nearestCodes") }
    let codewords = tables.columns / set.subspaceCount
    guard set.count == 0 || set.largestNumber < codewords else {
      throw TesseraError(
        .invalidArgument,
        "nearestCodes: a code has the number \(set.largestNumber), tables end at \(codewords)")
    }
    return codewords
  }
}
