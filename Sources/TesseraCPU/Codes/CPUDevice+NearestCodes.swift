internal import CSIMD
internal import Synchronization
public import TesseraCompute
internal import TesseraHost

extension CPUDevice {
  /// Cost: one pass over the codes.
  public func prepare(_ codes: ProductCodes) throws(TesseraError) -> CodeSet {
    try Shapes.prepare(codes)
    return try CPUCodeSet(codes, workers)
  }

  /// Cost: codes of 4 bits are looked up by shuffles of bytes, several rows at a time, and few of
  /// them scored. Others, and queries whose tables bytes cannot hold, are scored row by row.
  public func nearestCodes(
    _ tables: Matrix<Float>, in set: CodeSet, order: ScoreOrder, k: Int
  ) throws(TesseraError) -> Neighbors {
    let codewords = try Shapes.nearestCodes(tables, in: set, k: k)
    guard let own = set as? CPUCodeSet else {
      throw TesseraError(.wrongDevice, "nearestCodes: the codes were prepared on another device")
    }
    let hitCount = min(k, set.count)
    let queryCount = tables.rows
    guard queryCount > 0, hitCount > 0 else {
      return .none(queryCount: queryCount, hitCount: hitCount)
    }
    let search = CodeSearchTask(
      kernels: kernels, set: own, tables: try HostSpan(tables, "nearestCodes"),
      codewords: codewords, order: order, hitCount: hitCount)
    let split = CodeSplit(
      queries: queryCount, own.groups, workers.count, isFast: search.hasScan)
    let room = split.runs * hitCount
    let keys = try HostStorage(allocating: queryCount * room * 8)
    let counts = try HostStorage(allocating: queryCount * split.runs * 8)
    let statistics = Mutex(SearchStatistics.none)
    try workers.run(split.blocks * split.runs) { index throws(TesseraError) in
      let run = index % split.runs
      let queries = split.queries(of: index / split.runs)
      let done = try search.run(queries, split.groups(of: run)) { query, found in
        (keys.start(as: UInt64.self) + query * room + run * hitCount)
          .update(from: found.start, count: found.count)
        counts.start(as: Int.self)[query * split.runs + run] = found.count
      }
      statistics.withLock { $0 = $0 + done }
    }
    return Neighbors(
      merging: keys.start(as: UInt64.self), counts.start(as: Int.self), queryCount: queryCount,
      runs: split.runs, hitCount: hitCount, order: order, statistics.withLock(\.self))
  }
}

/// Divides queries and groups among tasks: groups only where there are too few queries.
private struct CodeSplit {
  let queryCount: Int
  let groupCount: Int
  /// Queries of a task.
  let blockSize: Int
  /// Runs that the groups are cut into.
  let runs: Int

  init(queries: Int, _ groups: CodeGroups, _ workers: Int, isFast: Bool) {
    queryCount = queries
    groupCount = groups.groupCount
    let step = Int(CSIMD_SCAN_QUERIES)
    let queriesEach = (queries + 4 * workers - 1) / (4 * workers)
    blockSize = min(32, (queriesEach + step - 1) / step * step)
    // A run has lists of its own, and a thread takes time to wake: a tenth of a millisecond is the
    // least that is worth it.
    let blocks = (queries + blockSize - 1) / blockSize
    let lookups = groups.count * groups.subspaceCount * min(queries, blockSize)
    runs =
      blocks >= 2 * workers ? 1 : max(1, min(workers, lookups / (isFast ? 1 << 24 : 1 << 18)))
  }

  var blocks: Int { (queryCount + blockSize - 1) / blockSize }

  func queries(of block: Int) -> Range<Int> {
    block * blockSize..<min((block + 1) * blockSize, queryCount)
  }

  func groups(of run: Int) -> Range<Int> {
    groupCount * run / runs..<groupCount * (run + 1) / runs
  }
}

extension Neighbors {
  /// The best of each query's keys, `hitCount` from each run at most.
  fileprivate init(
    merging keys: UnsafeMutablePointer<UInt64>, _ counts: UnsafeMutablePointer<Int>,
    queryCount: Int, runs: Int, hitCount: Int, order: ScoreOrder, _ statistics: SearchStatistics
  ) {
    var ids: [Int64] = []
    var scores: [Float] = []
    ids.reserveCapacity(queryCount * hitCount)
    scores.reserveCapacity(queryCount * hitCount)
    for query in 0..<queryCount {
      let own = keys + query * runs * hitCount
      if runs > 1 {
        var count = 0
        for run in 0..<runs {
          let found = counts[query * runs + run]
          (own + count).update(from: own + run * hitCount, count: found)
          count += found
        }
        csimd_select_keys(own, count, hitCount)
      }
      for place in 0..<hitCount {
        ids.append(Int64(CodeKeys.row(of: own[place])))
        scores.append(CodeKeys.score(of: own[place], order))
      }
    }
    self.init(
      queryCount: queryCount, hitCount: hitCount, ids: ids, scores: scores, statistics: statistics)
  }
}

/// Codes in groups.
final class CPUCodeSet: CodeSet, @unchecked Sendable {
  let groups: CodeGroups
  private let storage: HostStorage

  /// - Throws: `.outOfMemory`.
  init(_ codes: ProductCodes, _ workers: WorkerPool) throws(TesseraError) {
    let groups = CodeGroups(
      count: codes.count, subspaceCount: codes.subspaceCount, bits: codes.bits)
    let storage = try HostStorage(allocating: groups.byteCount)
    try workers.split(groups.groupCount, minimum: 1024) { range in
      groups.pack(
        codes, range, to: storage.start(as: UInt8.self) + range.lowerBound * groups.groupBytes)
    }
    self.groups = groups
    self.storage = storage
    super.init(codes)
  }

  /// The groups as the C kernels see them. Valid while the set is alive.
  var kernelCodes: csimd_codes {
    csimd_codes(
      groups: storage.start(as: UInt8.self), blocks: groups.blocks, subspaces: subspaceCount,
      row_count: count, bits: Int32(bits))
  }

  override var residentBytes: Int { storage.byteCount }
}
