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

  /// - Throws: `.nonFinite`, naming rows of `name`; `.outOfMemory`.
  init(
    _ vectors: Vectors, metric: Metric, firstID: Int64, filters: ChosenFilters, as name: String,
    kernels: Kernels, workers: WorkerPool
  ) throws(TesseraError) {
    main = try PackedRows(
      filters.main, dimension: vectors.dimension, rowCount: vectors.count)
    few =
      if let (filter, share) = filters.few {
        (
          try PackedRows(filter, dimension: vectors.dimension, rowCount: vectors.count), share
        )
      } else { nil }
    rowSquares = metric == .cosine ? try HostStorage(allocating: vectors.count * 8) : nil
    super.init(vectors, metric: metric, firstID: firstID)

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
        let bad = packer.pack(panel)
        if !bad.isEmpty { nonFinite.withLock { $0 += bad } }
        let rows = panel * panelWidth..<min(count, (panel + 1) * panelWidth)
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
    main.residentBytes + (few?.rows.residentBytes ?? 0) + (rowSquares?.byteCount ?? 0)
  }

  /// Returns the value that `residentBytes` will have with one filter.
  static func residentBytes(
    rows: Int, dimension: Int, metric: Metric, filter: Filter
  ) -> Int {
    PackedRows.residentBytes(rows: rows, dimension: dimension, filter: filter)
      + (metric == .cosine ? rows * 8 : 0)
  }

  /// The canonical sum of squares of each row, where the metric has a use for them.
  var squares: UnsafePointer<Double>? { rowSquares.map { UnsafePointer($0.doubles) } }
}
