/// A dense row-major view of device memory: `rows` x `columns`, starting `offset` elements in.
public struct Matrix<Element: DeviceScalar>: Sendable {
  /// The memory that the elements lie in, shared with other views.
  public let storage: Storage
  /// The first element's position in `storage`, in elements.
  public let offset: Int
  /// The number of rows, 0 or more.
  public let rows: Int
  /// The number of columns, which is also the distance from one row to the next, in elements.
  public let columns: Int

  /// - Precondition: the view lies inside `storage`.
  public init(_ storage: Storage, offset: Int = 0, rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0 && offset >= 0, "a matrix has no negative sizes")
    precondition(
      (offset + rows * columns) * MemoryLayout<Element>.stride <= storage.byteCount,
      "a \(rows) x \(columns) matrix at \(offset) does not fit \(storage.byteCount) bytes")
    self.storage = storage
    self.offset = offset
    self.rows = rows
    self.columns = columns
  }

  /// The number of elements: `rows * columns`.
  public var count: Int { rows * columns }
  /// The size of the elements in bytes.
  public var byteCount: Int { count * MemoryLayout<Element>.stride }
  /// The first element's position in `storage`, in bytes.
  public var byteOffset: Int { offset * MemoryLayout<Element>.stride }

  /// The rows of `range`, without copying.
  public func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    return Matrix(
      storage, offset: offset + range.lowerBound * columns, rows: range.count, columns: columns)
  }
}

extension Matrix {
  /// The elements, if they lie in host memory.
  ///
  /// - Throws: `.wrongDevice` if they lie elsewhere.
  public func hostElements(_ operation: String) throws(TesseraError)
    -> UnsafeMutableBufferPointer<Element>
  {
    guard let host = storage as? HostStorage else {
      throw TesseraError(.wrongDevice, "\(operation): the matrix lives on another device")
    }
    let start = host.bytes.baseAddress?.advanced(by: byteOffset)
    return UnsafeMutableBufferPointer(
      start: start?.assumingMemoryBound(to: Element.self), count: count)
  }
}
