internal import CSIMD
internal import Synchronization
internal import TesseraCompute

/// Rows packed into Float32 panels, with what the filter and its bound need of each row.
final class CPUVectorSet: VectorSet, @unchecked Sendable {
  // Safe: written only by `init`, before anybody else sees the set.
  let panelCount: Int
  private let panels: HostStorage
  private let scale: HostStorage
  private let offset: HostStorage
  private let e: HostStorage
  private let f: HostStorage
  /// Canonical sums of squares, kept where scores need them.
  private let squares: HostStorage?

  /// - Throws: `.nonFinite`, naming rows; `.outOfMemory`.
  init(
    _ vectors: Vectors, metric: Metric, firstID: Int64, kernels: Kernels, workers: Workers
  ) throws(TesseraError) {
    let panelCount = (vectors.count + panelWidth - 1) / panelWidth
    let paddedCount = panelCount * panelWidth
    self.panelCount = panelCount
    let panels = try HostStorage(allocating: paddedCount * vectors.dimension * 4)
    let scale = try HostStorage(allocating: paddedCount * 4)
    let offset = try HostStorage(allocating: paddedCount * 4)
    let e = try HostStorage(allocating: panelCount * 4)
    let f = try HostStorage(allocating: panelCount * 4)
    let squares = metric == .cosine ? try HostStorage(allocating: paddedCount * 8) : nil

    let nonFinite = Mutex<[Int]>([])
    try workers.split(panelCount, minimum: 16) { range throws(TesseraError) in
      let row = try HostStorage(allocating: vectors.dimension * 4)
      withUnsafeTemporaryAllocation(of: Double.self, capacity: panelWidth) { rowSquares in
        for panel in range {
          let first = panel * panelWidth
          let count = min(panelWidth, vectors.count - first)
          rowSquares.initialize(repeating: 0)
          kernels.table.pointee.pack_panel(
            vectors.kernelRows, first, count, panels.floats + first * vectors.dimension,
            rowSquares.baseAddress, row.floats)
          for r in 0..<panelWidth {
            let (rowScale, rowOffset) = FilterBound.row(metric, squares: rowSquares[r])
            scale.floats[first + r] = rowScale
            offset.floats[first + r] = rowOffset
            squares?.doubles[first + r] = rowSquares[r]
          }
          (e.floats[panel], f.floats[panel]) = FilterBound.panel(metric, squares: rowSquares)
          let bad = (0..<count).filter { !rowSquares[$0].isFinite }
          if !bad.isEmpty { nonFinite.withLock { $0 += bad.map { first + $0 } } }
        }
      }
    }
    let rows = nonFinite.withLock { $0.sorted() }
    guard rows.isEmpty else { throw Shapes.nonFinite("prepare", rows: rows) }

    self.panels = panels
    self.scale = scale
    self.offset = offset
    self.e = e
    self.f = f
    self.squares = squares
    super.init(vectors, metric: metric, firstID: firstID)
  }

  override var residentBytes: Int {
    [panels, scale, offset, e, f].reduce(squares?.byteCount ?? 0) { $0 + $1.byteCount }
  }

  /// What `residentBytes` will be.
  static func residentBytes(rows: Int, dimension: Int, metric: Metric) -> Int {
    let panels = (rows + panelWidth - 1) / panelWidth
    return panels * (panelWidth * (dimension * 4 + 8 + (metric == .cosine ? 8 : 0)) + 8)
  }

  /// The packed rows as the C kernels see them. Valid while the set is alive.
  var kernelPanels: csimd_panels {
    csimd_panels(
      panels: panels.floats, scale: scale.floats, offset: offset.floats, e: e.floats, f: f.floats,
      dimension: dimension, row_count: count)
  }

  /// The canonical sum of squares of a row; 0 where the metric has no use for it.
  func squares(_ row: Int32) -> Double { squares?.doubles[Int(row)] ?? 0 }
}

extension HostStorage {
  var floats: UnsafeMutablePointer<Float> { start(as: Float.self) }
  var doubles: UnsafeMutablePointer<Double> { start(as: Double.self) }

  func start<Element>(as _: Element.Type) -> UnsafeMutablePointer<Element> {
    // Aligned allocations are never null, not even of 0 bytes.
    bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Element.self)
  }
}
