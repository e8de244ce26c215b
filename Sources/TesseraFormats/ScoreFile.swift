public import TesseraCompute
package import TesseraHost

/// Scores or distances as a float32 .npy file.
public enum ScoreFile {
  /// Writes `scores`, row-major, to `path`: the whole file, or nothing.
  ///
  /// - Throws: `.invalidShape` unless there are `rows * columns` scores;
  ///   `.cannotCreate` and `.inputOutput` as ``VectorFile/write(_:to:)``.
  public static func write(
    _ scores: [Float], rows: Int, columns: Int, to path: String
  ) throws(TesseraError) {
    try write(
      scores, rows, columns,
      TableWriter(path, as: .scores, preferring: .float32, rows: rows, columns: columns))
  }

  /// Writes `scores` as ``write(_:rows:columns:to:)`` does, and leaves the commit to the file's
  /// owner.
  package static func write(
    _ scores: [Float], rows: Int, columns: Int, into file: AtomicFile
  ) throws(TesseraError) {
    try write(
      scores, rows, columns,
      TableWriter(
        file.path, into: file, as: .scores, preferring: .float32, rows: rows, columns: columns))
  }

  private static func write(
    _ scores: [Float], _ rows: Int, _ columns: Int, _ writer: TableWriter
  ) throws(TesseraError) {
    try TableWriter.requireCount(scores.count, rows, columns, writer.path)
    for start in stride(from: 0, to: rows * columns, by: max(1, columns)) {
      try unsafe writer.append(scores[start..<start + columns].span.bytes)
    }
    try writer.finish(rowCount: columns == 0 ? rows : nil)
  }

  /// The scores in the file at `path`, copied. An array of one dimension is a table of one column.
  ///
  /// - Throws: As ``VectorFile/open(_:)``.
  public static func open(
    _ path: String
  ) throws(TesseraError) -> (rows: Int, columns: Int, scores: [Float]) {
    let table = try MappedTable(path, as: .scores)
    let vectors = try Vectors(
      table.file.memory, byteOffset: table.byteOffset, element: .float32, count: table.rows,
      dimension: table.columns)
    return (table.rows, table.columns, vectors.widened())
  }
}
