internal import Synchronization
public import TesseraCompute
internal import TesseraHost

/// Searches an index that changes, or one snapshot of it.
///
/// Every search sees the index as it is when the search begins. What was prepared for earlier ones
/// stays on the device. Many searches may run at once.
public final class LivingSearch: Sendable {
  private enum Source: Sendable {
    case living(LivingIndex)
    case snapshot(IndexSnapshot)
  }

  private let source: Source
  /// The options that every search of this object uses.
  public let options: IndexSearch.Options
  private let device: any Device
  private let engines = Mutex<[ObjectIdentifier: Engine]>([:])

  /// The search of an index, or of added rows.
  private struct Engine: Sendable {
    /// Is kept, so that no other object gets its identifier.
    let object: any AnyObject & Sendable
    let search: IndexSearch
  }

  /// Searches what `index` holds at the time.
  ///
  /// - Throws: `.invalidArgument` for options that are not above 0.
  public convenience init(
    _ index: LivingIndex, on device: any Device,
    options: IndexSearch.Options = IndexSearch.Options()
  ) throws(TesseraError) {
    try self.init(.living(index), on: device, options)
  }

  /// Searches one snapshot.
  ///
  /// - Throws: `.invalidArgument` for options that are not above 0.
  public convenience init(
    _ snapshot: IndexSnapshot, on device: any Device,
    options: IndexSearch.Options = IndexSearch.Options()
  ) throws(TesseraError) {
    try self.init(.snapshot(snapshot), on: device, options)
  }

  private init(
    _ source: Source, on device: any Device, _ options: IndexSearch.Options
  ) throws(TesseraError) {
    self.source = source
    self.device = device
    self.options = options
    _ = try engine(snapshot.base)
  }

  private var snapshot: IndexSnapshot {
    switch source {
    case .living(let index): index.snapshot
    case .snapshot(let snapshot): snapshot
    }
  }

  /// The `k` nearest rows to every query, as ``nearest(_:within:effort:only:control:)``.
  ///
  /// - Throws: As the other `nearest`.
  public func nearest(
    _ queries: Vectors, k: Int, effort: IndexSearch.Effort = .recall(0.95),
    only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> IndexSearch.Report {
    try nearest(queries, within: .k(k), effort: effort, only: selector, control: control)
  }

  /// The nearest rows to every query, as many as `limit` says: of the index file in the lists it looks
  /// at, of rows that were added since all of them.
  ///
  /// Removed rows cost no hits: a query whose lists hold fewer than k rows because of them looks at all
  /// lists.
  ///
  /// - Throws: As ``IndexSearch/nearest(_:within:effort:only:control:)``.
  public func nearest(
    _ queries: Vectors, within limit: Limit, effort: IndexSearch.Effort = .recall(0.95),
    only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> IndexSearch.Report {
    try nearest(
      queries, in: snapshot, within: limit, effort: effort, only: selector, control: control)
  }

  /// The nearest rows in a task that must not block: as the other `nearest`, on a thread of the search's
  /// own. Cancelling the task ends the search.
  ///
  /// - Throws: As the other `nearest`.
  public func nearest(
    _ queries: Vectors, within limit: Limit, effort: IndexSearch.Effort = .recall(0.95),
    only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) async throws(TesseraError) -> IndexSearch.Report {
    try await control.offThread { [self] control throws(TesseraError) in
      try nearest(queries, within: limit, effort: effort, only: selector, control: control)
    }
  }

  /// The `k` nearest rows in a task that must not block.
  ///
  /// - Throws: As the other `nearest`.
  public func nearest(
    _ queries: Vectors, k: Int, effort: IndexSearch.Effort = .recall(0.95),
    only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) async throws(TesseraError) -> IndexSearch.Report {
    try await nearest(queries, within: .k(k), effort: effort, only: selector, control: control)
  }

  /// The nearest rows of `snapshot`, which is of the index that this searches, and need not be the newest.
  ///
  /// - Throws: As the other `nearest`.
  package func nearest(
    _ queries: Vectors, in snapshot: IndexSnapshot, within limit: Limit,
    effort: IndexSearch.Effort, only selector: IDSelector?, control: RunControl
  ) throws(TesseraError) -> IndexSearch.Report {
    let base = try engine(snapshot.base)
    guard snapshot.isChanged else {
      return try base.nearest(
        queries, within: limit, effort: effort, only: selector, control: control)
    }
    let left =
      snapshot.removed.isEmpty
      ? selector : .excluding(rising: snapshot.removed, from: selector)
    var report = try base.nearest(
      queries, within: limit, effort: effort, only: left, control: control.stage("", 0...0.8))
    for segment in snapshot.segments {
      let engine = try engine(segment.rows, of: snapshot.base, control)
      let live =
        segment.removed.isEmpty
        ? selector : .excluding(rising: segment.removed, from: selector)
      report.add(
        try engine.nearest(
          queries, within: limit, effort: .all, only: live, control: control.stage("", 0.8...0.9)),
        within: limit, order: snapshot.base.metric.order)
    }
    prune(snapshot)
    guard !snapshot.removed.isEmpty, report.path == .lists, case .k(let k) = limit else {
      return report
    }
    let wanted = min(k, selector.map { snapshot.count(of: $0) } ?? snapshot.count)
    let found = report.neighbors
    let short = (0..<queries.count).filter { found[$0].count < wanted }
    guard !short.isEmpty else { return report }
    var again = try base.nearest(
      queries.gathered(short), within: limit, effort: .all, only: left,
      control: control.stage("", 0.9...1))
    again.neighbors = again.neighbors.merged(
      with: found.addedRows(of: snapshot, queries: short), within: limit,
      order: snapshot.base.metric.order)
    report.replace(short, by: again)
    return report
  }

  private func engine(_ index: Index) throws(TesseraError) -> IndexSearch {
    if let known = engines.withLock({ $0[ObjectIdentifier(index)]?.search }) { return known }
    let made = try IndexSearch(index, on: device, options: options)
    engines.withLock { $0[ObjectIdentifier(index)] = Engine(object: index, search: made) }
    return made
  }

  /// The search of added rows. Rows are compared as those of the base are: transformed, unless hits are
  /// scored again from the rows themselves.
  private func engine(
    _ added: IndexSnapshot.AddedRows, of base: Index, _ control: RunControl
  ) throws(TesseraError) -> IndexSearch {
    if let known = engines.withLock({ $0[ObjectIdentifier(added)]?.search }) { return known }
    let transforms = base.originals == nil ? base.transforms : []
    let content: Index.Content
    if let bits = base.bits {
      content = .bits(try BitRows(added.rows, bits))
    } else {
      content = .rows(
        try control.steer(on: device) { device throws(TesseraError) in
          try transforms.apply(to: added.rows, on: device, "search")
        })
    }
    let index = Index(
      IndexSpecification(
        transforms: transforms.map(\.recipe), content: base.bits == nil ? .rows : .bits),
      metric: base.metric, dimension: base.dimension, transforms: transforms,
      lists: RowLists(one: added.ids), coarse: nil, content: content, originals: nil)
    let made = try IndexSearch(index, on: device, options: options)
    engines.withLock { $0[ObjectIdentifier(added)] = Engine(object: added, search: made) }
    return made
  }

  /// Forgets what is prepared of rows that are in the snapshot no more.
  private func prune(_ snapshot: IndexSnapshot) {
    let there =
      [ObjectIdentifier(snapshot.base)] + snapshot.segments.map { ObjectIdentifier($0.rows) }
    engines.withLock { engines in
      if engines.count > there.count { engines = engines.filter { there.contains($0.key) } }
    }
  }
}

extension IndexSearch.Report {
  /// Adds what was found in other rows, all of which were looked at.
  fileprivate mutating func add(
    _ other: IndexSearch.Report, within limit: Limit, order: ScoreOrder
  ) {
    neighbors = neighbors.merged(with: other.neighbors, within: limit, order: order)
    listsPerQuery += other.listsPerQuery
    rowsPerQuery += other.rowsPerQuery
    prepareSeconds += other.prepareSeconds
    stages.scan += other.searchSeconds
    searchSeconds += other.searchSeconds
    residentBytes += other.residentBytes
  }

  /// Takes over the hits of some queries from a search of these alone.
  fileprivate mutating func replace(_ queries: [Int], by other: IndexSearch.Report) {
    var places = (0..<neighbors.queryCount).map { (search: 0, query: $0) }
    for (place, query) in queries.enumerated() { places[query] = (1, place) }
    neighbors = Neighbors(
      [neighbors, other.neighbors], places: places,
      statistics: neighbors.statistics + other.neighbors.statistics)
    let share = Double(queries.count) / Double(max(1, neighbors.queryCount))
    listsPerQuery += share * other.listsPerQuery
    rowsPerQuery += share * other.rowsPerQuery
    stages += other.stages
    searchSeconds += other.searchSeconds
  }
}

extension Neighbors {
  /// The hits of some queries among rows that were added.
  fileprivate func addedRows(of snapshot: IndexSnapshot, queries: [Int]) -> Neighbors {
    var starts = [0]
    var (ids, scores): ([Int64], [Float]) = ([], [])
    for query in queries {
      for hit in self[query] where !snapshot.baseHolds(hit.id) {
        ids.append(hit.id)
        scores.append(hit.score)
      }
      starts.append(ids.count)
    }
    return Neighbors(starts: starts, ids: ids, scores: scores, statistics: .none)
  }
}
