internal import TesseraHost

/// The specification, executable: every operation in the plainest Swift that is right.
///
/// Other devices are compared with it, borrow it where they have nothing of their own, and a new
/// device starts as a copy of it. It is slow on purpose.
public final class ReferenceDevice: Device {
  /// The only instance; it has no state.
  public static let shared = ReferenceDevice()

  /// Describes one worker in plain Swift, with all of the operations as its own.
  public let info = DeviceInfo(
    identifier: "reference", name: "Reference (plain Swift, Float64)", kind: .reference,
    vendor: "Tessera", variant: "swift", memoryBytes: .max, computeUnits: 1,
    accelerated: Set(DeviceOperation.allCases))

  private init() {}

  // MARK: Memory

  /// Allocates host memory. Throws `.outOfMemory` if the host refuses.
  public func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    try HostStorage(allocating: byteCount)
  }

  /// Copies within host memory.
  public func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    try HostStorage.copy(source, to: target, at: byteOffset)
  }

  /// Copies within host memory.
  public func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try HostStorage.copy(source, at: byteOffset, to: target)
  }

  // MARK: Search

  /// Counts every row widened to Float32 and every score twice, since all rows are sorted at once.
  public func cost(of search: SearchShape) -> SearchCost {
    // Every row as an array of its own, and its score twice: as found, and sorted.
    let perRow = search.dimension * MemoryLayout<Float>.stride + 40 + 2 * 16
    return SearchCost(
      residentBytes: 0, workingBytes: search.rows * perRow,
      largestAllocationBytes: search.rows * 16)
  }

  /// Checks that all rows are finite and keeps a view of them.
  public func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet {
    try Shapes.prepare(vectors, in: lists)
    try Shapes.requireFinite(vectors, "prepare")
    return VectorSet(vectors, in: lists, metric: metric)
  }

  /// Scores every selected row canonically and sorts all scores.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearest(queries, in: set, probing: probes, within: limit)
    try Shapes.requireFinite(queries, "nearest: queries")
    let rows = (0..<queries.count).map { queries.row($0) }
    return try ranked(
      set.lists, probes, queryCount: queries.count, set.metric.order, limit, selector
    ) { query, _, row in
      CanonicalScore.score(set.metric, rows[query], set.vectors.row(row))
    }
  }

  /// Scores every selected row of the lists that queries look at, and sorts all scores.
  ///
  /// - Parameter score: The score of a query with a row that is found by an entry of the probes.
  func ranked(
    _ lists: RowLists, _ probes: Probes?, queryCount: Int, _ order: ScoreOrder, _ limit: Limit,
    _ selector: IDSelector?, score: (_ query: Int, _ entry: Int, _ row: Int) -> Float
  ) throws(TesseraError) -> Neighbors {
    let ids = lists.ids
    let isSelected = (0..<ids.count).map { selector?.contains(ids[$0]) ?? true }
    let all = Probes.all(of: lists.count, queryCount: 1)
    var found = Neighbors.none(
      queryCount: 0, hitCount: limit.hitCount(of: isSelected.count { $0 }, probing: probes))
    for query in 0..<queryCount {
      let own = probes?[query] ?? all[0]
      var ranked: [(score: Float, id: Int64)] = []
      for (entry, list) in zip(own.indices, own) {
        for row in lists[Int(list)] where isSelected[row] {
          if row % 256 == 0 { try StopSignal.check() }
          ranked.append((score(query, entry, row), ids[row]))
        }
      }
      let scored = ranked.count
      ranked.sort { order.ranks($0, ahead: $1) }
      switch limit {
      case .k(let k): ranked.removeLast(max(0, ranked.count - k))
      case .score(let score): ranked.removeAll { !order.ranks($0.score, ahead: score) }
      }
      found.append(
        Neighbors(
          queryCount: 1, hitCount: ranked.count, ids: ranked.map(\.id),
          scores: ranked.map(\.score),
          statistics: SearchStatistics(certified: true, candidates: scored, rescored: scored)))
    }
    return found
  }
}

extension HostStorage {
  /// Copies host bytes into `target`, which must be host storage with room for them.
  package static func copy(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    let host = try checked(target, "upload", source.count, at: byteOffset)
    guard source.count > 0 else { return }
    UnsafeMutableRawBufferPointer(rebasing: host.bytes[byteOffset...]).copyMemory(from: source)
  }

  /// Copies bytes of `source`, which must be host storage that holds them, to the host.
  package static func copy(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    let host = try checked(source, "download", target.count, at: byteOffset)
    guard target.count > 0 else { return }
    target.copyMemory(
      from: UnsafeRawBufferPointer(rebasing: host.bytes[byteOffset..<byteOffset + target.count]))
  }

  private static func checked(
    _ storage: Storage, _ operation: String, _ count: Int, at byteOffset: Int
  ) throws(TesseraError) -> HostStorage {
    guard let host = storage as? HostStorage else {
      throw TesseraError(.wrongDevice, "\(operation): the memory belongs to another device")
    }
    guard (0...storage.byteCount).contains(byteOffset), count <= storage.byteCount - byteOffset
    else {
      throw TesseraError(
        .invalidShape,
        "\(operation): \(count) bytes at \(byteOffset) are outside the \(storage.byteCount) there")
    }
    return host
  }
}
