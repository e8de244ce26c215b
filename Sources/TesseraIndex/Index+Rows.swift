public import TesseraCompute
internal import TesseraQuantization

extension Index {
  /// Returns an index that was trained as this one was, and holds no rows: ``LivingIndex`` adds some.
  ///
  /// - Throws: What the device throws, which measures how far rows are from what was trained on.
  public func emptied(on device: any Device) throws(TesseraError) -> Index {
    let left: Content
    switch content {
    case .rows(let rows): left = .rows(try rows.gathered([]))
    case .bits(let rows): left = .bits(try BitRows(rows.vectors.gathered([]), rows.metric))
    case .codes(let codes, let quantizer):
      left = .codes(.memory(try Codes([], byteCount: codes.byteCount)), quantizer)
    }
    var spread = history.spread
    if spread == nil { spread = try self.spread(on: device) }
    return Index(
      specification, metric: metric, dimension: dimension, transforms: transforms,
      lists: try RowLists(
        starts: [Int](repeating: 0, count: listCount + 1), ids: .consecutive(count: 0)),
      coarse: coarse.map {
        CoarseLists(
          centroids: $0.centroids, radius: $0.isMeasured ? 0 : $0.radius, recall: $0.recall)
      },
      content: left, originals: try originals?.gathered([]),
      history: IndexHistory(spread: spread))
  }

  /// Returns an index of the same rows whose ids are 0, 1, 2, ... in the order of those they had.
  public func renumbered() throws(TesseraError) -> Index {
    let known = lists.ids
    let ranks = (0..<count).map { Int64(known.rank(ofID: known[$0]) ?? 0) }
    return Index(
      specification, metric: metric, dimension: dimension, transforms: transforms,
      lists: try RowLists(starts: lists.starts, ids: IDMap(ranks)), coarse: coarse,
      content: content, originals: originals, file: file,
      history: IndexHistory(spread: history.spread))
  }
}

extension IndexSnapshot {
  /// Returns rows by their ids, one after the other: those of `base` as ``Index/reconstruct(_:on:)`` does,
  /// those that were added since as they are kept.
  ///
  /// - Complexity: O(ids + added rows).
  /// - Throws: `.invalidArgument` for an id that no row has, and what the device throws.
  public func reconstruct(_ ids: [Int64], on device: any Device) throws(TesseraError) -> [Float] {
    let places = segments.map { $0.rows.ids.rowsByRank() }
    var values: [Float] = []
    for id in ids {
      if baseHolds(id) {
        values += try base.reconstruct(id, on: device)
      } else if let number = segments.firstIndex(where: { $0.holds(id) }),
        let rank = segments[number].rows.ids.rank(ofID: id)
      {
        values += segments[number].rows.rows.row(Int(places[number][rank]))
      } else {
        throw TesseraError(.invalidArgument, "reconstruct: no row has the id \(id)")
      }
    }
    return values
  }
}
