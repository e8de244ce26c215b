public import TesseraCompute

/// Runs the filter's own kernel on a few numbers and looks at what comes out: the only way to know
/// that a unit is there, that the driver compiles for it, and that its lanes hold what is expected.
struct MatrixProbe {
  let context: OpenCLContext
  let arena: Arena
  let cache: ProgramCache
  /// The macros that every program of the device is built with.
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

  /// Tells whether both shapes of tile give the exact products of small whole numbers.
  func works(_ unit: MatrixUnit, _ filter: SearchFilter) -> Bool {
    // Emulated tiles have one shape, and are slow.
    let (queryCounts, rowCount, dimension) =
      unit.isEmulated ? ([20], 40, 75) : ([20, 140], 150, 75)
    return queryCounts.allSatisfy { queryCount in
      guard
        let products = try? wholeProducts(
          queries: queryCount, rows: rowCount, dimension: dimension, unit, filter,
          listedQueries: queryCount),
        (try? products.run()) != nil, let found = try? products.listed()
      else { return false }
      return found.indices.allSatisfy { index in
        found[index]
          == Self.wholeProduct(index / rowCount, index % rowCount, dimension: dimension)
      }
    }
  }

  // MARK: Small whole numbers, which are the same rounded or not

  private static func queryNumber(_ place: Int) -> Int { (place * 7 + place / 13) % 17 - 8 }
  private static func rowNumber(_ place: Int) -> Int { (place * 5 + place / 11) % 15 - 7 }

  /// The half that is equal to a whole number of less than 2^11.
  private static func halfBits(_ number: Int) -> UInt16 {
    guard number != 0 else { return 0 }
    let bits = Float(number).bitPattern
    let sign = bits >> 16 & 0x8000
    return UInt16(sign | ((bits & 0x7FFF_FFFF) >> 13 - 112 << 10))
  }

  /// Products of made-up queries and rows.
  func wholeProducts(
    queries: Int, rows: Int, dimension: Int, _ unit: MatrixUnit, _ filter: SearchFilter,
    listedQueries: Int
  ) throws(TesseraError) -> MatrixProducts {
    let (queryPlaces, rowPlaces) = (0..<queries * dimension, 0..<rows * dimension)
    return if filter == .float16 {
      try MatrixProducts(
        queryPlaces.map { Self.halfBits(Self.queryNumber($0)) },
        rowPlaces.map { Self.halfBits(Self.rowNumber($0)) }, dimension: dimension, unit, filter,
        listedQueries: listedQueries, on: self)
    } else {
      try MatrixProducts(
        queryPlaces.map { Int8(Self.queryNumber($0)) }, rowPlaces.map { Int8(Self.rowNumber($0)) },
        dimension: dimension, unit, filter, listedQueries: listedQueries, on: self)
    }
  }

  /// Returns the exact value of such a product.
  static func wholeProduct(_ query: Int, _ row: Int, dimension: Int) -> Float {
    Float(
      (0..<dimension).reduce(0) {
        $0 + queryNumber(query * dimension + $1) * rowNumber(row * dimension + $1)
      })
  }

  /// Every query's product with every row.
  ///
  /// Numbers are the bits of halves, or bytes, `dimension` to a query or row.
  func products<Number: FixedWidthInteger & BitwiseCopyable>(
    _ queries: [Number], _ rows: [Number], dimension: Int, _ unit: MatrixUnit,
    _ filter: SearchFilter
  ) throws(TesseraError) -> [Float] {
    let products = try MatrixProducts(
      queries, rows, dimension: dimension, unit, filter,
      listedQueries: queries.count / dimension, on: self)
    try products.run()
    return try products.listed()
  }
}

extension OpenCLDevice: RoundedMultiplier {
  /// Tries the matrix unit on small whole numbers first. Throws `.unsupported` if none is in use or
  /// it gives other numbers.
  public func roundedProducts(
    of numbers: RoundedNumber, queries: Int, rows: Int, dimension: Int
  ) throws(TesseraError) -> RoundedProducts {
    guard let unit = matrixUnit else {
      throw TesseraError(
        .unsupported,
        "no matrix unit is in use: the device has none that is known and found to work")
    }
    let filter: SearchFilter = numbers == .float16 ? .float16 : .int8
    let probe = matrixProbe
    guard unit.multiplies(filter), probe.works(unit, filter) else {
      throw TesseraError(
        .unsupported, "the matrix unit in use, \(unit.name), does not multiply \(numbers.rawValue)")
    }
    let products = try probe.wholeProducts(
      queries: queries, rows: rows, dimension: dimension, unit, filter, listedQueries: 1)
    return RoundedProducts(keptCount: rows) { () throws(TesseraError) in
      try products.run()
    } mistake: { () throws(TesseraError) in
      let found = try products.listed()
      let wrong = found.indices.first {
        found[$0] != MatrixProbe.wholeProduct(0, $0, dimension: dimension)
      }
      return wrong.map { row in
        let exact = MatrixProbe.wholeProduct(0, row, dimension: dimension)
        return "the product with row \(row) is \(found[row]), not \(exact)"
      }
    }
  }
}
