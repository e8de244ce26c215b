public import TesseraCompute
package import TesseraHost

/// Files of vectors. The extension says the format:
///
/// | extension | numbers | layout |
/// |---|---|---|
/// | .npy | float32, float16, int8, uint8 | NumPy array of two dimensions, C order |
/// | .fvecs, .bvecs | float32, uint8 | each row after its dimension (TexMex) |
/// | .fbin, .f16bin, .u8bin, .i8bin | as the name says | count, dimension, rows (big-ann) |
public enum VectorFile {
  /// The vectors in the file at `path`, mapped: nothing is copied, and rows are read when they are
  /// used.
  ///
  /// The sizes a file claims are checked against its length, and so is the dimension each row of
  /// .fvecs and .bvecs repeats. Values are not looked at. Do not shorten the file while the vectors
  /// are in use.
  ///
  /// - Complexity: O(1), except .fvecs and .bvecs: O(count).
  /// - Throws: `.invalidArgument` for an extension not listed above, `.inputNotFound` if there is
  ///   no such file or it may not be read, `.malformedFile` if its bytes are not what the format
  ///   says, `.inputOutput` if the system cannot map it.
  public static func open(_ path: String) throws(TesseraError) -> Vectors {
    try vectors(MappedTable(path, as: .vectors))
  }

  /// The vectors in a file that was read already, as ``open(_:)`` of its path.
  package static func open(_ file: MappedFile) throws(TesseraError) -> Vectors {
    try vectors(MappedTable(file, as: .vectors))
  }

  private static func vectors(_ table: MappedTable) throws(TesseraError) -> Vectors {
    guard let element = table.number.element else {
      throw table.file.malformed("\(table.number.name) numbers are no vectors", at: 0)
    }
    return try Vectors(
      table.file.memory, byteOffset: table.byteOffset, element: element, count: table.rows,
      dimension: table.columns, rowStride: table.rowStride)
  }

  /// Writes `vectors` to `path`: the whole file, or nothing.
  ///
  /// An .npy file keeps the element type (bfloat16, which it lacks, becomes float32 without loss).
  /// The other formats have one type each, and numbers are converted to it only if that keeps their
  /// value.
  ///
  /// - Complexity: O(count * dimension); one buffer of about a megabyte.
  /// - Throws: `.cannotCreate` for an unknown extension or a folder that is missing or refuses,
  ///   `.invalidShape` for a dimension of 0 or sizes the format cannot hold, `.invalidArgument` for
  ///   a number it cannot hold, `.inputOutput` if writing fails. A file already at `path` is then
  ///   as it was.
  public static func write(_ vectors: Vectors, to path: String) throws(TesseraError) {
    try write(
      vectors,
      TableWriter(
        path, as: .vectors, preferring: NumberType(vectors.element) ?? .float32,
        rows: vectors.count, columns: vectors.dimension))
  }

  /// Writes `vectors` as ``write(_:to:)`` does, and leaves the commit to the file's owner.
  package static func write(
    _ vectors: Vectors, into file: AtomicFile
  ) throws(TesseraError) {
    try write(
      vectors,
      TableWriter(
        file.path, into: file, as: .vectors, preferring: NumberType(vectors.element) ?? .float32,
        rows: vectors.count, columns: vectors.dimension))
  }

  /// Checks before any work that vectors can be written to a file of this name.
  ///
  /// - Parameter element: The type of their numbers, every one of which the file must have; nil
  ///   where only the numbers themselves can tell.
  /// - Throws: `.cannotCreate` for an unknown extension and for a format whose numbers are of a
  ///   narrower type.
  package static func requireWritable(
    _ path: String, holding element: ElementType?
  ) throws(TesseraError) {
    let format = try TableFormat(path, for: .vectors, else: .cannotCreate)
    guard let element, let number = format.number, !number.holds(element) else { return }
    throw TesseraError(
      .cannotCreate,
      "\(path.printable): this format has \(number.name) numbers, and \(element) is to be "
        + "written; use .npy\(element == .uint8 ? " .u8bin .bvecs" : " .fvecs .fbin")")
  }

  private static func write(
    _ vectors: Vectors, _ writer: TableWriter
  ) throws(TesseraError) {
    let source = NumberType(vectors.element)
    guard let start = unsafe vectors.baseAddress, writer.number == source else {
      for index in 0..<vectors.count { try writer.append(vectors.row(index).span, .exact) }
      return try writer.finish()
    }
    for index in 0..<vectors.count {
      let row = unsafe UnsafeRawBufferPointer(
        start: start + index * vectors.rowStride, count: vectors.dimension * writer.number.byteCount
      )
      try withExtendedLifetime(vectors) { () throws(TesseraError) in
        try unsafe writer.append(row.bytes)
      }
    }
    try writer.finish()
  }
}
