public import TesseraCompute

extension OpenCLDevice {
  /// Calls `multiply` with the vectors transposed, in Float32.
  public func innerProducts(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.innerProducts(queries, vectors, into: scores)
    try multiply(
      queries, transposed: false, vectors, transposed: true, alpha: 1, beta: 0, into: scores)
  }

  /// Cost: packs B once (read and written in chunks), then 2 * rows * inner * columns operations.
  public func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, alpha: Float, beta: Float, into result: Matrix<Float>
  ) throws(TesseraError) {
    let inner = try Shapes.multiply(
      a, transposed: aTransposed, b, transposed: bTransposed, into: result)
    guard result.count > 0 else { return }
    guard
      try trustsMultiply(
        aTransposed: aTransposed, bTransposed: bTransposed, rows: result.rows,
        columns: result.columns)
    else {
      return try HostPath(self).multiply(
        a, transposed: aTransposed, b, transposed: bTransposed, alpha: alpha, beta: beta,
        into: result)
    }
    let values = launchValues(
      .multiply(rows: result.rows, columns: result.columns, inner: inner))
    let blocks = PanelBlocks(
      inner: inner, columns: result.columns, maxElements: values[.packKiB] << 8)
    let panels = try reserve(blocks.panelElements, of: Float.self)
    let left = try LeftFactor(
      storage: own(a.storage, "multiply"), offset: a.offset, stride: a.columns,
      inColumns: aTransposed, rows: result.rows)
    let target = try ProductTarget(
      storage: own(result.storage, "multiply"), offset: result.offset, stride: result.columns)
    for columns in blocks.columns {
      for (index, dimensions) in blocks.inner.enumerated() {
        try pack(b, inRows: bTransposed, vectors: columns, dimensions: dimensions, into: panels)
        try multiply(
          left, dimensions: dimensions, panels, alpha: alpha, beta: index == 0 ? beta : 1,
          into: target, columns: columns, values)
      }
    }
  }

  /// Packs `dimensions` of the `vectors` of a matrix, which holds them as rows or as columns, into
  /// panels of 32: [panel][dimension][32], zero past the last vector.
  func pack(
    _ matrix: Matrix<Float>, inRows: Bool, vectors: Range<Int>, dimensions: Range<Int>,
    into panels: OpenCLStorage, at firstElement: Int = 0, _ operation: String = "multiply"
  ) throws(TesseraError) {
    try pack(
      argument(matrix, operation), stride: matrix.columns, inRows: inRows, vectors: vectors,
      dimensions: dimensions, into: panels, at: firstElement)
  }

  /// Packs vectors that lie `stride` apart, in rows or in columns.
  func pack(
    _ source: KernelArgument, stride: Int, inRows: Bool, vectors: Range<Int>,
    dimensions: Range<Int>, into panels: OpenCLStorage, at firstElement: Int = 0
  ) throws(TesseraError) {
    guard !dimensions.isEmpty else { return }
    let panelCount = (vectors.count + PanelBlocks.width - 1) / PanelBlocks.width
    let grid =
      body == .wideItem
      ? Grid(workGroups: (panelCount, 1), workEach: 64 * dimensions.count)
      : Grid(
        workGroups: (panelCount, (dimensions.count + 31) / 32), local: (32, workGroupSize / 32),
        workEach: 4096)
    try launch(
      "pack_panels", of: KernelSource("pack_panels", ["VECTORS_IN_ROWS": inRows ? 1 : 0]),
      [
        source, .ulong(stride), .ulong(vectors.lowerBound),
        .ulong(vectors.upperBound), .ulong(dimensions.lowerBound), .int(dimensions.count),
        .memory(
          panels, firstElement: panels.start / MemoryLayout<Float>.stride + firstElement),
      ], over: grid)
  }

  /// Multiplies `dimensions` of rows by packed columns.
  ///
  /// - Parameter isFused: Whether each multiply-add is rounded once, whatever that costs, and nothing
  ///   else is added.
  func multiply(
    _ a: LeftFactor, dimensions: Range<Int>, _ panels: OpenCLStorage, alpha: Float, beta: Float,
    into result: ProductTarget, columns: Range<Int>, _ values: LaunchValues, isFused: Bool = false
  ) throws(TesseraError) {
    let panelCount = (columns.count + PanelBlocks.width - 1) / PanelBlocks.width
    var (macros, grid) = multiplyShape(
      rows: a.rows, panelCount: panelCount, inner: dimensions.count, values)
    macros["A_IN_COLUMNS"] = a.inColumns ? 1 : 0
    if isFused { macros["FUSED"] = 1 }
    func memory(_ storage: OpenCLStorage, _ offset: Int) -> KernelArgument {
      .memory(storage, firstElement: storage.start / MemoryLayout<Float>.stride + offset)
    }
    try launch(
      "multiply", of: KernelSource("multiply", macros),
      [
        memory(a.storage, a.offset + dimensions.lowerBound * (a.inColumns ? a.stride : 1)),
        .ulong(a.stride), .ulong(a.rows), .all(of: panels, as: Float.self),
        .int(dimensions.count), .float(alpha), .float(beta),
        memory(result.storage, result.offset + columns.lowerBound), .ulong(result.stride),
        .int(columns.count),
      ], over: grid)
  }

  private func multiplyShape(
    rows: Int, panelCount: Int, inner: Int, _ values: LaunchValues
  ) -> (macros: [String: Int], grid: Grid) {
    switch body {
    case .wideItem:
      // Eight rows at a time go through all of the inner dimension.
      let rowsPerItem = min(
        values[.rowsPerItem], 8 * min(1 << 16, max(1, loopLimit / (10 * max(1, inner)))))
      return (
        ["ROWS_PER_ITEM": rowsPerItem],
        Grid(
          workGroups: (panelCount, (rows + rowsPerItem - 1) / rowsPerItem),
          workEach: 2 * rowsPerItem * PanelBlocks.width * inner)
      )
    case .tile:
      let items = workGroupSize >= 256 ? 16 : 8
      func grid(_ side: Int) -> Grid {
        let tile = items * side
        return Grid(
          workGroups: (
            (rows + tile - 1) / tile, (panelCount * PanelBlocks.width + tile - 1) / tile
          ), local: (items, items), workEach: 2 * tile * tile * inner)
      }
      let side = usesLargeTiles(rows: rows, columns: panelCount * PanelBlocks.width) ? 8 : 4
      return (["ITEMS": items, "ITEM_SIDE": side], grid(side))
    }
  }

  /// Tells whether tiles are large, and reuse more; small ones keep every compute unit busy.
  func usesLargeTiles(rows: Int, columns: Int) -> Bool {
    let tile = 8 * (workGroupSize >= 256 ? 16 : 8)
    return body == .tile
      && (rows + tile - 1) / tile * ((columns + tile - 1) / tile) >= 2 * info.computeUnits
  }

  private func trustsMultiply(
    aTransposed: Bool, bTransposed: Bool, rows: Int, columns: Int
  ) throws(TesseraError) -> Bool {
    guard try trusts(.multiply(aTransposed: aTransposed, bTransposed: bTransposed)) else {
      return false
    }
    guard usesLargeTiles(rows: rows, columns: columns) else { return true }
    return try trusts(
      .multiply(
        aTransposed: aTransposed, bTransposed: bTransposed, largeTiles: info.computeUnits))
  }
}

/// Rows that are multiplied: A(i, d) lies at `offset + i * stride + d`, or in columns, at
/// `offset + d * stride + i`.
struct LeftFactor {
  var storage: OpenCLStorage
  var offset: Int
  var stride: Int
  var inColumns: Bool
  var rows: Int
}

/// Where a product goes: rows that lie `stride` apart.
struct ProductTarget {
  var storage: OpenCLStorage
  var offset: Int
  var stride: Int
}

/// Cuts a product so that the packed part of B stays small and one work item's work is bounded.
struct PanelBlocks {
  /// Vectors in a panel.
  static let width = 32
  /// A panel of so many dimensions fits a first- or second-level cache.
  static let maxInner = 512

  let inner: [Range<Int>]
  let columns: [Range<Int>]
  /// Elements in the largest block's panels.
  let panelElements: Int

  /// - Parameters:
  ///   - maxElements: The most to pack at a time; a panel is always packed whole.
  ///   - maxInner: The most dimensions of a block.
  init(
    inner: Int, columns: Int, maxElements: Int = LaunchKnob.packKiB.defaultValue << 8,
    maxInner: Int = PanelBlocks.maxInner
  ) {
    // With nothing to sum there is still a result to scale: one empty block.
    self.inner = inner == 0 ? [0..<0] : Self.cut(inner, by: maxInner)
    let depth = max(1, min(inner, maxInner))
    let perBlock = max(1, maxElements / (depth * Self.width)) * Self.width
    self.columns = Self.cut(columns, by: perBlock)
    panelElements =
      (min(columns, perBlock) + Self.width - 1) / Self.width * Self.width * depth
  }

  private static func cut(_ count: Int, by size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }
}
