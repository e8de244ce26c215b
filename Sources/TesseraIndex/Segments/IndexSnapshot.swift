public import TesseraCompute
internal import TesseraFormats
internal import TesseraHost

/// What an index holds at one moment: an index file, rows that were added since, without those that were
/// removed. It never changes, and may be searched from any thread.
public struct IndexSnapshot: Sendable {
  /// The index as it was built or compacted.
  public let base: Index
  /// Ids of rows of `base` that are gone, rising.
  let removed: [Int64]
  let segments: [Segment]
  /// The id that the next row gets that brings none.
  public let nextID: Int64
  /// Rows that were added since, whether or not they are still there.
  public let addedCount: Int

  /// Rows that were added together, or have been put together since.
  struct Segment: Sendable {
    let rows: AddedRows
    /// Ids of rows that are gone, rising.
    let removed: [Int64]

    var count: Int { rows.ids.count - removed.count }

    func holds(_ id: Int64) -> Bool {
      rows.ids.rank(ofID: id) != nil && !removed.hasSorted(id)
    }
  }

  /// The rows of a segment, as they were given. An object, so that what is prepared of them is known
  /// again.
  final class AddedRows: Sendable {
    let rows: Vectors
    let ids: IDMap

    init(_ rows: Vectors, _ ids: IDMap) {
      self.rows = rows
      self.ids = ids
    }
  }

  /// Takes an index that nothing was done to.
  public init(_ base: Index) {
    let highest = base.count == 0 ? -1 : base.lists.ids.id(ofRank: base.count - 1)
    self.init(
      base: base, removed: [], segments: [],
      nextID: max(base.history.nextID ?? 0, highest == .max ? .max : highest + 1), addedCount: 0)
  }

  private init(
    base: Index, removed: [Int64], segments: [Segment], nextID: Int64, addedCount: Int
  ) {
    self.base = base
    self.removed = removed
    self.segments = segments
    self.nextID = nextID
    self.addedCount = addedCount
  }

  /// Returns the same changes of another form of the same base.
  public func replacing(_ base: Index) -> IndexSnapshot {
    IndexSnapshot(
      base: base, removed: removed, segments: segments, nextID: nextID, addedCount: addedCount)
  }

  /// The number of rows.
  public var count: Int {
    base.count - removed.count + segments.reduce(0) { $0 + $1.count }
  }

  /// The number of rows that were added since and are still there.
  public var segmentRowCount: Int { segments.reduce(0) { $0 + $1.count } }

  /// The number of rows of `base` that were removed.
  public var removedCount: Int { removed.count }

  /// True if rows were added or removed since.
  public var isChanged: Bool { !removed.isEmpty || !segments.isEmpty }

  /// Tells whether a row has this id.
  public func contains(_ id: Int64) -> Bool {
    baseHolds(id) || segments.contains { $0.holds(id) }
  }

  /// Tells whether the row with this id is in the index file.
  func baseHolds(_ id: Int64) -> Bool {
    base.lists.ids.rank(ofID: id) != nil && !removed.hasSorted(id)
  }

  /// The ids of all rows, rising.
  public var ids: [Int64] {
    var ids: [Int64] = []
    ids.reserveCapacity(count)
    for rank in 0..<base.count {
      let id = base.lists.ids.id(ofRank: rank)
      if !removed.hasSorted(id) { ids.append(id) }
    }
    for segment in segments {
      for rank in 0..<segment.rows.ids.count {
        let id = segment.rows.ids.id(ofRank: rank)
        if !segment.removed.hasSorted(id) { ids.append(id) }
      }
    }
    return segments.isEmpty ? ids : ids.sorted()
  }

  /// Returns how many rows a selector selects.
  public func count(of selector: IDSelector) -> Int {
    segments.reduce(base.count(of: .excluding(rising: removed, from: selector))) {
      $0 + $1.rows.ids.count(of: .excluding(rising: $1.removed, from: selector))
    }
  }

  // MARK: Changes

  /// The type that added rows are stored in.
  var element: ElementType {
    if let originals = base.originals { return originals.element }
    if base.bits != nil { return .uint8 }
    if base.keepsRows, case .rows(let rows) = base.content { return rows.element }
    return .float32
  }

  /// Returns what there is after a change.
  ///
  /// - Throws: `.invalidArgument`, naming an id that is there already, or is not there.
  func applying(_ record: JournalRecord) throws(TesseraError) -> IndexSnapshot {
    switch record {
    case .remove(let ids): return try removing(ids, "remove")
    case .add(let rows, let ids): return try adding(rows, ids, "add")
    case .update(let rows, let ids):
      return try removing(ids, "update").adding(rows, ids, "update")
    }
  }

  private func adding(
    _ rows: Vectors, _ ids: [Int64], _ operation: String
  ) throws(TesseraError) -> IndexSnapshot {
    let map = try IDMap(ids)
    if let id = ids.first(where: contains) {
      throw TesseraError(
        .invalidArgument,
        "\(operation): a row has the id \(id) already; choose another id, or remove that row first")
    }
    var segments = self.segments
    var last = Segment(rows: AddedRows(rows, map), removed: [])
    // Segments at least halve in size one after the other, so there are few, and each row is copied few
    // times.
    while let before = segments.last, before.count <= 2 * last.count {
      segments.removeLast()
      last = try Self.joined([before, last])
    }
    if last.count > 0 { segments.append(last) }
    let highest = ids.max() ?? -1
    return IndexSnapshot(
      base: base, removed: removed, segments: segments,
      nextID: max(nextID, highest == .max ? .max : highest + 1),
      addedCount: addedCount + ids.count)
  }

  private func removing(
    _ ids: [Int64], _ operation: String
  ) throws(TesseraError) -> IndexSnapshot {
    let rising = ids.sorted()
    for (id, next) in zip(rising, rising.dropFirst()) where id == next {
      throw TesseraError(.invalidArgument, "\(operation): the id \(id) is given twice")
    }
    if let id = rising.first(where: { !contains($0) }) {
      throw TesseraError(.invalidArgument, "\(operation): no row has the id \(id)")
    }
    let segments = segments.compactMap { segment -> Segment? in
      let own = rising.filter(segment.holds)
      guard !own.isEmpty else { return segment }
      let left = Segment(rows: segment.rows, removed: (segment.removed + own).sorted())
      return left.count > 0 ? left : nil
    }
    let own = rising.filter(baseHolds)
    return IndexSnapshot(
      base: base, removed: own.isEmpty ? removed : (removed + own).sorted(), segments: segments,
      nextID: nextID, addedCount: addedCount)
  }

  /// The rows of segments that are still there, in the order they came.
  static func joined(
    _ segments: [Segment], within memoryLimit: Int? = nil
  ) throws(TesseraError) -> Segment {
    guard let first = segments.first else { preconditionFailure("no segments") }
    var ids: [Int64] = []
    let form = first.rows.rows
    let joined = try CollectedRows(
      form.element, count: segments.reduce(0) { $0 + $1.count }, dimension: form.dimension,
      within: memoryLimit)
    for segment in segments {
      let rows = segment.rows.rows
      let live = (0..<rows.count).filter { !segment.removed.hasSorted(segment.rows.ids[$0]) }
      ids += live.map { segment.rows.ids[$0] }
      for block in rows.blocks(of: live.count) { try joined.append(rows.gathered(live[block])) }
    }
    return Segment(rows: AddedRows(try joined.rows(), try IDMap(ids)), removed: [])
  }
}
