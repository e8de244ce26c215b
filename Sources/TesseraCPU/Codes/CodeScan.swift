internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// A fast scan: byte tables say which rows may be hits (``RoundedTables``), and those are scored.
///
/// Each query has a list of rows that passed. When it is full, the k-th smallest sum of bytes
/// lowers the limit; what is left at the end is scored, the most promising first.
struct CodeScan {
  private let task: CodeSearchTask
  private let codes: csimd_codes
  private let groups: Range<Int>
  /// The queries whose tables bytes can hold.
  private let queries: [Int]
  private let tables: [RoundedTables]
  private let entries: HostStorage
  private let keys: HostStorage
  private let capacity: Int

  private var kernels: csimd_kernels { task.kernels.table.pointee }
  /// Queries that are scanned for at once.
  private var blockSize: Int { task.set.bits == 4 ? Int(CSIMD_SCAN_QUERIES) : 1 }

  /// - Returns: nil where there is nothing to scan by.
  /// - Throws: `.outOfMemory`.
  init?(
    _ task: CodeSearchTask, _ queries: Range<Int>, _ groups: Range<Int>
  ) throws(TesseraError) {
    let set = task.set
    let kernels = task.kernels.table.pointee
    guard task.hasScan else { return nil }
    self.task = task
    self.codes = set.kernelCodes
    self.groups = groups
    let tableBytes = set.groups.tableBytes
    entries = try HostStorage(allocating: queries.count * tableBytes)
    var usable: [Int] = []
    var tables: [RoundedTables] = []
    for query in queries {
      guard
        let rounded = RoundedTables(
          task.table(of: query), subspaceCount: set.subspaceCount, codewordCount: task.codewords,
          order: task.order,
          bits: set.bits, mostEntry: Int(kernels.most_entry),
          to: entries.start(as: UInt8.self) + usable.count * tableBytes)
      else { continue }
      usable.append(query)
      tables.append(rounded)
    }
    self.queries = usable
    self.tables = tables
    // A list that holds every row never fills.
    capacity = min(groups.count * set.groups.rows, 4 * task.hitCount + 512)
    keys = try HostStorage(allocating: usable.count * capacity * 8)
  }

  /// Tells whether the query is among those scanned for.
  func holds(_ query: Int) -> Bool { queries.contains(query) }

  /// Calls `give` with each query and its best rows, in order.
  func run(_ give: (Int, CodeKeys) -> Void) throws(TesseraError) -> SearchStatistics {
    var lists = queries.indices.map { index in
      csimd_code_list(
        keys: keys.start(as: UInt64.self) + index * capacity, count: 0, capacity: capacity,
        limit: UInt32(UInt16.max))
    }
    var statistics = SearchStatistics.none
    // Groups that stay in the second-level cache while all queries pass by.
    let step = max(1, (256 << 10) / task.set.groups.groupBytes)
    for first in stride(from: groups.lowerBound, to: groups.upperBound, by: step) {
      for start in stride(from: 0, to: lists.count, by: blockSize) {
        try StopSignal.check()
        let block = start..<min(start + blockSize, lists.count)
        scan(first..<min(first + step, groups.upperBound), block, &lists, &statistics)
      }
    }
    for index in lists.indices { give(queries[index], finish(index, lists[index], &statistics)) }
    return statistics
  }

  private func scan(
    _ groups: Range<Int>, _ block: Range<Int>, _ lists: inout [csimd_code_list],
    _ statistics: inout SearchStatistics
  ) {
    var codes = codes
    var next = groups.lowerBound
    while true {
      let before = lists[block].reduce(0) { $0 + $1.count }
      next = lists.withUnsafeMutableBufferPointer { lists in
        let first = lists.baseAddress.map { $0 + block.lowerBound }
        let tables = entries(of: block.lowerBound)
        return task.set.bits == 4
          ? kernels.scan_codes(&codes, tables, block.count, next, groups.upperBound, first)
          : kernels.scan_byte_codes(&codes, tables, next, groups.upperBound, first)
      }
      statistics.candidates += lists[block].reduce(0) { $0 + $1.count } - before
      guard next < groups.upperBound else { return }
      for index in block where lists[index].capacity - lists[index].count < task.set.groups.rows {
        makeRoom(index, &lists[index], &statistics)
      }
    }
  }

  private func entries(of index: Int) -> UnsafeMutablePointer<UInt8> {
    entries.start(as: UInt8.self) + index * task.set.groups.tableBytes
  }

  /// Lowers the limit of a full list, and drops what is above it.
  private func makeRoom(
    _ index: Int, _ list: inout csimd_code_list, _ statistics: inout SearchStatistics
  ) {
    let k = task.hitCount
    var keys = CodeKeys(start: list.keys, count: list.count)
    list.limit = min(list.limit, tables[index].limit(sum: keys.place(ofAtLeast: k)))
    keys.drop(above: CodeKeys.last(at: list.limit))
    if keys.count > list.capacity - max(task.set.groups.rows, list.capacity / 4) {
      // Bytes cannot tell so many rows apart; scores and the order of rows can.
      statistics.rescored += keys.count
      task.score(keys.start, count: keys.count, for: queries[index])
      let worst = CodeKeys.score(of: keys.cut(to: k), task.order)
      list.limit = min(list.limit, tables[index].limit(score: worst))
      addBytes(index, keys)
    }
    list.count = keys.count
  }

  /// Makes keys of byte sums out of others.
  private func addBytes(_ index: Int, _ keys: CodeKeys) {
    let entries = entries(of: index)
    let groups = task.set.groups
    for place in 0..<keys.count {
      let row = CodeKeys.row(of: keys.start[place])
      var sum = 0
      for subspace in 0..<groups.subspaceCount {
        let (byte, shift) = groups.place(ofRow: row, subspace: subspace)
        let number = Int(codes.groups[byte] >> shift) & (1 << groups.bits - 1)
        sum += Int(entries[subspace << groups.bits + number])
      }
      keys.start[place] = UInt64(sum) << 32 | UInt64(row)
    }
  }

  /// Scores what is left: the k most promising rows first, whose worst then rules out others.
  private func finish(
    _ index: Int, _ list: csimd_code_list, _ statistics: inout SearchStatistics
  ) -> CodeKeys {
    let k = task.hitCount
    let query = queries[index]
    var keys = CodeKeys(start: list.keys, count: list.count)
    if keys.count > k {
      let sure = keys.gather(upTo: CodeKeys.last(at: keys.place(ofAtLeast: k)))
      task.score(keys.start, count: sure, for: query)
      let worst = (0..<sure).reduce(UInt64(0)) { max($0, keys.start[$1]) }
      let limit = tables[index].limit(score: CodeKeys.score(of: worst, task.order))
      keys.drop(above: CodeKeys.last(at: limit), from: sure)
      task.score(keys.start + sure, count: keys.count - sure, for: query)
    } else {
      task.score(keys.start, count: keys.count, for: query)
    }
    statistics.rescored += keys.count
    keys.sort(best: k)
    return keys
  }
}
