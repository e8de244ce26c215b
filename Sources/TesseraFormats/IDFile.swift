public import TesseraCompute
package import TesseraHost

/// Files of integers. The extension says the format: .npy (int32, int64, uint8), .ivecs, .ibin and
/// .bin (int32).
///
/// In .ibin and .bin files distances may follow the ids, as many and as long, as in the ground truths
/// of big-ann; they are not read.
public enum IDFile {
  /// The table in the file at `path`, mapped. An array of one dimension is a table of one column.
  ///
  /// - Throws: As ``VectorFile/open(_:)``.
  public static func open(_ path: String) throws(TesseraError) -> IDTable {
    try IDTable(MappedTable(path, as: .ids))
  }

  /// The table in a file that was read already, as ``open(_:)`` of its path.
  package static func open(_ file: MappedFile) throws(TesseraError) -> IDTable {
    try IDTable(MappedTable(file, as: .ids))
  }

  /// Writes `ids`, row-major, to `path`: the whole file, or nothing. An .npy file holds them as
  /// int64, the others as int32.
  ///
  /// - Throws: `.invalidShape` unless there are `rows * columns` ids, and, but in .npy, at least one column;
  ///   `.invalidArgument` for an id beyond 32 bits where the format has no more; `.cannotCreate`
  ///   and `.inputOutput` as ``VectorFile/write(_:to:)``.
  public static func write(
    _ ids: [Int64], rows: Int, columns: Int, to path: String
  ) throws(TesseraError) {
    try write(
      ids, rows, columns,
      TableWriter(path, as: .ids, preferring: .int64, rows: rows, columns: columns))
  }

  /// Writes `ids` as ``write(_:rows:columns:to:)`` does, and leaves the commit to the file's owner.
  package static func write(
    _ ids: [Int64], rows: Int, columns: Int, into file: AtomicFile
  ) throws(TesseraError) {
    try write(
      ids, rows, columns,
      TableWriter(
        file.path, into: file, as: .ids, preferring: .int64, rows: rows, columns: columns))
  }

  /// Checks before any work that ids can be written to a file of this name.
  ///
  /// - Throws: `.cannotCreate` for an unknown extension.
  package static func requireWritable(_ path: String) throws(TesseraError) {
    _ = try TableFormat(path, for: .ids, else: .cannotCreate)
  }

  private static func write(
    _ ids: [Int64], _ rows: Int, _ columns: Int, _ writer: TableWriter
  ) throws(TesseraError) {
    try TableWriter.requireCount(ids.count, rows, columns, writer.path)
    for start in stride(from: 0, to: rows * columns, by: max(1, columns)) {
      let row = ids[start..<start + columns]
      guard writer.number == .int32 else {
        try unsafe writer.append(row.span.bytes)
        continue
      }
      var narrowed: [Int32] = []
      for id in row {
        guard let id = Int32(exactly: id) else {
          throw TesseraError(
            .invalidArgument,
            "\(writer.path.printable): id \(id) in row \(writer.rowCount) is beyond 32 bits; write .npy"
          )
        }
        narrowed.append(id)
      }
      try unsafe writer.append(narrowed.span.bytes)
    }
    // Rows of no columns have nothing to append.
    try writer.finish(rowCount: columns == 0 ? rows : nil)
  }
}
