internal import TesseraHost

extension ReferenceDevice {
  /// Keeps the codes as they are.
  public func prepare(
    _ codes: ProductCodes, in lists: RowLists
  ) throws(TesseraError) -> CodeSet {
    try Shapes.prepare(codes, in: lists)
    return ReferenceCodeSet(codes, in: lists)
  }

  /// Scores every selected code of the lists and sorts all scores.
  public func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, order: ScoreOrder,
    within limit: Limit, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    let codewords = try Shapes.nearestCodes(queries, in: set, probing: probes, within: limit)
    guard let codes = (set as? ReferenceCodeSet)?.codes else {
      throw TesseraError(.wrongDevice, "nearestCodes: the codes were prepared on another device")
    }
    let tables = try download(queries.tables)
    let perQuery = queries.tables.columns
    return try ranked(
      set.lists, probes, queryCount: queries.tables.rows, order, limit, selector
    ) { query, entry, row in
      let own = tables[query * perQuery..<(query + 1) * perQuery]
      var score: Float = 0
      for subspace in 0..<set.subspaceCount {
        score += own[own.startIndex + subspace * codewords + codes.number(row, subspace)]
      }
      if let scales = codes.scales { score *= scales[row] }
      if let offsets = codes.offsets {
        score += (queries.offsetWeights?[query] ?? 1) * offsets[row]
      }
      if let terms = probes?.terms { score += terms[entry] }
      // There is only one zero, which ties with itself.
      return score + 0
    }
  }
}

/// Codes as they came.
private final class ReferenceCodeSet: CodeSet, @unchecked Sendable {
  let codes: ProductCodes

  override init(_ codes: ProductCodes, in lists: RowLists) {
    self.codes = codes
    super.init(codes, in: lists)
  }

  override var residentBytes: Int {
    codes.bytes.count + 4 * ((codes.scales?.count ?? 0) + (codes.offsets?.count ?? 0))
  }
}
