public import TesseraCompute

extension IDFile {
  /// The rows that the file at `path` selects out of `rowCount`: its ids, in any order, or, in an
  /// .npy file of uint8, one column of them, the rows whose flag is 1.
  ///
  /// - Complexity: O(ids), and one bit of memory for each row.
  /// - Throws: As ``open(_:)``; `.invalidShape` for an id that no row has, for flags that are not one
  ///   column or not as many as rows, and for a flag that is neither 0 nor 1.
  public static func openSelector(
    _ path: String, rowCount: Int
  ) throws(TesseraError) -> IDSelector {
    try selector(open(path), path, rowCount: rowCount)
  }

  /// The rows that a table selects out of `rowCount`, as ``openSelector(_:rowCount:)`` of its path.
  package static func selector(
    _ table: IDTable, _ path: String, rowCount: Int
  ) throws(TesseraError) -> IDSelector {
    table.holdsFlags ? try flags(table, path, rowCount) : try ids(table, path, rowCount)
  }

  /// The rows that the file at `path` selects by the ids that they have: as
  /// ``openSelector(_:rowCount:)`` where these are numbers of rows, else a list of ids, in which those
  /// that no row has select nothing.
  ///
  /// - Throws: As the other `openSelector`; `.invalidShape` for flags where ids are no numbers of rows,
  ///   `.invalidArgument` for such ids that are more than 2^35 apart.
  public static func openSelector(
    _ path: String, of ids: IDMap
  ) throws(TesseraError) -> IDSelector {
    try selector(open(path), path, of: ids)
  }

  /// The rows that a table selects by their ids, as ``openSelector(_:of:)`` of its path.
  package static func selector(
    _ table: IDTable, _ path: String, of ids: IDMap
  ) throws(TesseraError) -> IDSelector {
    guard !ids.areRowNumbers else { return try selector(table, path, rowCount: ids.count) }
    guard !table.holdsFlags else {
      throw TesseraError(
        .invalidShape,
        "\(path.printable): uint8 numbers are flags of rows 0, 1, 2, ..., and the rows have other "
          + "ids; save ids as np.int64")
    }
    do throws(TesseraError) {
      // A selector keeps a bit for each id from the lowest to the highest: two ids of a file that no row
      // has could ask for 4 GiB.
      return try .ids(
        (0..<table.rows).flatMap(table.row).filter { ids.rank(ofID: $0) != nil })
    } catch {
      throw TesseraError(error.code, "\(path.printable): \(error.message)")
    }
  }

  private static func flags(
    _ table: IDTable, _ path: String, _ rowCount: Int
  ) throws(TesseraError) -> IDSelector {
    guard table.columns == 1 else {
      throw TesseraError(
        .invalidShape,
        "\(path.printable): uint8 numbers are flags, one a row, and these have the shape "
          + "(\(table.rows), \(table.columns)); save x.reshape(-1, 1), or ids as np.int64")
    }
    guard table.rows == rowCount else {
      throw TesseraError(
        .invalidShape,
        "\(path.printable): has \(table.rows) flags for \(rowCount) rows; give one flag a row, or "
          + "save ids as np.int64")
    }
    if let row = (0..<table.rows).first(where: { table[$0, 0] > 1 }) {
      throw TesseraError(
        .invalidShape,
        "\(path.printable): flag \(table[row, 0]) in row \(row) is neither 0 nor 1; save ids as "
          + "np.int64")
    }
    return .flags((0..<table.rows).lazy.map { table[$0, 0] != 0 })
  }

  private static func ids(
    _ table: IDTable, _ path: String, _ rowCount: Int
  ) throws(TesseraError) -> IDSelector {
    var words = [UInt64](repeating: 0, count: (rowCount + 63) / 64)
    for row in 0..<table.rows {
      for column in 0..<table.columns {
        let id = table[row, column]
        guard id >= 0, id < rowCount else {
          throw TesseraError(
            .invalidShape,
            "\(path.printable): id \(id) in row \(row) is none of the \(rowCount) rows there are; "
              + "remove it")
        }
        words[Int(id / 64)] |= 1 << UInt64(id % 64)
      }
    }
    return .bitmap(words)
  }
}
