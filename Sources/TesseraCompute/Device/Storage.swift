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
