internal import CSIMD
internal import Synchronization
internal import TesseraCompute

/// Rows packed into panels for one filter, with what its bound needs of each row.
final class CPUVectorSet: VectorSet, @unchecked Sendable {
  // Safe: written only by `init`, before anybody else sees the set.
  let filter: Filter
  let panelCount: Int
  /// Of a quantized set: no row, nor what it is rounded to, is longer.
  private(set) var longestRow = 0.0
  private let values: HostStorage
  private let rowFloats: HostStorage
  private let panelFloats: HostStorage
  /// Canonical sums of squares, kept where scores need them.
  private let squares: HostStorage?

  /// - Throws: `.nonFinite`, naming rows of `name`; `.outOfMemory`.
  init(
    _ vectors: Vectors, metric: Metric, firstID: Int64, filter: Filter, as name: String,
    kernels: Kernels, workers: Workers
  ) throws(TesseraError) {
    let panelCount = (vectors.count + panelWidth - 1) / panelWidth
    let paddedCount = panelCount * panelWidth
    self.filter = filter
    self.panelCount = panelCount
    values = try HostStorage(
      allocating: panelCount * filter.panelBytes(dimension: vectors.dimension))
    rowFloats = try HostStorage(allocating: paddedCount * Self.floatsPerRow * 4)
    panelFloats = try HostStorage(allocating: panelCount * Self.floatsPerPanel * 4)
    squares = metric == .cosine ? try HostStorage(allocating: paddedCount * 8) : nil
    super.init(vectors, metric: metric, firstID: firstID)

    let nonFinite = Mutex<[Int]>([])
    try workers.split(panelCount, minimum: 16) { [self] panels throws(TesseraError) in
      let packer = try PanelPacker(dimension: dimension)
      for panel in panels {
        let bad = pack(panel, with: packer, kernels)
        if !bad.isEmpty { nonFinite.withLock { $0 += bad } }
      }
    }
    let rows = nonFinite.withLock { $0.sorted() }
    guard rows.isEmpty else { throw Shapes.nonFinite(name, rows: rows) }
    longestRow = UnsafeBufferPointer(start: f, count: panelCount).reduce(0) {
      max($0, Double($1))
    }
  }

  /// Scratch for one worker: a panel's rows as Float32, and their sums of squares.
  private struct PanelPacker {
    let rows: HostStorage
    let squares: HostStorage
    let quantized: HostStorage

    init(dimension: Int) throws(TesseraError) {
      rows = try HostStorage(allocating: panelWidth * dimension * 4)
      squares = try HostStorage(allocating: panelWidth * 8)
      quantized = try HostStorage(
        allocating: panelWidth * MemoryLayout<csimd_quantized>.stride)
    }
  }

  /// Packs one panel and returns the rows in it that are not finite.
  private func pack(_ panel: Int, with packer: PanelPacker, _ kernels: Kernels) -> [Int] {
    let first = panel * panelWidth
    let rowCount = min(panelWidth, count - first)
    let squares = UnsafeMutableBufferPointer(start: packer.squares.doubles, count: rowCount)
    let table = kernels.table.pointee
    table.widen_rows(
      vectors.kernelRows, first, rowCount, packer.rows.floats, packer.squares.doubles)
    let bad = squares.indices.filter { !squares[$0].isFinite }
    guard bad.isEmpty else { return bad.map { first + $0 } }
    let target =
      values.bytes.baseAddress.unsafelyUnwrapped
      + panel * filter.panelBytes(dimension: dimension)
    var error: (e: Float, f: Float, g: Float) = (0, 0, 0)
    for row in first..<first + panelWidth {
      scale[row] = 0
      offset[row] = 0
      sum[row] = 0
    }
    switch filter {
    case .float32:
      table.pack(
        packer.rows.floats, dimension, rowCount, target.assumingMemoryBound(to: Float.self))
      for r in 0..<rowCount {
        (scale[first + r], offset[first + r]) = Float32Bound.row(metric, squares: squares[r])
      }
      error = Float32Bound.panel(metric, squares: squares)
    case .quantized(let zero, let exact):
      let results = packer.quantized.start(as: csimd_quantized.self)
      table.pack_quantized(
        packer.rows.floats, dimension, rowCount, zero, exact ? 1 : 0,
        target.assumingMemoryBound(to: UInt8.self), results)
      for r in 0..<rowCount {
        let row = QuantizedBound.row(metric, squares: squares[r], results[r])
        (scale[first + r], sum[first + r], offset[first + r]) = (row.scale, row.sum, row.offset)
        error = (max(error.e, row.e), max(error.f, row.f), max(error.g, row.g))
      }
    }
    (e[panel], f[panel], g[panel]) = error
    if let kept = self.squares {
      kept.doubles.advanced(by: first).update(
        from: squares.baseAddress.unsafelyUnwrapped, count: rowCount)
    }
    return []
  }

  private static let floatsPerRow = 3
  private static let floatsPerPanel = 3
  private var scale: UnsafeMutablePointer<Float> { rowFloats.floats }
  private var offset: UnsafeMutablePointer<Float> { rowFloats.floats + panelCount * panelWidth }
  private var sum: UnsafeMutablePointer<Float> { rowFloats.floats + 2 * panelCount * panelWidth }
  private var e: UnsafeMutablePointer<Float> { panelFloats.floats }
  private var f: UnsafeMutablePointer<Float> { panelFloats.floats + panelCount }
  private var g: UnsafeMutablePointer<Float> { panelFloats.floats + 2 * panelCount }

  override var residentBytes: Int {
    [values, rowFloats, panelFloats].reduce(squares?.byteCount ?? 0) { $0 + $1.byteCount }
  }

  /// What `residentBytes` will be.
  static func residentBytes(
    rows: Int, dimension: Int, metric: Metric, filter: Filter
  ) -> Int {
    let panels = (rows + panelWidth - 1) / panelWidth
    let perRow = floatsPerRow * 4 + (metric == .cosine ? 8 : 0)
    return panels
      * (filter.panelBytes(dimension: dimension) + panelWidth * perRow + floatsPerPanel * 4)
  }

  /// The packed rows as the C kernels see them. Valid while the set is alive.
  var kernelPanels: csimd_panels {
    var zero: Int32 = 0
    if case .quantized(let filterZero, _) = filter { zero = filterZero }
    return csimd_panels(
      values: values.bytes.baseAddress, scale: scale, offset: offset, sum: sum, e: e, f: f, g: g,
      dimension: dimension, row_count: count, zero: zero)
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
