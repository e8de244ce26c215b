public import TesseraCompute
internal import TesseraHost
public import TesseraIndex

extension VectorCollection {
  /// Finds the `k` items nearest to a query, best first; ties are ordered by when items were added or
  /// changed last.
  ///
  /// - Parameters:
  ///   - query: As many numbers as the collection has dimensions.
  ///   - k: How many items to find, at least 1.
  ///   - predicate: Accepts the metadata of items that may be found; nil accepts all. It limits what is
  ///     searched, not what is found: there are k hits as long as k items are accepted. It is called once
  ///     for each item and search, on the search's thread. The first such search reads the metadata of
  ///     all items, which then stay in memory.
  ///   - effort: How many lists to look at, of an index that has some.
  ///   - control: Ends the search within a tenth of a second, as cancelling its task does.
  /// - Throws: `.invalidShape` for a query of another dimension, `.invalidArgument` for k below 1,
  ///   `.nonFinite`, `.malformedFile` for metadata that are no `Metadata`, `.cancelled`,
  ///   `.deadlineExceeded`, and what the device throws.
  public func search(
    _ query: [Float], k: Int = 10, where predicate: (@Sendable (Metadata) -> Bool)? = nil,
    effort: IndexSearch.Effort = .recall(0.95), control: RunControl = RunControl()
  ) async throws(TesseraError) -> [Hit] {
    let found = try await search(
      Vectors([query]), k: k, where: predicate, effort: effort, control: control)
    return found[0]
  }

  /// Finds the `k` items nearest to each of many queries, which takes much less time than one search for
  /// each.
  ///
  /// - Returns: The hits of each query.
  /// - Throws: As the other `search`.
  public func search(
    _ queries: Vectors, k: Int = 10, where predicate: (@Sendable (Metadata) -> Bool)? = nil,
    effort: IndexSearch.Effort = .recall(0.95), control: RunControl = RunControl()
  ) async throws(TesseraError) -> [[Hit]] {
    let work: @Sendable (RunControl) throws(TesseraError) -> [[Hit]]? = {
      [self] control throws(TesseraError) in
      try hits(of: queries, k: k, where: predicate, effort: effort, control)
    }
    for _ in 0..<3 {
      if let hits = try await control.offThread(work) { return hits }
    }
    // Items that were found were removed each time; while this has its turn none can be.
    return try await store.turns.run(control, work) ?? []
  }

  /// Returns nil where an item that was found was removed before its metadata were read.
  private func hits(
    of queries: Vectors, k: Int, where predicate: (@Sendable (Metadata) -> Bool)?,
    effort: IndexSearch.Effort, _ control: RunControl
  ) throws(TesseraError) -> [[Hit]]? {
    let view = store.view
    var items: [Int64: Known]?
    var selector: IDSelector?
    if let predicate {
      let all = try known(of: view.snapshot, control)
      selector = try .ids(accepted(view.snapshot.ids, all, predicate, control))
      items = all
    }
    let found = try view.search.nearest(
      queries, in: view.snapshot, within: .k(k), effort: effort, only: selector, control: control
    ).neighbors
    if items == nil { items = try read(Array(Set(found.ids)), control) }
    var hits: [[Hit]] = []
    for query in 0..<found.queryCount {
      var own: [Hit] = []
      for hit in found[query] {
        guard let item = items?[hit.id] else { return nil }
        own.append(Hit(id: item.id, score: hit.score, metadata: item.metadata))
      }
      hits.append(own)
    }
    return hits
  }

  private func accepted(
    _ numbers: [Int64], _ items: [Int64: Known], _ predicate: @Sendable (Metadata) -> Bool,
    _ control: RunControl
  ) throws(TesseraError) -> [Int64] {
    var accepted: [Int64] = []
    for number in numbers {
      // A predicate may take any time.
      try control.stop.check()
      if let item = items[number], predicate(item.metadata) { accepted.append(number) }
    }
    return accepted
  }
}
