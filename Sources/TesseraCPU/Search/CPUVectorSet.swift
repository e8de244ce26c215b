internal import CSIMD
internal import Synchronization
internal import TesseraCompute
internal import TesseraHost

/// Rows packed for one filter or two.
final class CPUVectorSet: VectorSet, @unchecked Sendable {
  // Safe: written only by `init`, before anybody else sees the set.
  private let main: PackedRows
  /// A packing that is faster while no more than a share of the rows is asked for.
  private let few: (rows: PackedRows, share: Double)?
  /// The length of the longest row.
  private(set) var longest = 0.0
  /// Canonical sums of squares, kept where scores need them.
  private let rowSquares: HostStorage?
  /// The places of the lists in panels.
  let layout: PanelLayout
  /// For each panel, which of its places hold rows; nil where only the last one has room to spare.
  let filled: HostStorage?
  /// The ranks of the rows, where they are not in the order of their ids.
  private let rowRanks: HostStorage?

  /// - Throws: `.nonFinite`, naming rows of `name`; `.outOfMemory`.
  init(
    _ vectors: Vectors, in lists: RowLists, metric: Metric, filters: ChosenFilters,
    as name: String, kernels: Kernels, workers: WorkerPool
  ) throws(TesseraError) {
    precondition(panelWidth == PanelLayout.panelRows, "kernels have panels of another width")
    layout = PanelLayout(lists)
    let places = layout.placeCount
    let originals = try layout.originals()
    main = try PackedRows(
      filters.main, dimension: vectors.dimension, rowCount: places, originals: originals)
    few =
      if let (filter, share) = filters.few {
        (
          try PackedRows(
            filter, dimension: vectors.dimension, rowCount: places, originals: originals), share
        )
      } else { nil }
    rowSquares = metric == .cosine ? try HostStorage(allocating: vectors.count * 8) : nil
    filled = layout.hasGaps ? try HostStorage(allocating: layout.panelCount * 4) : nil
    if let ranks = lists.ids.ranks {
      rowRanks = try HostStorage(allocating: ranks.count * 4)
      rowRanks?.int32s.update(from: ranks, count: ranks.count)
    } else {
      rowRanks = nil
    }
    super.init(vectors, in: lists, metric: metric)
    if let filled {
      let words = filled.start(as: UInt32.self)
      layout.forEachPanel(of: 0..<lists.count) { words[$0] = .lowBits($1.count) }
    }

    let squares = try pack(into: main, as: name, kernels, workers)
    longest = squares.squareRoot()
    if let few { _ = try pack(into: few.rows, as: name, kernels, workers) }
  }

  /// Packs all rows and returns the largest sum of squares.
  private func pack(
    into target: PackedRows, as name: String, _ kernels: Kernels, _ workers: WorkerPool
  ) throws(TesseraError) -> Double {
    let nonFinite = Mutex<[Int]>([])
    let largest = Mutex(0.0)
    try workers.split(target.panelCount, minimum: 16) { [self] panels throws(TesseraError) in
      let packer = try PanelPacker(vectors, metric: metric, into: target, kernels: kernels)
      var mine = 0.0
      for panel in panels {
        if panel % 16 == 0 { try StopSignal.check() }
        let rows = layout.rows(of: panel)
        let bad = packer.pack(rows, into: panel)
        if !bad.isEmpty { nonFinite.withLock { $0 += bad } }
        for index in 0..<rows.count {
          mine = max(mine, packer.squares.doubles[index])
          rowSquares?.doubles[rows.lowerBound + index] = packer.squares.doubles[index]
        }
      }
      largest.withLock { $0 = max($0, mine) }
    }
    let rows = nonFinite.withLock { $0.sorted() }
    guard rows.isEmpty else { throw Shapes.nonFinite(name, rows: rows) }
    return largest.withLock(\.self)
  }

  /// The packing that suits a search for `k` of `rows` rows.
  func suited(to k: Int, of rows: Int) -> PackedRows {
    if let few, Double(k) <= few.share * Double(rows) { few.rows } else { main }
  }

  override var residentBytes: Int {
    [rowSquares, filled, rowRanks, main.originals].reduce(
      main.residentBytes + (few?.rows.residentBytes ?? 0)
    ) { $0 + ($1?.byteCount ?? 0) }
  }

  /// Returns the value that `residentBytes` will have with one filter.
  static func residentBytes(
    rows: Int, dimension: Int, metric: Metric, filter: Filter
  ) -> Int {
    PackedRows.residentBytes(rows: rows, dimension: dimension, filter: filter)
      + (metric == .cosine ? rows * 8 : 0)
  }

  /// The rank of each row, where rows are not in the order of their ids.
  var ranks: UnsafePointer<Int32>? { rowRanks.map { UnsafePointer($0.int32s) } }

  func rank(of row: Int) -> Int { ranks.map { Int($0[row]) } ?? row }

  /// The canonical sum of squares of each row, where the metric has a use for them.
  var squares: UnsafePointer<Double>? { rowSquares.map { UnsafePointer($0.doubles) } }
}
