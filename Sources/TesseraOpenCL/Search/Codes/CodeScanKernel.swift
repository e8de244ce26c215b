internal import TesseraCompute

/// The kernel that scans codes of 4 or 8 bits on a device, and what it wants. (`codes_scan.cl`,
/// `codes_scan_bytes.cl`)
struct CodeScanKernel {
  let layout: CodeGroups
  let kernel: String
  /// Queries whose rounded tables lie side by side.
  let blockQueries: Int
  /// Bytes of what it reads at a time, of codes and of tables.
  let codeBytes: Int
  let entryBytes: Int
  private let macros: [String: Int]
  /// Wide items: panels that an item goes over for all its queries.
  private let slicePanels: Int
  /// Tiles: panels that a work-group takes.
  private let groupPanels: Int
  private let device: OpenCLDevice

  init(_ device: OpenCLDevice, _ layout: CodeGroups) {
    self.device = device
    self.layout = layout
    kernel = layout.bits == 4 ? "codes_scan" : "codes_scan_bytes"
    switch (device.body, layout.bits) {
    case (.wideItem, 4):
      (blockQueries, codeBytes, entryBytes) = (4, 64, 64)
      // The panels that first-level caches nearly hold: there is so little to do with a byte.
      (slicePanels, macros) = ((64 << 10) / layout.groupBytes, [:])
    case (.wideItem, _):
      (blockQueries, codeBytes, entryBytes) = (32, 1, 32)
      // Their sums take 32 KiB of private memory.
      (slicePanels, macros) = (16, ["SLICE": 16])
    case (.tile, 4):
      (blockQueries, codeBytes, entryBytes) = (4, 4, 4)
      (slicePanels, macros) = (0, [:])
    case (.tile, _):
      (blockQueries, codeBytes, entryBytes) = (4, 4, 4)
      (slicePanels, macros) = (
        0, ["SUBSPACES": max(2, min(8, device.info.localMemoryBytes / 4096 * 2))]
      )
    }
    // An item takes two rows of each of four panels, or four rows.
    groupPanels = device.workGroupSize / (layout.bits == 4 ? 4 : 2)
  }

  /// Bytes that the rounded tables of so many queries take.
  func tableBytes(queryCount: Int) -> Int {
    (queryCount + blockQueries - 1) / blockQueries * blockQueries * layout.tableBytes
  }

  /// Returns how a launch is spread over the device.
  func shape(queryCount: Int, panelCount: Int) -> FilterShape {
    let blocks = (queryCount + blockQueries - 1) / blockQueries
    let work = 4 * blockQueries * SearchPanels.panelRows * layout.subspaceCount
    switch device.body {
    case .wideItem:
      let shape = FilterShape(
        blocks: blocks, panelCount: panelCount, cachedPanels: slicePanels, workPerPanel: work,
        computeUnits: device.info.computeUnits, LaunchValues())
      return FilterShape(macros: macros, arguments: shape.arguments, grid: shape.grid)
    case .tile:
      return FilterShape(
        macros: macros, arguments: [],
        grid: Grid(
          workGroups: (blocks, (panelCount + groupPanels - 1) / groupPanels),
          local: (device.workGroupSize, 1), workEach: work * groupPanels))
    }
  }
}
