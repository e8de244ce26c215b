internal import TesseraCompute

/// One launch of a filter: its kernel, and what of the arguments and the grid depends on whether
/// numbers are rounded.
struct FilterLaunch {
  let kernel: String
  let source: KernelSource
  /// Panels and terms of the rows.
  let rows: [KernelArgument]
  let queries: KernelArgument
  /// The arguments that come after those which all filters have.
  let trailing: [KernelArgument]
  let grid: Grid

  init(
    _ device: OpenCLDevice, _ visit: SegmentVisit, queries memory: SearchMemory,
    _ filter: SearchFilter, queryCount: Int, panelCount: Int, dimension: Int,
    _ values: LaunchValues
  ) {
    let segment = visit.segment
    let kept = [visit.kept, visit.work?.entries, visit.work?.starts].compactMap { storage in
      storage.map { KernelArgument.all(of: $0, as: UInt32.self) }
    }
    if let unit = device.matrixUnit, filter != .float32, let rounded = segment.rounded,
      let roundedQueries = memory.rounded?.queries
    {
      let tile = MatrixTile(unit, queryCount: queryCount, values)
      kernel = "search_matrix"
      source = tile.source(filter, isSelected: !kept.isEmpty)
      rows = [
        .all(of: rounded.panels, as: SIMD4<UInt32>.self), .all(of: rounded.terms, as: Float.self),
      ]
      queries = .all(of: roundedQueries, as: SIMD4<UInt32>.self)
      trailing = kept
      grid = tile.grid(queryCount: queryCount, panelCount: panelCount, dimension: dimension)
    } else {
      let shape = FilterShape(
        device, queryCount: queryCount, panelCount: panelCount, dimension: dimension, values)
      kernel = "search_filter"
      let places = visit.work != nil ? ["LISTS": 1] : kept.isEmpty ? [:] : ["SELECTED": 1]
      source = KernelSource("search_filter", shape.macros.merging(places) { $1 })
      rows = [
        .all(of: segment.panels, as: Float.self), .all(of: segment.terms, as: Float.self),
      ]
      queries = .all(of: memory.queries, as: Float.self)
      trailing = kept + shape.arguments
      grid = shape.grid
    }
  }
}
