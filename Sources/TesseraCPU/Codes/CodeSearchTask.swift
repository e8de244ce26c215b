internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// One thread's share of a search among codes: some queries against some groups of a list, or against
/// the lists that they look at.
///
/// Byte tables say which rows may be hits, and those are scored when a query has no room for more.
struct CodeSearchTask: ~Copyable {
  private let scope: CodeScope
  private let shared: ScannedQuery.Shared
  private var queries: [ScannedQuery] = []
  private let storage: HostStorage
  /// The queries that look at what is searched.
  private var members: [Int] = []
  /// Those that are scanned for at once.
  private var scans: [UnsafeMutablePointer<csimd_code_query>?]

  private var kernels: csimd_kernels { scope.kernels.table.pointee }
  /// Queries that are scanned for at once.
  private var blockSize: Int { scope.set.bits == 4 ? max(1, kernels.scan_queries) : 1 }

  /// - Parameters:
  ///   - range: The queries.
  ///   - rows: Rows that each of them looks at, at most.
  /// - Throws: `.outOfMemory`.
  init(
    _ scope: CodeScope, _ range: Range<Int>, rows: Int
  ) throws(TesseraError) {
    self.scope = scope
    shared = ScannedQuery.Shared(
      kernels: scope.kernels, codes: scope.set.kernelCodes, codewords: scope.codewords,
      order: scope.order, limit: scope.limit, largest: scope.set.largest)
    let room = CodeScope.Room(scope, rows: rows)
    storage = try HostStorage(allocating: range.count * room.byteCount)
    scans = Array(repeating: nil, count: max(1, scope.kernels.table.pointee.scan_queries))
    queries.reserveCapacity(range.count)
    for (index, query) in range.enumerated() {
      let start = storage.bytes.baseAddress.map { $0 + index * room.byteCount }
      guard let start else { continue }
      let scan = (start + room.scanStart).assumingMemoryBound(to: csimd_code_query.self)
      let keys = start.assumingMemoryBound(to: UInt64.self)
      let terms = (start + room.termStart).assumingMemoryBound(to: Float.self)
      let entries = (start + room.tableStart).assumingMemoryBound(to: UInt8.self)
      queries.append(
        ScannedQuery(
          scan, scope.table(of: query), scope.hasScan ? entries : nil,
          weight: scope.offsetWeights?[query] ?? 1, largestTerm: scope.largestTerm(of: query),
          selected: scope.selected, keys: keys, capacity: room.capacity,
          terms: scope.probes?.terms == nil ? nil : terms, best: keys + room.capacity, shared))
    }
  }

  /// Searches groups of a list for all queries.
  mutating func search(_ groups: Range<Int>, of list: Int) throws(TesseraError) {
    members = Array(queries.indices)
    // Groups that stay in the second-level cache while all queries pass by.
    let step = max(1, (256 << 10) / max(1, scope.set.groups.groupBytes))
    for first in stride(from: groups.lowerBound, to: groups.upperBound, by: step) {
      try searchForMembers(first..<min(first + step, groups.upperBound), of: list)
    }
  }

  /// Searches the lists that the queries look at, list by list.
  ///
  /// - Parameter range: The task's queries among those of `probes`.
  mutating func search(_ probes: Probes, _ range: Range<Int>) throws(TesseraError) {
    let visits = ListVisits(probes, range, listCount: scope.set.lists.count)
    for visit in visits.rounds.joined() {
      members.removeAll(keepingCapacity: true)
      for query in visit.queries { members.append(Int(query)) }
      if let terms = probes.terms {
        for (query, entry) in zip(members, visit.entries) {
          queries[query].enter(term: terms[Int(entry)], shared)
        }
      }
      try searchForMembers(
        scope.set.groups.layout.panels(of: visit.list), of: visit.list)
      if probes.terms != nil {
        for query in members { queries[query].settleTerms() }
      }
    }
  }

  /// Searches groups of a list for ``members``.
  private mutating func searchForMembers(
    _ groups: Range<Int>, of list: Int
  ) throws(TesseraError) {
    let end = scope.set.placeEnd(of: list)
    var rest = members[...]
    while !rest.isEmpty {
      try StopSignal.check()
      let block = rest.prefix(blockSize)
      rest = rest.dropFirst(block.count)
      if block.allSatisfy({ queries[$0].canScan }) {
        scan(block, groups, end)
      } else {
        // One that cannot be scanned for is scored row by row.
        for query in block {
          if queries[query].canScan {
            scan([query], groups, end)
          } else {
            try scoreAll(query, groups, end)
          }
        }
      }
    }
  }

  /// Scans groups for a few queries at once.
  private mutating func scan(_ block: ArraySlice<Int>, _ groups: Range<Int>, _ end: Int) {
    var codes = shared.codes
    let (kernels, bits, rows) = (kernels, scope.set.bits, scope.set.groups.rows)
    for (place, query) in block.enumerated() { scans[place] = queries[query].scan }
    var next = groups.lowerBound
    while next < groups.upperBound {
      next =
        bits == 4
        ? kernels.scan_codes(&codes, next, groups.upperBound, end, scans, block.count)
        : kernels.scan_byte_codes(&codes, next, groups.upperBound, end, scans[0])
      guard next < groups.upperBound else { break }
      for query in block where queries[query].room < rows { queries[query].flush(shared) }
    }
  }

  /// Scores every selected row of some groups.
  private mutating func scoreAll(
    _ query: Int, _ groups: Range<Int>, _ end: Int
  ) throws(TesseraError) {
    let rows = scope.set.groups.rows
    for place in groups.lowerBound * rows..<min(groups.upperBound * rows, end)
    where scope.isSelected(place) {
      queries[query].append(place: place)
      if queries[query].room == 0 {
        try StopSignal.check()
        queries[query].flush(shared)
      }
    }
  }

  /// Calls `give` with the keys of each query's hits, best first, and returns what it took.
  mutating func finish(_ give: (Int, [UInt64]) -> Void) -> SearchStatistics {
    var statistics = SearchStatistics.none
    for index in queries.indices {
      give(index, queries[index].hits(shared))
      statistics.candidates += queries[index].passed
      statistics.rescored += queries[index].scored
    }
    return statistics
  }
}
