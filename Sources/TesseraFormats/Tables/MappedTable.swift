import TesseraCompute
internal import TesseraHost

/// A table of numbers found in a mapped file, every size checked against the file.
struct MappedTable {
  let file: MappedFile
  let number: NumberType
  let rows: Int
  let columns: Int
  /// The first byte of row 0 in the file.
  let byteOffset: Int
  /// Bytes from one row to the next.
  let rowStride: Int

  /// The most columns a table may have: an empty table could claim any number of them, and sizes
  /// that later follow from it must not overflow.
  static let columnLimit = Int(Int32.max)

  /// Opens the file at `path` as a table of `kind`; its extension says how it is laid out.
  ///
  /// - Throws: `.invalidArgument` for an extension that `kind` does not have, `.inputNotFound`,
  ///   `.malformedFile`, `.inputOutput`.
  init(_ path: String, as kind: TableKind) throws(TesseraError) {
    let format = try TableFormat(path, for: kind, else: .invalidArgument)
    try self.init(MappedFile(path), format, as: kind)
  }

  /// Takes `file` as a table of `kind` in the format that its name says.
  init(_ file: MappedFile, as kind: TableKind) throws(TesseraError) {
    try self.init(file, TableFormat(file.path, for: kind, else: .invalidArgument), as: kind)
  }

  private init(
    _ file: MappedFile, _ format: TableFormat, as kind: TableKind
  ) throws(TesseraError) {
    switch format {
    case .npy:
      let header = try NumpyHeader(file, as: kind)
      try self.init(
        packed: file, header.number, rows: header.rows, columns: header.columns,
        byteOffset: header.byteOffset)
    case .counted(let number):
      guard let rows = file.integer(at: 0, as: UInt32.self),
        let columns = file.integer(at: 4, as: UInt32.self)
      else {
        throw unsafe file.malformed("is truncated before its counts end", at: file.bytes.count)
      }
      try Self.requireNarrowCounts(file, number)
      try self.init(
        packed: file, number, rows: Int(rows), columns: Int(columns), byteOffset: 8,
        mayHaveDistances: kind.mayHaveDistances)
    case .records(let number):
      try self.init(records: file, number)
    }
  }

  /// Refuses counts of 64 bits, as cuVS writes them: read as 32 bits they are a row count and 0.
  private static func requireNarrowCounts(
    _ file: MappedFile, _ number: NumberType
  ) throws(TesseraError) {
    guard let rows = file.integer(at: 0, as: UInt64.self), rows > 0, rows >> 32 == 0,
      let columns = file.integer(at: 8, as: UInt64.self), columns > 0, columns >> 31 == 0
    else { return }
    let (count, overflow) = Int(rows).multipliedReportingOverflow(by: Int(columns))
    guard !overflow, unsafe count == (file.bytes.count - 16) / number.byteCount else { return }
    throw file.malformed(
      "has counts of 64 bits, \(rows) and \(columns), and this format has 32", at: 0,
      "write the counts as two uint32, or save the array with np.save")
  }

  /// Rows without gaps from `byteOffset` to the end of the file.
  ///
  /// - Parameter mayHaveDistances: Whether as many numbers of the same size may follow, as distances
  ///   follow the ids in ground truths of big-ann; they are not looked at.
  private init(
    packed file: MappedFile, _ number: NumberType, rows: Int, columns: Int, byteOffset: Int,
    mayHaveDistances: Bool = false
  ) throws(TesseraError) {
    guard columns > 0 else { throw file.malformed("rows have no columns", at: 0) }
    guard columns <= Self.columnLimit else {
      throw file.malformed(
        "rows have \(columns) columns, and at most \(Self.columnLimit) are read", at: 0)
    }
    let (count, countOverflow) = rows.multipliedReportingOverflow(by: columns)
    let (size, sizeOverflow) = count.multipliedReportingOverflow(by: number.byteCount)
    let present = unsafe file.bytes.count - byteOffset
    let needed = countOverflow || sizeOverflow ? nil : size
    if needed != present, !(mayHaveDistances && needed == present / 2 && present % 2 == 0) {
      let says = "\(rows) x \(columns) \(number.name) need \(needed.map(String.init) ?? "too many")"
      let problem =
        if let needed, needed < present {
          "has bytes after its data: \(says) bytes, \(present) are there"
        } else {
          "is truncated: \(says) bytes, \(present) are there"
        }
      throw file.malformed(problem, at: byteOffset + min(present, needed ?? present))
    }
    // Kernels read whole numbers where they stand. NumPy pads its headers to 16 or 64 bytes.
    guard byteOffset % number.byteCount == 0 else {
      throw file.malformed(
        "the data is not aligned to its \(number.byteCount)-byte numbers", at: byteOffset,
        "save it with np.save")
    }
    self.file = file
    self.number = number
    self.rows = rows
    self.columns = columns
    self.byteOffset = byteOffset
    rowStride = columns * number.byteCount
  }

  /// Rows that each begin with their own column count, which must be the same everywhere.
  private init(records file: MappedFile, _ number: NumberType) throws(TesseraError) {
    guard let first = file.integer(at: 0, as: Int32.self) else {
      throw unsafe file.malformed("is truncated inside record 0", at: file.bytes.count)
    }
    guard first > 0 else { throw file.malformed("record 0 says it has \(first) columns", at: 0) }
    let columns = Int(first)
    let stride = 4 + columns * number.byteCount
    let rows = unsafe file.bytes.count / stride
    for row in 0..<rows {
      guard let own = file.integer(at: row * stride, as: Int32.self), own == first else {
        let own = file.integer(at: row * stride, as: Int32.self) ?? 0
        throw file.malformed(
          "record \(row) says it has \(own) columns, record 0 has \(columns)", at: row * stride)
      }
    }
    guard unsafe file.bytes.count % stride == 0 else {
      throw unsafe file.malformed(
        "is truncated inside record \(rows): records of \(columns) \(number.name) are \(stride) "
          + "bytes, \(file.bytes.count % stride) are there", at: file.bytes.count)
    }
    self.file = file
    self.number = number
    self.rows = rows
    self.columns = columns
    byteOffset = 4
    rowStride = stride
  }
}
