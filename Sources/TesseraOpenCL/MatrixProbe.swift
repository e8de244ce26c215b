internal import TesseraCompute

/// Runs the filter's own kernel on a few numbers and looks at what comes out: the only way to know
/// that a unit is there, that the driver compiles for it, and that its lanes hold what is expected.
struct MatrixProbe {
  let context: OpenCLContext
  let arena: Arena
  let cache: ProgramCache
  /// What every program of the device is built with.
  let macros: [String: Int]

  /// The first of `units` that multiplies right, as `filter` needs it. Each is tried with a probe of
  /// its own, since a kernel that fails may take its context with it; after one that gives no answer
  /// there is no other, so that looking for a unit takes one deadline at most.
  static func firstWorking(
    of units: [MatrixUnit], _ filter: SearchFilter,
    probe: () throws(TesseraError) -> MatrixProbe
  ) -> MatrixUnit? {
    for unit in units where unit.multiplies(filter) {
      guard let probe = try? probe() else { continue }
      if probe.works(unit, filter) { return unit }
      if probe.context.loss?.isAbandoned == true { return nil }
    }
    return nil
  }

  /// Whether both shapes of tile give the exact products of small whole numbers.
  private func works(_ unit: MatrixUnit, _ filter: SearchFilter) -> Bool {
    // Emulated tiles have one shape, and are slow.
    let (queryCounts, rowCount, dimension) =
      unit.isEmulated ? ([20], 40, 75) : ([20, 140], 150, 75)
    let rows = (0..<rowCount * dimension).map { ($0 * 5 + $0 / 11) % 15 - 7 }
    return queryCounts.allSatisfy { queryCount in
      let queries = (0..<queryCount * dimension).map { ($0 * 7 + $0 / 13) % 17 - 8 }
      let found =
        if filter == .float16 {
          try? products(
            queries.map(Self.halfBits), rows.map(Self.halfBits), dimension: dimension, unit, filter)
        } else {
          try? products(
            queries.map { Int8($0) }, rows.map { Int8($0) }, dimension: dimension, unit, filter)
        }
      guard let found else { return false }
      return found.indices.allSatisfy { index in
        let (query, row) = (index / rowCount * dimension, index % rowCount * dimension)
        let exact = (0..<dimension).reduce(0) { $0 + queries[query + $1] * rows[row + $1] }
        return found[index] == Float(exact)
      }
    }
  }

  /// The half that is equal to a whole number of less than 2^11.
  private static func halfBits(_ number: Int) -> UInt16 {
    guard number != 0 else { return 0 }
    let bits = Float(number).bitPattern
    let sign = bits >> 16 & 0x8000
    return UInt16(sign | ((bits & 0x7FFF_FFFF) >> 13 - 112 << 10))
  }

  /// Every query's product with every row, which a threshold of -infinity makes the kernel list.
  ///
  /// Numbers are the bits of halves, or bytes, `dimension` to a query or row.
  func products<Number: FixedWidthInteger & BitwiseCopyable>(
    _ queries: [Number], _ rows: [Number], dimension: Int, _ unit: MatrixUnit,
    _ filter: SearchFilter
  ) throws(TesseraError) -> [Float] {
    let (queryCount, rowCount) = (queries.count / dimension, rows.count / dimension)
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
    let lists = try stored([UInt64](repeating: 0, count: queryCount * rowCount))
    let counts = try stored([UInt32](repeating: 0, count: queryCount))
    let tile = MatrixTile(unit, queryCount: queryCount)
    let program = try Program.build(tile.source(filter), macros: macros, in: context, cache: cache)
    try program.launch(
      "search_matrix",
      [
        .all(of: try stored(layout.packed(rows)), as: SIMD4<UInt32>.self),
        .all(of: try stored((0..<panelCount).flatMap { _ in noScale }), as: Float.self),
        try repeated(panelCount, 0, 0),
        .all(of: try stored(layout.packed(queries)), as: SIMD4<UInt32>.self),
        try repeated(queryCount, 0, 0, 0, 1), try repeated(queryCount, -.infinity),
        .all(of: lists, as: UInt64.self), .all(of: counts, as: UInt32.self), .int(dimension),
        .float(0), .int(queryCount), .int(rowCount), .int(0), .int(rowCount), .int(panelCount),
        .int(1), .int(0), .int(panelCount),
      ],
      over: tile.grid(queryCount: queryCount, panelCount: panelCount, dimension: dimension),
      on: context)
    let entries = try context.read(queryCount * rowCount, of: UInt64.self, from: lists)
    guard try context.read(queryCount, of: UInt32.self, from: counts).allSatisfy({ $0 == rowCount })
    else { throw TesseraError(.deviceFailure, "search_matrix: not every row was listed once") }
    var products = [Float](repeating: .nan, count: queryCount * rowCount)
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
