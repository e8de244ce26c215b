internal import CSIMD
internal import TesseraCompute

/// One worker's way from rows to panels, and the scratch it needs.
struct PanelPacker {
  private let target: PackedRows
  private let vectors: Vectors
  private let metric: Metric
  private let kernels: Kernels
  /// A panel's rows as Float32, and their canonical sums of squares.
  private let rows: HostStorage
  let squares: HostStorage
  private let quantized: HostStorage
  /// Coordinates along leading directions, and what finding them needs.
  private let coordinates: HostStorage
  private let scratch: HostStorage

  init(
    _ vectors: Vectors, metric: Metric, into target: PackedRows, kernels: Kernels
  ) throws(TesseraError) {
    self.target = target
    self.vectors = vectors
    self.metric = metric
    self.kernels = kernels
    rows = try HostStorage(allocating: panelWidth * vectors.dimension * 4)
    squares = try HostStorage(allocating: panelWidth * 8)
    quantized = try HostStorage(allocating: panelWidth * MemoryLayout<csimd_quantized>.stride)
    if case .leading(let basis) = target.filter {
      coordinates = try HostStorage(allocating: panelWidth * basis.width * 4)
      scratch = try HostStorage(allocating: basis.scratchBytes(kernels))
    } else {
      coordinates = try HostStorage(allocating: 0)
      scratch = coordinates
    }
  }

  /// Packs rows into one panel and returns those that are not finite.
  func pack(_ source: Range<Int>, into panel: Int) -> [Int] {
    let first = panel * panelWidth
    let rowCount = source.count
    let dimension = vectors.dimension
    let squares = UnsafeMutableBufferPointer(start: squares.doubles, count: rowCount)
    let table = kernels.table.pointee
    table.widen_rows(
      vectors.kernelRows, source.lowerBound, rowCount, rows.floats, self.squares.doubles)
    let bad = squares.indices.filter { !squares[$0].isFinite }
    guard bad.isEmpty else { return bad.map { source.lowerBound + $0 } }
    let values = target.panel(panel)
    var error: (e: Float, f: Float, g: Float) = (0, 0, 0)
    for row in first..<first + panelWidth {
      (target.scale[row], target.offset[row], target.sum[row]) = (0, 0, 0)
      target.reach?[row] = 0
    }
    switch target.filter {
    case .float32:
      table.pack(
        rows.floats, dimension, rowCount, values.assumingMemoryBound(to: Float.self))
      for r in 0..<rowCount {
        (target.scale[first + r], target.offset[first + r]) = Float32Bound.row(
          metric, squares: squares[r])
      }
      error = Float32Bound.panel(metric, squares: squares)
    case .quantized(let zero, let exact):
      let results = quantized.start(as: csimd_quantized.self)
      table.pack_quantized(
        rows.floats, dimension, rowCount, zero, exact ? 1 : 0,
        values.assumingMemoryBound(to: UInt8.self), results)
      for r in 0..<rowCount {
        let row = QuantizedBound.row(metric, squares: squares[r], results[r])
        (target.scale[first + r], target.sum[first + r], target.offset[first + r]) = (
          row.scale, row.sum, row.offset
        )
        error = (max(error.e, row.e), max(error.f, row.f), max(error.g, row.g))
      }
    case .leading(let basis):
      let results = quantized.start(as: csimd_quantized.self)
      let coordinates = coordinates.floats
      basis.project(
        rows.floats, count: rowCount, into: coordinates, scratch: scratch,
        kernels: kernels)
      table.pack_quantized(
        coordinates, basis.width, rowCount, target.filter.zero, 0,
        values.assumingMemoryBound(to: UInt8.self), results)
      for r in 0..<rowCount {
        let remainder = Remainder(
          metric, squares: squares[r],
          coordinateSquares: kernels.squares(
            coordinates + r * basis.width, dimension: basis.width),
          slack: basis.slack)
        let row = QuantizedBound.row(
          metric, squares: squares[r], remainder.extending(results[r], metric))
        (target.scale[first + r], target.sum[first + r], target.offset[first + r]) = (
          row.scale, row.sum, row.offset
        )
        error = (max(error.e, row.e), max(error.f, row.f), max(error.g, row.g))
        target.reach?[first + r] = QuantizedBound.reach(metric, squares: squares[r], remainder)
      }
    }
    (target.e[panel], target.f[panel], target.g[panel]) = error
    return []
  }
}
