public import TesseraCompute

/// Files of integers. The extension says the format: .npy (int32, int64, uint8), .ivecs and .ibin
/// (int32).
public enum IDFile {
  /// The table in the file at `path`, mapped. An array of one dimension is a table of one column.
  ///
  /// - Throws: As ``VectorFile/open(_:)``.
  public static func open(_ path: String) throws(TesseraError) -> IDTable {
    try IDTable(MappedTable(path, as: .ids))
  }

  /// Writes `ids`, row-major, to `path`: the whole file, or nothing. An .npy file holds them as
  /// int64, the others as int32.
  ///
  /// - Throws: `.invalidShape` unless there are `rows * columns` ids, and at least one column;
  ///   `.invalidArgument` for an id beyond 32 bits where the format has no more; `.cannotCreate`
  ///   and `.inputOutput` as ``VectorFile/write(_:to:)``.
  public static func write(
    _ ids: [Int64], rows: Int, columns: Int, to path: String
  ) throws(TesseraError) {
    let writer = try TableWriter(path, as: .ids, preferring: .int64, rows: rows, columns: columns)
    try TableWriter.requireCount(ids.count, rows, columns, path)
    for start in stride(from: 0, to: ids.count, by: columns) {
      let row = ids[start..<start + columns]
      guard writer.number == .int32 else {
        try writer.append(row.span.bytes)
        continue
      }
      var narrowed: [Int32] = []
      for id in row {
        guard let id = Int32(exactly: id) else {
          throw TesseraError(
            .invalidArgument,
            "\(path.printable): id \(id) in row \(writer.rowCount) is beyond 32 bits; write .npy")
        }
        narrowed.append(id)
      }
      try writer.append(narrowed.span.bytes)
    }
    try writer.finish()
  }
}
