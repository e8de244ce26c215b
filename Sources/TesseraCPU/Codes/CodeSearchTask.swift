internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// One thread's share of a search among codes: some queries against some rows.
struct CodeSearchTask: Sendable {
  let kernels: Kernels
  let set: CPUCodeSet
  let tables: HostSpan<Float>
  let codewords: Int
  let order: ScoreOrder
  let hitCount: Int

  /// Calls `give` with each query and its best rows of `groups`, in order: `hitCount`, or all there
  /// are.
  func run(
    _ queries: Range<Int>, _ groups: Range<Int>, _ give: (Int, CodeKeys) -> Void
  ) throws(TesseraError) -> SearchStatistics {
    let scan = try CodeScan(self, queries, groups)
    var statistics = try scan?.run(give) ?? .none
    for query in queries where scan?.holds(query) != true {
      statistics = statistics + (try scoreAll(groups, for: query, give))
    }
    return statistics
  }

  /// True if there is a scan by bytes for such codes.
  var hasScan: Bool {
    let table = kernels.table.pointee
    return set.subspaceCount <= RoundedTables.mostSubspaces && codewords <= 1 << set.bits
      && (set.bits == 4 ? table.scan_codes != nil : table.scan_byte_codes != nil)
  }

  func table(of query: Int) -> UnsafePointer<Float> {
    UnsafePointer(tables.start + query * set.subspaceCount * codewords)
  }

  func rows(of groups: Range<Int>) -> Range<Int> {
    let rows = set.groups.rows
    return groups.lowerBound * rows..<min(groups.upperBound * rows, set.count)
  }

  /// Makes keys of scores out of the keys from `start` on.
  func score(_ start: UnsafeMutablePointer<UInt64>, count: Int, for query: Int) {
    var codes = set.kernelCodes
    kernels.table.pointee.score_codes(
      &codes, table(of: query), codewords, order == .largestFirst ? 1 : 0, start, count)
  }

  /// Scores every row.
  private func scoreAll(
    _ groups: Range<Int>, for query: Int, _ give: (Int, CodeKeys) -> Void
  ) throws(TesseraError) -> SearchStatistics {
    let rows = rows(of: groups)
    let step = 1024
    let storage = try HostStorage(allocating: (2 * min(hitCount, rows.count) + step) * 8)
    var keys = CodeKeys(start: storage.start(as: UInt64.self))
    var worst = UInt64.max
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
      try StopSignal.check()
      let block = first..<min(first + step, rows.upperBound)
      let added = keys.start + keys.count
      for (place, row) in block.enumerated() { added[place] = UInt64(row) }
      score(added, count: block.count, for: query)
      let known = keys.count
      keys.count += block.count
      keys.drop(above: worst, from: known)
      if keys.count >= 2 * hitCount { worst = keys.cut(to: hitCount) }
    }
    keys.sort(best: hitCount)
    give(query, keys)
    return SearchStatistics(certified: true, candidates: rows.count, rescored: rows.count)
  }
}
