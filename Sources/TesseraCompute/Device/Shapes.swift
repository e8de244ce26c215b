/// The shape rules of every operation, said once. Devices call these first.
package enum Shapes {
  package static func require(
    _ holds: Bool, _ message: @autoclosure () -> String
  ) throws(TesseraError) {
    guard holds else { throw TesseraError(.invalidShape, message()) }
  }

  package static func require<Element>(
    _ matrix: Matrix<Element>, is rows: Int, by columns: Int, _ name: String
  ) throws(TesseraError) {
    try require(
      matrix.rows == rows && matrix.columns == columns,
      "\(name) is \(matrix.rows) x \(matrix.columns), expected \(rows) x \(columns)")
  }

  package static func requireFinite(_ vectors: Vectors, _ what: String) throws(TesseraError) {
    let rows = vectors.nonFiniteRows(limit: 6)
    guard !rows.isEmpty else { return }
    throw nonFinite(what, rows: rows)
  }

  /// The refusal of NaN and infinity, naming up to five of `rows`.
  package static func nonFinite(_ what: String, rows: [Int]) -> TesseraError {
    let names = rows.prefix(5).map(String.init).joined(separator: ", ")
    return TesseraError(
      .nonFinite,
      "\(what): NaN or infinity in row\(rows.count > 1 ? "s" : "") \(names)"
        + "\(rows.count > 5 ? ", ..." : ""); remove or repair those rows")
  }

  /// The refusal of a label, row or code that points outside its table.
  package static func outside(_ what: String, value: Int, at index: Int, limit: Int) -> TesseraError
  {
    TesseraError(.invalidArgument, "\(what) \(value) at \(index) is outside 0..<\(limit)")
  }
}
