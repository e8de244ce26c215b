/// Search of rows that are stored as codes.
public protocol CodeOperations: AnyObject, Sendable {
  /// Makes codes ready to be scanned, list by list. Throws `.invalidShape` unless there is an id for
  /// each code.
  func prepare(_ codes: ProductCodes, in lists: RowLists) throws(TesseraError) -> CodeSet

  /// The best codes of `set` for each of `queries`, as many as `limit` says: of the lists that the
  /// query probes (nil: of all), those that `selector` selects (nil: all of them). Best first, ties by
  /// lower id, NaN last; bit-identical on every device, for every batch and thread count.
  ///
  /// ``CodeQueries`` says what scores are; terms are those of `probes`. Cost: O(queries * codes probed
  /// * subspaces) lookups, for codes of 4 bits in bytes with a proven bound. Fewer codes than asked for
  /// give that many hits. Throws `.invalidArgument` for a code outside the table, a list there is not
  /// and a limit without a meaning.
  func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, order: ScoreOrder,
    within limit: Limit, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors
}

extension Device {
  /// Keeps the codes on the host, as the reference device does.
  public func prepare(
    _ codes: ProductCodes, in lists: RowLists
  ) throws(TesseraError) -> CodeSet {
    try ReferenceDevice.shared.prepare(codes, in: lists)
  }

  /// Copies the tables to the host and scores every code there.
  public func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, order: ScoreOrder,
    within limit: Limit, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearestCodes(queries, in: set, probing: probes, within: limit)
    let hostQueries = try CodeQueries(
      onHost(queries.tables), offsetWeights: queries.offsetWeights)
    return try ReferenceDevice.shared.nearestCodes(
      hostQueries, in: set, probing: probes, order: order, within: limit, only: selector)
  }

  /// Makes codes ready to be scanned as one list. Code i gets the id i.
  public func prepare(_ codes: ProductCodes) throws(TesseraError) -> CodeSet {
    try prepare(codes, in: RowLists(one: .consecutive(count: codes.count)))
  }

  /// The `k` best codes of all lists for each row of `tables`.
  public func nearestCodes(
    _ tables: Matrix<Float>, in set: CodeSet, order: ScoreOrder, k: Int
  ) throws(TesseraError) -> Neighbors {
    try nearestCodes(
      CodeQueries(tables), in: set, probing: nil, order: order, within: .k(k), only: nil)
  }
}
