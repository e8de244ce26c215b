internal import TesseraCompute

/// Spreads one launch of a filter over a device: macros, trailing arguments and grid.
struct FilterShape {
  let macros: [String: Int]
  let arguments: [KernelArgument]
  let grid: Grid

  init(macros: [String: Int], arguments: [KernelArgument], grid: Grid) {
    self.macros = macros
    self.arguments = arguments
    self.grid = grid
  }

  init(
    _ device: OpenCLDevice, queryCount: Int, panelCount: Int, dimension: Int, _ values: LaunchValues
  ) {
    let blocks = (queryCount + 7) / 8
    switch device.body {
    case .wideItem:
      self.init(
        blocks: blocks, panelCount: panelCount,
        cachedPanels: (values[.sliceKiB] << 10) / SearchPanels.panelBytes(dimension),
        workPerPanel: 2 * 8 * SearchPanels.panelRows * dimension,
        loopsPerPanel: Self.loops(dimension: dimension), loopLimit: device.loopLimit,
        computeUnits: device.info.computeUnits, values)
    case .tile:
      self.init(
        blocks: blocks, panelCount: panelCount, dimension: dimension,
        computeUnits: device.info.computeUnits, items: device.workGroupSize >= 256 ? 256 : 64,
        values)
    }
  }

  /// Wide items: each takes a slice of panels that a cache holds, against as many queries as leave
  /// work for every unit.
  ///
  /// - Parameters:
  ///   - workPerPanel: For one block of queries.
  ///   - loopsPerPanel: Rounds of loops, for one block of queries.
  ///   - loopLimit: Rounds that an item's loops may take together.
  init(
    blocks: Int, panelCount: Int, cachedPanels: Int, workPerPanel: Int, loopsPerPanel: Int = 1,
    loopLimit: Int = .max, computeUnits: Int, _ values: LaunchValues
  ) {
    let itemsWanted = values[.itemsPerUnit] * computeUnits
    // Panels for one block of queries, of which an item may go over so many.
    let pairs = max(1, loopLimit / loopsPerPanel)
    let cached = max(1, min(cachedPanels, pairs))
    // With few queries a slice is read once anyhow, and may be as short as the units need.
    let slice = blocks > 8 ? cached : max(1, min(cached, panelCount / itemsWanted))
    let slices = (panelCount + slice - 1) / slice
    let workGroups = min((blocks + 7) / 8, (itemsWanted + slices - 1) / slices)
    let blocksPerItem = min((blocks + workGroups - 1) / workGroups, max(1, pairs / slice))
    macros = [:]
    arguments = [.int(slice), .int(blocksPerItem)]
    grid = Grid(
      workGroups: (slices, (blocks + blocksPerItem - 1) / blocksPerItem),
      workEach: workPerPanel * slice * blocksPerItem)
  }

  /// Rounds of loops in which an item goes over a panel, or a tile, of `dimension` numbers: at most
  /// ten a dimension if a compiler unrolls nothing, and those that list what passes.
  static func loops(dimension: Int) -> Int { 10 * dimension + 600 }

  /// Tiles: large ones reuse more, small ones keep every unit busy, and flat ones do not waste work
  /// on queries that are not there.
  private init(
    blocks: Int, panelCount: Int, dimension: Int, computeUnits: Int, items: Int,
    _ values: LaunchValues
  ) {
    let side = items == 256 ? 16 : 8
    // Local memory: (queries + rows) * depth * 4 bytes, of the 32 KiB that every device has.
    func shape(queries: Int, rows: Int, each: Int, depth: Int) -> ([String: Int], Grid) {
      let workGroups = (
        (blocks * 8 + queries - 1) / queries,
        (panelCount * SearchPanels.panelRows + rows - 1) / rows
      )
      return (
        [
          "TILE_QUERIES": queries, "TILE_ROWS": rows, "ITEM_QUERIES": each, "ITEM_ROWS": each,
          "TILE_DEPTH": depth,
        ],
        Grid(
          workGroups: workGroups, local: (items, 1), workEach: 2 * queries * rows * dimension)
      )
    }
    let flat = shape(queries: 8, rows: items * 2, each: 4, depth: 8)
    let small = shape(queries: side * 4, rows: side * 4, each: 4, depth: 16)
    let large = shape(queries: side * 8, rows: side * 8, each: 8, depth: 16)
    let fillsDevice = large.1.workGroups.x * large.1.workGroups.y >= 2 * computeUnits
    arguments = []
    switch values[.tile] {
    case 1: (macros, grid) = flat
    case 2: (macros, grid) = small
    case 3: (macros, grid) = large
    default: (macros, grid) = blocks * 16 <= side * 4 ? flat : fillsDevice ? large : small
    }
  }
}
