internal import TesseraHost

/// Device memory. Each device subclasses it; nobody else looks inside.
///
/// Safe to share: the reference is immutable, and the device that owns it orders all access.
open class Storage: @unchecked Sendable {
  /// The size of this memory in bytes.
  public let byteCount: Int
  /// Records the size; a subclass allocates the memory.
  public init(byteCount: Int) { self.byteCount = byteCount }
}

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

/// Device memory that is host memory: what the reference device and the CPU device use.
public final class HostStorage: Storage, @unchecked Sendable {
  // Safe: callers of one device do not run conflicting operations on the same matrix at once,
  // which is the rule every `Device` states.
  /// The memory itself, aligned for the elements that it was made for.
  public let bytes: UnsafeMutableRawBufferPointer
  /// The owner of the bytes, if this object is not.
  private let owner: Vectors?

  /// - Throws: `.outOfMemory` if the host refuses `byteCount` bytes.
  public init(allocating byteCount: Int) throws(TesseraError) {
    bytes = try UnsafeMutableRawBufferPointer.allocateAligned(byteCount)
    owner = nil
    super.init(byteCount: byteCount)
  }

  /// The rows where they are, only to be read; nil unless they are Float32, one after the other.
  package init?(reading vectors: Vectors) {
    guard vectors.element == .float32, vectors.count > 0,
      vectors.rowStride == vectors.dimension * MemoryLayout<Float>.stride,
      let start = vectors.baseAddress, Int(bitPattern: start) % MemoryLayout<Float>.alignment == 0
    else { return nil }
    bytes = UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(mutating: start), count: vectors.byteCount)
    owner = vectors
    super.init(byteCount: vectors.byteCount)
  }

  deinit {
    if owner == nil { bytes.deallocateAligned() }
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
