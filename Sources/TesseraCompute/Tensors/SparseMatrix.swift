/// A matrix of which most entries are 0, on a device: row i has the entries `starts[i]..<starts[i + 1]`,
/// each a column and a value, in an order that stays as it was given.
public struct SparseMatrix: Sendable {
  /// The number of rows.
  public let rows: Int
  /// The number of columns.
  public let columns: Int
  /// The number of entries.
  public let entryCount: Int
  /// Where the entries of each row begin, on the host: rows + 1 numbers.
  package let starts: [Int]
  /// The same on the device (rows + 1) x 1.
  package let deviceStarts: Matrix<Int32>
  /// The column of each entry, entries x 1.
  package let entryColumns: RowSelection
  /// The value of each entry, entries x 1; nil if all are 1.
  package let values: Matrix<Float>?

  /// Where the entries of row i of a matrix begin.
  package init(
    columns: Int, starts: [Int], deviceStarts: Matrix<Int32>, entryColumns: RowSelection,
    values: Matrix<Float>?
  ) {
    (self.rows, self.columns) = (starts.count - 1, columns)
    (self.starts, self.deviceStarts) = (starts, deviceStarts)
    (self.entryColumns, self.values) = (entryColumns, values)
    entryCount = starts.last ?? 0
  }

  /// The same columns with other values (entries x 1).
  ///
  /// - Throws: `.invalidShape` unless there is a value for each entry.
  public func replacing(values: Matrix<Float>) throws(TesseraError) -> SparseMatrix {
    try Shapes.require(
      values.rows == entryCount && values.columns == 1,
      "replacing: \(values.rows) x \(values.columns) values for \(entryCount) entries")
    return SparseMatrix(
      columns: columns, starts: starts, deviceStarts: deviceStarts, entryColumns: entryColumns,
      values: values)
  }
}

extension Device {
  /// Copies a sparse matrix to this device, row by row.
  ///
  /// - Parameters:
  ///   - starts: Where the entries of each row begin: rows + 1 numbers that rise from 0.
  ///   - entryColumns: The column of each entry.
  ///   - values: The value of each entry; nil if all are 1.
  /// - Throws: `.invalidShape` for starts that do not rise from 0 to the number of entries,
  ///   `.invalidArgument` for a column that is not there, `.unsupported` for 2^31 entries or more.
  public func makeSparse(
    columns: Int, starts: [Int], entryColumns: [Int32], values: [Float]? = nil
  ) throws(TesseraError) -> SparseMatrix {
    try Shapes.require(
      starts.first == 0 && starts.last == entryColumns.count
        && zip(starts, starts.dropFirst()).allSatisfy { $0 <= $1 },
      "makeSparse: starts have to rise from 0 to the \(entryColumns.count) entries")
    try Shapes.require(
      values.map { $0.count == entryColumns.count } ?? true,
      "makeSparse: \(values?.count ?? 0) values for \(entryColumns.count) entries")
    guard entryColumns.count <= Int(Int32.max) else {
      throw TesseraError(
        .unsupported, "makeSparse: \(entryColumns.count) entries are more than \(Int32.max)")
    }
    return SparseMatrix(
      columns: columns, starts: starts,
      deviceStarts: try upload(starts.map { Int32($0) }, rows: starts.count, columns: 1),
      entryColumns: try select(entryColumns, below: columns),
      values: try values.map { values throws(TesseraError) in
        try upload(values, rows: values.count, columns: 1)
      })
  }

  /// Copies a sparse matrix that is given as a list of entries, in any order, to this device. Entries
  /// of a row keep their order; entries at one place are all kept, which adds them.
  ///
  /// - Throws: As the other `makeSparse`, and `.invalidArgument` for a row that is not there.
  public func makeSparse(
    rows: Int, columns: Int, entryRows: [Int32], entryColumns: [Int32], values: [Float]? = nil
  ) throws(TesseraError) -> SparseMatrix {
    try Shapes.require(
      entryRows.count == entryColumns.count,
      "makeSparse: \(entryRows.count) rows and \(entryColumns.count) columns of entries")
    let groups = try RowGroups(entryRows, groups: rows, "makeSparse")
    return try makeSparse(
      columns: columns, starts: groups.starts,
      entryColumns: groups.order.map { entryColumns[Int($0)] },
      values: values.map { values in groups.order.map { values[Int($0)] } })
  }
}

/// Rows put together by a number that each has, in rising order within a group: a counting sort.
package struct RowGroups {
  /// The rows of group after group.
  package let order: [Int32]
  /// Where each group begins in `order`: groups + 1 numbers.
  package let starts: [Int]

  /// Sorts the rows by `labels`.
  ///
  /// - Throws: `.invalidArgument` for a label outside 0..<`groups`; stops when asked to.
  package init(_ labels: [Int32], groups: Int, _ operation: String) throws(TesseraError) {
    var starts = [Int](repeating: 0, count: groups + 1)
    for (row, label) in labels.enumerated() {
      guard label >= 0, Int(label) < groups else {
        throw Shapes.outside("\(operation): row", value: Int(label), at: row, limit: groups)
      }
      starts[Int(label) + 1] += 1
    }
    for group in 0..<groups { starts[group + 1] += starts[group] }
    var next = starts
    var order = [Int32](repeating: 0, count: labels.count)
    for (row, label) in labels.enumerated() {
      order[next[Int(label)]] = Int32(row)
      next[Int(label)] += 1
    }
    (self.order, self.starts) = (order, starts)
  }
}
