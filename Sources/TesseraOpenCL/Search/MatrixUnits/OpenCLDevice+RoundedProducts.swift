public import TesseraCompute

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
