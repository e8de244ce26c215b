internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// Holds what all tasks of a search among codes go over.
struct CodeScope: @unchecked Sendable {
  // Safe: nothing is written after `init`.
  let kernels: Kernels
  let set: CPUCodeSet
  let tables: HostSpan<Float>
  let offsetWeights: [Float]?
  let codewords: Int
  let probes: Probes?
  let order: ScoreOrder
  let limit: Limit
  /// Marks the rows of every 32 places that may be hits; nil if all may.
  let masks: HostStorage?

  var selected: UnsafePointer<UInt32>? {
    masks.map { UnsafePointer($0.start(as: UInt32.self)) }
  }

  func isSelected(_ place: Int) -> Bool {
    selected.map { $0[place / 32] >> UInt32(place % 32) & 1 != 0 } ?? true
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

  /// The longest term of a query; NaN if one is.
  func largestTerm(of query: Int) -> Float {
    guard let probes, let terms = probes.terms else { return 0 }
    return terms[probes.starts[query]..<probes.starts[query + 1]].reduce(0) {
      abs($1) <= $0 ? $0 : $0.isNaN ? $0 : abs($1)
    }
  }

  /// The room that a task has for each query.
  struct Room {
    /// Rows that may pass before they are scored.
    let capacity: Int
    /// Tell where things begin, and the bytes of it all. Keys come first: of rows that passed, then of rows that
    /// have been scored.
    let termStart: Int
    let scanStart: Int
    let tableStart: Int
    let byteCount: Int

    init(_ scope: CodeScope, rows: Int) {
      let k = if case .k(let k) = scope.limit { min(k, rows) } else { 0 }
      let groupRows = scope.set.groups.rows
      // Room that holds every row never runs out. Scans take up to four groups at once.
      capacity = max(4 * groupRows, min(rows + 4 * groupRows, 2 * k + 128))
      termStart = (capacity + (k > 0 ? k + capacity : 0)) * 8
      let hasTerms = scope.probes?.terms != nil
      scanStart = (termStart + (hasTerms ? capacity * 4 : 0) + 63) / 64 * 64
      tableStart = (scanStart + MemoryLayout<csimd_code_query>.stride + 63) / 64 * 64
      byteCount = tableStart + (scope.set.groups.tableBytes + 63) / 64 * 64
    }
  }
}
