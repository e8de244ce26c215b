internal import CSIMD
internal import TesseraCompute

/// The best rows so far of each query of a task.
struct HitLists {
  let hits: UnsafeMutablePointer<csimd_hits>
  private let heads: HostStorage
  private let values: HostStorage
  private let keys: HostStorage

  /// Room for `capacity` hits a query, or for `rows` if there are fewer.
  ///
  /// - Throws: `.outOfMemory`.
  init(_ queryCount: Int, capacity: Int, atMost rows: Int) throws(TesseraError) {
    // Scoring writes one place past the last hit.
    let room = min(capacity, rows) + 1
    heads = try HostStorage(allocating: queryCount * MemoryLayout<csimd_hits>.stride)
    values = try HostStorage(allocating: queryCount * room * Self.hitBytes)
    keys = try HostStorage(allocating: room * 8)
    hits = heads.start(as: csimd_hits.self)
    for index in 0..<queryCount {
      let merits = values.floats + 2 * index * room
      hits[index] = csimd_hits(
        merits: merits,
        rows: UnsafeMutableRawPointer(merits + room).assumingMemoryBound(to: Int32.self),
        count: 0, least: -.infinity, scored: 0)
    }
  }

  /// A merit and a row.
  private static let hitBytes = 8

  static func bytesPerQuery(capacity: Int, atMost rows: Int) -> Int {
    MemoryLayout<csimd_hits>.stride + (min(capacity, rows) + 1) * hitBytes
  }

  /// The hits from which a list is cut to its k best. Cutting late costs room and candidates that
  /// an earlier threshold had dropped, cutting often costs the cutting.
  static func fullest(k: Int) -> Int { k + k / 2 + 1 }

  /// Tells whether a list has grown enough to be cut.
  func isFull(_ index: Int, k: Int) -> Bool {
    hits[index].count >= (hits[index].least > -.infinity ? Self.fullest(k: k) : k)
  }

  /// Cuts a list of at least k hits to those that may be among the k best, and returns what the
  /// k-th best surely reaches.
  func cut(
    _ index: Int, k: Int, _ scorer: UnsafeMutablePointer<csimd_scorer>, _ kernels: Kernels
  ) -> Float {
    let merit = kernels.table.pointee.keep_best(scorer, hits + index, k)
    guard hits[index].count >= Self.fullest(k: k) else { return merit }
    // Estimates cannot tell so many rows apart; canonical merits and the order of rows can.
    kernels.table.pointee.settle(scorer, hits + index)
    return kernels.table.pointee.keep_best(scorer, hits + index, k)
  }

  /// Leaves the k best by canonical merit, or all if there are fewer. Returns the merit of the k-th,
  /// or nil if there is none.
  func finish(
    _ index: Int, k: Int, _ scorer: UnsafeMutablePointer<csimd_scorer>, _ kernels: Kernels
  ) -> Float? {
    if hits[index].count >= k { _ = cut(index, k: k, scorer, kernels) }
    kernels.table.pointee.settle(scorer, hits + index)
    return hits[index].count >= k ? cut(index, k: k, scorer, kernels) : nil
  }

  /// Writes the `hitCount` best of a finished list, best first.
  func write(
    _ index: Int, to ids: UnsafeMutablePointer<Int64>, _ scores: UnsafeMutablePointer<Float>,
    hitCount: Int, _ set: CPUVectorSet
  ) {
    let list = hits[index]
    let keys = keys.start(as: UInt64.self)
    for position in 0..<list.count {
      let row = Int(list.rows[position])
      keys[position] = CodeKeys.key(list.merits[position], .largestFirst, row: set.rank(of: row))
    }
    csimd_select_keys(keys, list.count, hitCount)
    let sign: Float = set.metric == .squaredL2 ? -1 : 1
    for place in 0..<hitCount {
      ids[place] = set.lists.ids.id(ofRank: CodeKeys.row(of: keys[place]))
      // The zero has no sign.
      scores[place] = sign * CodeKeys.score(of: keys[place], .largestFirst) + 0
    }
  }
}
