internal import CSIMD
internal import Synchronization
public import TesseraCompute
internal import TesseraHost

extension CPUDevice {
  /// Cost: one pass over the codes.
  public func prepare(
    _ codes: ProductCodes, in lists: RowLists
  ) throws(TesseraError) -> CodeSet {
    try Shapes.prepare(codes, in: lists)
    return try CPUCodeSet(codes, in: lists, workers)
  }

  /// Cost: codes of 4 bits are looked up by shuffles of bytes, several rows at a time, and few of
  /// them scored. Others, and queries whose tables bytes cannot hold, are scored row by row.
  public func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, order: ScoreOrder,
    within limit: Limit, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    let codewords = try Shapes.nearestCodes(queries, in: set, probing: probes, within: limit)
    guard let own = set as? CPUCodeSet else {
      throw TesseraError(.wrongDevice, "nearestCodes: the codes were prepared on another device")
    }
    let queryCount = queries.tables.rows
    let selectedCount = selector.map { set.lists.ids.count(of: $0) } ?? set.count
    guard queryCount > 0, selectedCount > 0 else {
      return .none(
        queryCount: queryCount, hitCount: limit.hitCount(of: selectedCount, probing: probes))
    }
    let scope = CodeScope(
      kernels: kernels, set: own, tables: try HostSpan(queries.tables, "nearestCodes"),
      offsetWeights: queries.offsetWeights, codewords: codewords, probes: probes, order: order,
      limit: limit,
      masks: try selector.map { selector throws(TesseraError) in
        try own.selected(by: selector, probes)
      })
    let split = CodeSplit(scope, queryCount: queryCount, workers.count)
    let found = Mutex(
      (
        keys: [[UInt64]](repeating: [], count: queryCount * split.runs),
        statistics: SearchStatistics.none
      ))
    try workers.run(split.blocks * split.runs) { index throws(TesseraError) in
      let run = index % split.runs
      let range = split.queries(of: index / split.runs)
      var task = try CodeSearchTask(scope, range, rows: split.rowsPerQuery)
      if let probes {
        // Nearer lists are dealt out like cards.
        try task.search(split.runs > 1 ? probes.every(split.runs, from: run) : probes, range)
      } else {
        for list in 0..<set.lists.count {
          try task.search(split.groups(of: run, list), of: list)
        }
      }
      var keys: [[UInt64]] = []
      keys.reserveCapacity(range.count)
      let statistics = task.finish { keys.append($1) }
      found.withLock { found in
        for (place, query) in range.enumerated() {
          found.keys[query * split.runs + run] = keys[place]
        }
        found.statistics = found.statistics + statistics
      }
    }
    let (keys, statistics) = found.withLock(\.self)
    return Neighbors(
      merging: keys, queryCount: queryCount, runs: split.runs, limit, order, own.lists.ids,
      statistics)
  }
}

/// Divides queries, and where there are too few the groups or lists of each, among tasks.
private struct CodeSplit {
  private let scope: CodeScope
  private let queryCount: Int
  /// Queries of a task.
  private let blockSize: Int
  /// Runs that the groups or lists are cut into.
  let runs: Int
  /// Rows that a query looks at, at most.
  let rowsPerQuery: Int

  init(_ scope: CodeScope, queryCount: Int, _ workers: Int) {
    self.scope = scope
    self.queryCount = queryCount
    let set = scope.set
    let probed = scope.probes
    rowsPerQuery =
      probed.map { probes in
        (0..<queryCount).reduce(0) { most, query in
          max(most, probes[query].reduce(0) { $0 + set.lists[Int($1)].count })
        }
      } ?? set.count
    let step = Int(CSIMD_SCAN_QUERIES)
    let queriesEach = (queryCount + 4 * workers - 1) / (4 * workers)
    // Many queries share lists; but what a task has for them stays in the caches.
    let room = CodeScope.Room(scope, rows: rowsPerQuery).byteCount
    let most = probed == nil ? 32 : max(32, min(512, (8 << 20) / room))
    blockSize = min(most, (queriesEach + step - 1) / step * step)
    // A run has keys of its own, and a thread takes time to wake: a tenth of a millisecond is the
    // least that is worth it.
    let blocks = (queryCount + blockSize - 1) / blockSize
    let lookups = rowsPerQuery * set.subspaceCount * min(queryCount, blockSize)
    runs =
      blocks >= 2 * workers
      ? 1 : max(1, min(workers, lookups / (scope.hasScan ? 1 << 24 : 1 << 18)))
  }

  var blocks: Int { (queryCount + blockSize - 1) / blockSize }

  func queries(of block: Int) -> Range<Int> {
    block * blockSize..<min((block + 1) * blockSize, queryCount)
  }

  func groups(of run: Int, _ list: Int) -> Range<Int> {
    let all = scope.set.groups.layout.panels(of: list)
    return all.lowerBound + all.count * run / runs..<all.lowerBound + all.count * (run + 1) / runs
  }
}

extension Neighbors {
  /// The best of each query's keys, which every run has some of.
  fileprivate init(
    merging keys: [[UInt64]], queryCount: Int, runs: Int, _ limit: Limit, _ order: ScoreOrder,
    _ allIDs: IDMap, _ statistics: SearchStatistics
  ) {
    var starts = [0]
    var ids: [Int64] = []
    var scores: [Float] = []
    starts.reserveCapacity(queryCount + 1)
    ids.reserveCapacity(keys.reduce(0) { $0 + $1.count })
    scores.reserveCapacity(ids.capacity)
    for query in 0..<queryCount {
      var own = keys[query * runs]
      if runs > 1 {
        own = keys[query * runs..<(query + 1) * runs].flatMap(\.self).sorted()
        if case .k(let k) = limit { own.removeLast(max(0, own.count - k)) }
      }
      for key in own {
        ids.append(allIDs.id(ofRank: CodeKeys.row(of: key)))
        scores.append(CodeKeys.score(of: key, order))
      }
      starts.append(ids.count)
    }
    self.init(starts: starts, ids: ids, scores: scores, statistics: statistics)
  }
}
