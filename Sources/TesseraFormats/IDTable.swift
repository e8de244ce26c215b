internal import TesseraHost

/// Integers in rows: the ids a search found, true neighbours, labels. A view of a mapped file.
public struct IDTable: Sendable {
  /// The number of rows.
  public let rows: Int
  /// Ids of a row.
  public let columns: Int
  private let table: MappedTable

  init(_ table: MappedTable) {
    rows = table.rows
    columns = table.columns
    self.table = table
  }

  /// Whether these are bytes: too short for ids, and how NumPy keeps flags.
  package var holdsFlags: Bool { table.number == .uint8 }

  /// The id in a row and column, widened to 64 bits; both must exist.
  public subscript(row: Int, column: Int) -> Int64 {
    precondition(
      row >= 0 && row < rows && column >= 0 && column < columns,
      "id (\(row), \(column)) of a \(rows) x \(columns) table")
    let bytes = unsafe table.file.bytes
    let offset =
      table.byteOffset + row * table.rowStride + column * table.number.byteCount
    return switch table.number {
    case .int64: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self)
    case .int32: unsafe Int64(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    case .uint8: unsafe Int64(bytes[offset])
    case .int8, .float16, .float32: preconditionFailure("not a type ids are opened with")
    }
  }

  /// The ids of one row, widened to 64 bits.
  public func row(_ index: Int) -> [Int64] {
    (0..<columns).map { self[index, $0] }
  }
}
