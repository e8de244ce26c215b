internal import TesseraCompute

/// Queries and rows that are already rounded, and their products by a matrix unit: the kernel that
/// filters searches, told to list every row for the first queries and none for the others.
struct MatrixProducts {
  private let context: OpenCLContext
  private let program: Program
  private let arguments: [KernelArgument]
  private let grid: Grid
  private let lists: OpenCLStorage
  private let counts: OpenCLStorage
  private let rowCount: Int
  private let listedQueries: Int

  /// Numbers are the bits of halves, or bytes, `dimension` to a query or row.
  init<Number: FixedWidthInteger & BitwiseCopyable>(
    _ queries: [Number], _ rows: [Number], dimension: Int, _ unit: MatrixUnit,
    _ filter: SearchFilter, listedQueries: Int, on probe: MatrixProbe
  ) throws(TesseraError) {
    let queryCount = queries.count / dimension
    rowCount = rows.count / dimension
    self.listedQueries = listedQueries
    let (context, arena) = (probe.context, probe.arena)
    self.context = context
    let layout = RoundedLayout(filter: filter, dimension: dimension)
    let panelCount = SearchPanels.panelCount(rowCount)
    func stored<Value: BitwiseCopyable>(_ values: [Value]) throws(TesseraError) -> OpenCLStorage {
      let storage = try OpenCLStorage(values.count * MemoryLayout<Value>.stride, from: arena)
      try context.write(values, to: storage)
      return storage
    }
    func repeated(_ count: Int, _ values: Float...) throws(TesseraError) -> KernelArgument {
      .all(of: try stored((0..<count).flatMap { _ in values }), as: Float.self)
    }
    let noScale = [Float](repeating: 1, count: 32) + [Float](repeating: 0, count: 32)
    lists = try stored([UInt64](repeating: 0, count: listedQueries * rowCount))
    counts = try stored([UInt32](repeating: 0, count: queryCount))
    // Infinity would say that a query is not searched, and nothing would be multiplied for it.
    let thresholds = (0..<queryCount).map {
      $0 < listedQueries ? -Float.infinity : Float.greatestFiniteMagnitude
    }
    let tile = MatrixTile(unit, queryCount: queryCount)
    program = try Program.build(
      tile.source(filter), macros: probe.macros, in: context, cache: probe.cache)
    arguments = [
      .all(of: try stored(layout.packed(rows)), as: SIMD4<UInt32>.self),
      .all(of: try stored((0..<panelCount).flatMap { _ in noScale }), as: Float.self),
      try repeated(panelCount, 0, 0),
      .all(of: try stored(layout.packed(queries)), as: SIMD4<UInt32>.self),
      try repeated(queryCount, 0, 0, 0, 1), .all(of: try stored(thresholds), as: Float.self),
      .all(of: lists, as: UInt64.self), .all(of: counts, as: UInt32.self),
      .all(of: try stored([UInt32](repeating: 0, count: 4)), as: UInt32.self), .int(dimension),
      .float(0), .int(queryCount), .int(rowCount), .int(0), .int(rowCount), .int(panelCount),
      .int(1), .int(0), .int(panelCount),
    ]
    grid = tile.grid(queryCount: queryCount, panelCount: panelCount, dimension: dimension)
  }

  /// Queues the work.
  func run() throws(TesseraError) {
    try context.write([UInt32](repeating: 0, count: listedQueries), to: counts)
    try program.launch("search_matrix", arguments, over: grid, on: context)
  }

  /// The products of the first queries with every row, by the last run.
  ///
  /// - Throws: `.deviceFailure` if they are not all there.
  func listed() throws(TesseraError) -> [Float] {
    let entries = try context.read(listedQueries * rowCount, of: UInt64.self, from: lists)
    let found = try context.read(listedQueries, of: UInt32.self, from: counts)
    guard found.allSatisfy({ $0 == rowCount }) else {
      throw TesseraError(.deviceFailure, "search_matrix: not every row was listed once")
    }
    var products = [Float](repeating: .nan, count: listedQueries * rowCount)
    for (index, entry) in entries.enumerated() {
      let row = Int(entry & 0xFFFF_FFFF)
      guard row < rowCount else { continue }
      products[index / rowCount * rowCount + row] = Float(bitPattern: UInt32(entry >> 32))
    }
    return products
  }
}

extension RoundedLayout {
  /// The panels of lines of numbers that are already rounded.
  fileprivate func packed<Number: FixedWidthInteger & BitwiseCopyable>(_ lines: [Number])
    -> [Number]
  {
    let stepNumbers = 64 / filter.numberBytes
    let panelNumbers = panelBytes / filter.numberBytes
    let lineCount = lines.count / dimension
    var packed = [Number](repeating: 0, count: Self.panelCount(lineCount) * panelNumbers)
    for line in 0..<lineCount {
      for d in 0..<dimension {
        let step = d / stepNumbers * Self.panelLines + line % Self.panelLines
        packed[line / Self.panelLines * panelNumbers + step * stepNumbers + d % stepNumbers] =
          lines[line * dimension + d]
      }
    }
    return packed
  }
}
