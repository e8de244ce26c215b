internal import CSIMD
internal import Synchronization
internal import TesseraCompute

/// Rows packed into panels for one filter, with what its bound needs of each row.
final class CPUVectorSet: VectorSet, @unchecked Sendable {
  // Safe: written only by `init`, before anybody else sees the set.
  let filter: Filter
  let panelCount: Int
  /// The length of the longest row.
  private(set) var longest = 0.0
  private let values: HostStorage
  private let rowFloats: HostStorage
  private let panelFloats: HostStorage
  /// Canonical sums of squares, kept where scores need them.
  private let rowSquares: HostStorage?
  /// The same rows under a filter that is faster while no more than a share of them is asked for.
  private var few: (set: CPUVectorSet, share: Double)?

  /// The rows under the filters chosen for them.
  ///
  /// - Throws: `.nonFinite`, naming rows of `name`; `.outOfMemory`.
  convenience init(
    _ vectors: Vectors, metric: Metric, firstID: Int64, filters: ChosenFilters, as name: String,
    kernels: Kernels, workers: Workers
  ) throws(TesseraError) {
    try self.init(
      vectors, metric: metric, firstID: firstID, filter: filters.main, as: name, kernels: kernels,
      workers: workers)
    if let (filter, share) = filters.few {
      let set = try CPUVectorSet(
        vectors, metric: metric, firstID: firstID, filter: filter, as: name, kernels: kernels,
        workers: workers)
      few = (set, share)
    }
  }

  /// The packing that suits a search for `k` hits.
  func suited(to k: Int) -> CPUVectorSet {
    if let few, Double(k) <= few.share * Double(count) { few.set } else { self }
  }

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
    rowFloats = try HostStorage(allocating: paddedCount * Self.floatsPerRow(filter) * 4)
    panelFloats = try HostStorage(allocating: panelCount * Self.floatsPerPanel * 4)
    rowSquares = metric == .cosine ? try HostStorage(allocating: paddedCount * 8) : nil
    super.init(vectors, metric: metric, firstID: firstID)

    let nonFinite = Mutex<[Int]>([])
    let longestSquares = Mutex(0.0)
    try workers.split(panelCount, minimum: 16) { [self] panels throws(TesseraError) in
      let packer = try PanelPacker(dimension: dimension, filter, kernels)
      var largest = 0.0
      for panel in panels {
        let bad = pack(panel, with: packer, kernels)
        if !bad.isEmpty { nonFinite.withLock { $0 += bad } }
        largest = max(largest, packer.largestSquares)
      }
      longestSquares.withLock { $0 = max($0, largest) }
    }
    let rows = nonFinite.withLock { $0.sorted() }
    guard rows.isEmpty else { throw Shapes.nonFinite(name, rows: rows) }
    longest = longestSquares.withLock { $0.squareRoot() }
  }

  /// Scratch for one worker: a panel's rows as Float32, and their sums of squares.
  private struct PanelPacker {
    let rows: HostStorage
    let squares: HostStorage
    let quantized: HostStorage
    /// Coordinates along leading directions, and what finding them needs.
    let coordinates: HostStorage
    let scratch: HostStorage

    /// Of the rows at hand.
    var largestSquares: Double {
      UnsafeBufferPointer(start: squares.doubles, count: panelWidth).max() ?? 0
    }

    init(dimension: Int, _ filter: Filter, _ kernels: Kernels) throws(TesseraError) {
      rows = try HostStorage(allocating: panelWidth * dimension * 4)
      squares = try HostStorage(allocating: panelWidth * 8)
      squares.doubles.update(repeating: 0, count: panelWidth)
      quantized = try HostStorage(
        allocating: panelWidth * MemoryLayout<csimd_quantized>.stride)
      if case .leading(let basis) = filter {
        coordinates = try HostStorage(allocating: panelWidth * basis.width * 4)
        scratch = try HostStorage(allocating: basis.scratchBytes(kernels))
      } else {
        coordinates = try HostStorage(allocating: 0)
        scratch = coordinates
      }
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
      if case .leading = filter { reach[row] = 0 }
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
    case .leading(let basis):
      let results = packer.quantized.start(as: csimd_quantized.self)
      let coordinates = packer.coordinates.floats
      basis.project(
        packer.rows.floats, count: rowCount, into: coordinates, scratch: packer.scratch,
        kernels: kernels)
      table.pack_quantized(
        coordinates, basis.width, rowCount, filter.zero, 0,
        target.assumingMemoryBound(to: UInt8.self), results)
      for r in 0..<rowCount {
        let remainder = Remainder(
          metric, squares: squares[r],
          coordinateSquares: kernels.squares(
            coordinates + r * basis.width, dimension: basis.width),
          slack: basis.slack)
        let row = QuantizedBound.row(
          metric, squares: squares[r], remainder.extending(results[r], metric))
        (scale[first + r], sum[first + r], offset[first + r]) = (row.scale, row.sum, row.offset)
        error = (max(error.e, row.e), max(error.f, row.f), max(error.g, row.g))
        reach[first + r] = QuantizedBound.reach(metric, squares: squares[r], remainder)
      }
    }
    (e[panel], f[panel], g[panel]) = error
    if let kept = rowSquares {
      kept.doubles.advanced(by: first).update(
        from: squares.baseAddress.unsafelyUnwrapped, count: rowCount)
    }
    return []
  }

  private static func floatsPerRow(_ filter: Filter) -> Int {
    if case .leading = filter { 4 } else { 3 }
  }
  private static let floatsPerPanel = 3
  private var scale: UnsafeMutablePointer<Float> { rowFloats.floats }
  private var offset: UnsafeMutablePointer<Float> { rowFloats.floats + panelCount * panelWidth }
  private var sum: UnsafeMutablePointer<Float> { rowFloats.floats + 2 * panelCount * panelWidth }
  /// Only of leading directions.
  private var reach: UnsafeMutablePointer<Float> { rowFloats.floats + 3 * panelCount * panelWidth }
  private var e: UnsafeMutablePointer<Float> { panelFloats.floats }
  private var f: UnsafeMutablePointer<Float> { panelFloats.floats + panelCount }
  private var g: UnsafeMutablePointer<Float> { panelFloats.floats + 2 * panelCount }

  override var residentBytes: Int {
    let kept = [values, rowFloats, panelFloats].reduce(0) { $0 + $1.byteCount }
    return kept + (rowSquares?.byteCount ?? 0) + filter.residentBytes
      + (few?.set.residentBytes ?? 0)
  }

  /// What `residentBytes` will be.
  static func residentBytes(
    rows: Int, dimension: Int, metric: Metric, filter: Filter
  ) -> Int {
    let panels = (rows + panelWidth - 1) / panelWidth
    let perRow = floatsPerRow(filter) * 4 + (metric == .cosine ? 8 : 0)
    return panels
      * (filter.panelBytes(dimension: dimension) + panelWidth * perRow + floatsPerPanel * 4)
  }

  /// The packed rows as the C kernels see them. Valid while the set is alive.
  var kernelPanels: csimd_panels {
    var hasReach = false
    if case .leading = filter { hasReach = true }
    return csimd_panels(
      values: values.bytes.baseAddress, scale: scale, offset: offset, sum: sum,
      reach: hasReach ? UnsafePointer(reach) : nil, e: e, f: f, g: g,
      dimension: filter.width(dimension: dimension), row_count: count, zero: filter.zero)
  }

  /// The canonical sum of squares of each row, where the metric has a use for them.
  var squares: UnsafePointer<Double>? { rowSquares.map { UnsafePointer($0.doubles) } }
}

extension HostStorage {
  var floats: UnsafeMutablePointer<Float> { start(as: Float.self) }
  var doubles: UnsafeMutablePointer<Double> { start(as: Double.self) }

  func start<Element>(as _: Element.Type) -> UnsafeMutablePointer<Element> {
    // Aligned allocations are never null, not even of 0 bytes.
    bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Element.self)
  }
}
