import TesseraCompute
internal import TesseraHost

/// Writes a table row by row: the header, then each row in the layout that the extension names.
///
/// Nothing is visible at the path until `finish`, or until the file that was given is committed; a
/// table that is not finished leaves nothing behind.
final class TableWriter {
  let path: String
  /// The type the numbers are stored in.
  let number: NumberType
  let rows: Int
  let columns: Int
  private(set) var rowCount = 0
  private let file: AtomicFile
  private let commitsFile: Bool
  private let rowPrefix: [UInt8]
  private var buffer: [UInt8]

  /// Bytes gathered before the file is written to: enough that the system calls cost nothing.
  private static let bufferBytes = 1 << 20

  /// - Parameters:
  ///   - file: Where to write; its owner commits it. Nil: a file of this writer's own.
  ///   - number: The type to store where the format leaves the choice.
  /// - Throws: `.cannotCreate`; `.invalidShape` for a size the format cannot hold.
  init(
    _ path: String, into file: AtomicFile? = nil, as kind: TableKind,
    preferring number: NumberType, rows: Int, columns: Int
  ) throws(TesseraError) {
    let format = try TableFormat(path, for: kind, else: .cannotCreate)
    self.path = path
    self.number = format.number ?? number
    self.rows = rows
    self.columns = columns
    func refusal(_ problem: String) -> TesseraError {
      TesseraError(
        .invalidShape,
        "\(path.printable): \(rows) x \(columns) \(kind.noun) \(problem)")
    }
    let (count, countOverflow) = rows.multipliedReportingOverflow(by: columns)
    let overflow = count.multipliedReportingOverflow(by: self.number.byteCount + 4).overflow
    // NumPy has arrays of no columns: what a search of nothing finds.
    let fewest = format == .npy && kind.mayBeFlat ? 0 : 1
    guard rows >= 0, columns >= fewest, columns <= MappedTable.columnLimit, !countOverflow,
      !overflow
    else {
      throw refusal(
        "are no table; give at least one column and at most \(MappedTable.columnLimit), and a size "
          + "below 2^63 bytes")
    }
    switch format {
    case .npy:
      buffer = NumpyHeader.bytes(self.number, rows: rows, columns: columns)
      rowPrefix = []
    case .counted:
      guard let storedRows = UInt32(exactly: rows), let storedColumns = UInt32(exactly: columns)
      else { throw refusal("do not fit its 32-bit counts; write .npy") }
      buffer = Self.bytes(storedRows) + Self.bytes(storedColumns)
      rowPrefix = []
    case .records:
      guard let storedColumns = Int32(exactly: columns) else {
        throw refusal("do not fit its 32-bit counts; write .npy")
      }
      guard rows > 0 else {
        throw refusal("leave the file empty, without even their dimension; write .npy")
      }
      buffer = []
      rowPrefix = Self.bytes(storedColumns)
    }
    commitsFile = file == nil
    self.file = if let file { file } else { try AtomicFile(path) }
  }

  /// Appends one row as it is stored: `columns * number.byteCount` bytes.
  func append(_ row: RawSpan) throws(TesseraError) {
    buffer += rowPrefix
    unsafe row.withUnsafeBytes { unsafe buffer.append(contentsOf: $0) }
    rowCount += 1
    if buffer.count >= Self.bufferBytes { try flush() }
  }

  /// Appends one row of numbers, converted to the type that is stored.
  ///
  /// - Throws: `.invalidArgument` for a number that type does not have.
  func append(_ row: Span<Float>, _ rounding: Rounding) throws(TesseraError) {
    buffer += rowPrefix
    if let column = number.encode(row, rounding, onto: &buffer) {
      throw TesseraError(
        .invalidArgument,
        "\(path.printable): \(row[column]) in row \(rowCount), column \(column) is no "
          + "\(number.name); write .npy or .fbin in float32, or convert the numbers first")
    }
    rowCount += 1
    if buffer.count >= Self.bufferBytes { try flush() }
  }

  /// Puts the table at its path, or makes the file that was given durable.
  ///
  /// - Throws: `.invalidShape` if rows are missing.
  ///   `rowCount` says how many there are where they were not appended.
  func finish(rowCount: Int? = nil) throws(TesseraError) {
    let rowCount = rowCount ?? self.rowCount
    guard rowCount == rows else {
      throw TesseraError(
        .invalidShape,
        "\(path.printable): \(rowCount) rows are written of the \(rows) that were announced; "
          + "append the rest")
    }
    try flush()
    if commitsFile { try file.commit() } else { try file.seal() }
  }

  func discard() { file.discard() }

  private func flush() throws(TesseraError) {
    let bytes = buffer
    buffer = []
    try unsafe file.append(bytes.span.bytes)
  }

  private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    unsafe withUnsafeBytes(of: value.littleEndian) { unsafe Array($0) }
  }

  /// Checks that `count` numbers fill `rows` x `columns`.
  static func requireCount(
    _ count: Int, _ rows: Int, _ columns: Int, _ path: String
  ) throws(TesseraError) {
    let (needed, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard !overflow, needed == count else {
      throw TesseraError(
        .invalidShape, "\(path.printable): \(count) numbers are not \(rows) rows of \(columns)")
    }
  }
}
