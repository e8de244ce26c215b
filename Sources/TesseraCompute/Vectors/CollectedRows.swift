internal import TesseraHost

/// Rows that come some at a time, and then lie one after the other: in memory, or where that is short in a
/// file without a name (``ScratchFile``).
///
/// Not for use from two tasks at once.
package final class CollectedRows {
  private let element: ElementType
  private let dimension: Int
  private let memory: UnsafeMutableRawBufferPointer?
  private let file: ScratchFile?
  private var filled = 0
  private var isTaken = false

  private var rowBytes: Int { dimension * element.byteCount }

  /// - Parameters:
  ///   - count: Rows that will come, at most.
  ///   - memoryLimit: What the work around may take; rows that take more than a sixteenth of it go to a
  ///     file. nil: whatever there is.
  /// - Throws: `.outOfMemory`, and as ``ScratchFile/init()``.
  package init(
    _ element: ElementType, count: Int, dimension: Int, within memoryLimit: Int?
  ) throws(TesseraError) {
    self.element = element
    self.dimension = dimension
    let byteCount = count * dimension * element.byteCount
    if let memoryLimit, byteCount > memoryLimit / 16 {
      memory = nil
      file = try ScratchFile()
    } else {
      memory = try UnsafeMutableRawBufferPointer.allocateAligned(byteCount)
      file = nil
    }
  }

  deinit { if !isTaken { memory?.deallocateAligned() } }

  /// Adds rows of the type and length that was said at first.
  ///
  /// - Throws: As ``ScratchFile/append(_:)``.
  package func append(_ rows: Vectors) throws(TesseraError) {
    precondition(rows.element == element && rows.dimension == dimension, "rows of another kind")
    guard let start = rows.baseAddress else { return }
    let together = rows.rowStride == rowBytes ? max(1, rows.count) : 1
    for first in stride(from: 0, to: rows.count, by: together) {
      let bytes = UnsafeRawBufferPointer(
        start: start + first * rows.rowStride, count: together * rowBytes)
      if let file {
        try file.append(bytes)
      } else if let memory {
        UnsafeMutableRawBufferPointer(rebasing: memory[filled..<filled + bytes.count])
          .copyMemory(from: bytes)
      }
      filled += bytes.count
    }
  }

  /// Returns all rows that came. Nothing more may come then.
  ///
  /// - Throws: As ``ScratchFile/mapped()``.
  package func rows() throws(TesseraError) -> Vectors {
    let all: HostMemory
    if let file {
      all = try file.mapped()
    } else {
      isTaken = true
      all = HostMemory(UnsafeRawBufferPointer(memory ?? .init(start: nil, count: 0))) {
        UnsafeMutableRawBufferPointer(mutating: $0).deallocateAligned()
      }
    }
    return try Vectors(
      all, element: element, count: rowBytes > 0 ? filled / rowBytes : 0, dimension: dimension)
  }
}

extension Vectors {
  /// Copies of the rows listed, in that order, one after the other: of a mapped file in a file too,
  /// where they do not fit into memory.
  ///
  /// - Throws: `.outOfMemory`, and as ``CollectedRows``.
  package func gathered(
    _ rows: [Int], within memoryLimit: Int?
  ) throws(TesseraError) -> Vectors {
    guard memoryLimit != nil else { return try gathered(rows) }
    let collected = try CollectedRows(
      element, count: rows.count, dimension: dimension, within: memoryLimit)
    for block in blocks(of: rows.count) { try collected.append(gathered(rows[block])) }
    evict()
    return try collected.rows()
  }

  /// Ranges that cover `0..<count`, each of rows of some megabytes like these.
  package func blocks(of count: Int, numbers: Int = 1 << 20) -> [Range<Int>] {
    let step = max(1, numbers / max(1, dimension))
    return stride(from: 0, to: count, by: step).map { $0..<min($0 + step, count) }
  }
}
