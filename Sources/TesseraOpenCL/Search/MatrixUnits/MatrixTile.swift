/// Describes how many queries and rows a work-group multiplies by a matrix unit, and how its groups
/// of lanes lie over them.
struct MatrixTile {
  let unit: MatrixUnit
  let queries: Int
  let rows: Int
  private let down: Int
  private let across: Int

  /// Large tiles read each number less often; flat ones waste less on queries that are not there.
  init(_ unit: MatrixUnit, queryCount: Int, _ values: LaunchValues = LaunchValues()) {
    self.unit = unit
    if unit.isEmulated {
      // As small as more than one group of lanes and more than one block can be.
      (queries, rows, down, across) = (32, 64, 1, 2)
      return
    }
    let subgroups = 256 / unit.lanes
    let isFlat = values[.matrixTile] == 0 ? queryCount <= 32 : values[.matrixTile] == 1
    if isFlat {
      (queries, rows, down, across) = (32, 256, 1, subgroups)
    } else {
      (queries, rows, down) = (128, 128, subgroups >= 16 ? 4 : 2)
      across = subgroups / down
    }
  }

  var itemCount: Int { unit.lanes * down * across }

  var macros: [String: Int] {
    [
      "TILE_QUERIES": queries, "TILE_ROWS": rows, "SUBGROUPS_DOWN": down,
      "SUBGROUPS_ACROSS": across,
    ]
  }

  func source(_ filter: SearchFilter, isSelected: Bool = false) -> KernelSource {
    let all = macros.merging(unit.macros(filter)) { $1 }
    return KernelSource("search_matrix", isSelected ? all.merging(["SELECTED": 1]) { $1 } : all)
  }

  func grid(queryCount: Int, panelCount: Int, dimension: Int) -> Grid {
    let panels = rows / SearchPanels.panelRows
    let work = 2 * queries * rows * dimension
    return Grid(
      workGroups: ((queryCount + queries - 1) / queries, (panelCount + panels - 1) / panels),
      local: (itemCount, 1),
      // A matrix unit does about sixteen times what launches are measured by.
      workEach: unit.isEmulated ? work : work / 16)
  }
}
