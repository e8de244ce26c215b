internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// Rows packed into panels for one filter, with what its bound needs of each row.
final class PackedRows: @unchecked Sendable {
  // Safe: written only while the set it belongs to is prepared.
  let filter: Filter
  let dimension: Int
  /// The places there are for rows, one after the other.
  let rowCount: Int
  let panelCount: Int
  private let values: HostStorage
  private let rowFloats: HostStorage
  private let panelFloats: HostStorage
  /// The numbers of the packed rows in the set, where they are not their places; else nil.
  let originals: HostStorage?

  /// Room for `rowCount` rows.
  ///
  /// - Throws: `.outOfMemory`.
  init(
    _ filter: Filter, dimension: Int, rowCount: Int, originals: HostStorage? = nil
  ) throws(TesseraError) {
    self.filter = filter
    self.dimension = dimension
    self.rowCount = rowCount
    self.originals = originals
    panelCount = (rowCount + panelWidth - 1) / panelWidth
    values = try HostStorage(allocating: panelCount * filter.panelBytes(dimension: dimension))
    rowFloats = try HostStorage(
      allocating: panelCount * panelWidth * Self.floatsPerRow(filter) * 4)
    panelFloats = try HostStorage(allocating: panelCount * Self.floatsPerPanel * 4)
  }

  private static func floatsPerRow(_ filter: Filter) -> Int {
    if case .leading = filter { 4 } else { 3 }
  }
  private static let floatsPerPanel = 3

  private func rowFloats(_ index: Int) -> UnsafeMutablePointer<Float> {
    rowFloats.floats + index * panelCount * panelWidth
  }
  var scale: UnsafeMutablePointer<Float> { rowFloats(0) }
  var offset: UnsafeMutablePointer<Float> { rowFloats(1) }
  var sum: UnsafeMutablePointer<Float> { rowFloats(2) }
  /// The rows' reach; only for a filter on leading directions.
  var reach: UnsafeMutablePointer<Float>? {
    if case .leading = filter { rowFloats(3) } else { nil }
  }
  var e: UnsafeMutablePointer<Float> { panelFloats.floats }
  var f: UnsafeMutablePointer<Float> { panelFloats.floats + panelCount }
  var g: UnsafeMutablePointer<Float> { panelFloats.floats + 2 * panelCount }

  /// The numbers of one panel.
  func panel(_ index: Int) -> UnsafeMutableRawPointer {
    values.bytes.baseAddress.unsafelyUnwrapped + index * filter.panelBytes(dimension: dimension)
  }

  /// The packed rows as the C kernels see them. Valid while this is alive.
  var kernelPanels: csimd_panels {
    csimd_panels(
      values: values.bytes.baseAddress, scale: scale, offset: offset, sum: sum,
      reach: reach.map { UnsafePointer($0) }, e: e, f: f, g: g, selected: nil,
      dimension: filter.width(dimension: dimension), row_count: rowCount, zero: filter.zero)
  }

  var residentBytes: Int {
    [values, rowFloats, panelFloats].reduce(filter.residentBytes) { $0 + $1.byteCount }
  }

  /// Returns the value that `residentBytes` will have.
  static func residentBytes(rows: Int, dimension: Int, filter: Filter) -> Int {
    let panels = (rows + panelWidth - 1) / panelWidth
    return filter.residentBytes
      + panels
      * (filter.panelBytes(dimension: dimension) + panelWidth * floatsPerRow(filter) * 4
        + floatsPerPanel * 4)
  }

  /// Some of the rows, packed close together.
  ///
  /// - Parameter rows: `count` row numbers, rising.
  /// - Throws: `.outOfMemory`.
  func gathering(
    _ rows: HostStorage, count: Int, workers: WorkerPool
  ) throws(TesseraError) -> PackedRows {
    let target = try PackedRows(filter, dimension: dimension, rowCount: count, originals: rows)
    try workers.split(target.panelCount, minimum: 4) { panels in
      for panel in panels { gather(rows.start(as: Int32.self), into: panel, of: target) }
    }
    return target
  }

  private func gather(
    _ rows: UnsafePointer<Int32>, into panel: Int, of target: PackedRows
  ) {
    // Whatever the filter, a panel is made of columns of one 4-byte word a row.
    let columns = filter.panelBytes(dimension: dimension) / (panelWidth * 4)
    let to = target.panel(panel).assumingMemoryBound(to: UInt32.self)
    (target.e[panel], target.f[panel], target.g[panel]) = (0, 0, 0)
    for place in 0..<panelWidth {
      let row = panel * panelWidth + place
      guard row < target.rowCount else {
        // The kernels look at whole panels.
        for column in 0..<columns { to[column * panelWidth + place] = 0 }
        (target.scale[row], target.offset[row], target.sum[row]) = (0, 0, 0)
        target.reach?[row] = 0
        continue
      }
      let source = Int(rows[row])
      let from =
        self.panel(source / panelWidth).assumingMemoryBound(to: UInt32.self) + source % panelWidth
      for column in 0..<columns {
        to[column * panelWidth + place] = from[column * panelWidth]
      }
      (target.scale[row], target.offset[row], target.sum[row]) =
        (scale[source], offset[source], sum[source])
      if let reach { target.reach?[row] = reach[source] }
      let home = source / panelWidth
      target.e[panel] = max(target.e[panel], e[home])
      target.f[panel] = max(target.f[panel], f[home])
      target.g[panel] = max(target.g[panel], g[home])
    }
  }
}

extension HostStorage {
  var floats: UnsafeMutablePointer<Float> { start(as: Float.self) }
  var doubles: UnsafeMutablePointer<Double> { start(as: Double.self) }
  var int32s: UnsafeMutablePointer<Int32> { start(as: Int32.self) }

  func start<Element>(as _: Element.Type) -> UnsafeMutablePointer<Element> {
    // Aligned allocations are never null, not even of 0 bytes.
    bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Element.self)
  }
}

extension PanelLayout {
  /// The row at each place of the panels, where a panel before the last has room to spare; there 0.
  ///
  /// - Throws: `.outOfMemory`.
  func originals() throws(TesseraError) -> HostStorage? {
    guard hasGaps else { return nil }
    let rows = try HostStorage(allocating: panelCount * panelWidth * 4)
    rows.int32s.update(repeating: 0, count: panelCount * panelWidth)
    for list in 0..<lists.count {
      let start = panels(of: list).lowerBound * panelWidth
      for (place, row) in lists[list].enumerated() { rows.int32s[start + place] = Int32(row) }
    }
    return rows
  }
}
