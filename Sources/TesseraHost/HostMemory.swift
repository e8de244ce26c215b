/// Read-only bytes in host memory together with what keeps them alive: an array's copy, or a mapped
/// file.
///
/// Safe to share: the bytes never change after `init`, and `release` runs once, in `deinit`.
public final class HostMemory: @unchecked Sendable {
  /// The bytes, which stay valid while this object is alive.
  public let bytes: UnsafeRawBufferPointer
  private let release: @Sendable (UnsafeRawBufferPointer) -> Void
  private let evict: (@Sendable (UnsafeRawBufferPointer) -> Void)?

  /// - Parameters:
  ///   - bytes: Must stay valid and unchanged until `release` has been called with it.
  ///   - evict: Frees the memory behind a part of the bytes, which come back from where they came
  ///     from when they are read again; nil where there is no such place.
  ///   - release: Gives the bytes back.
  public init(
    _ bytes: UnsafeRawBufferPointer,
    evict: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil,
    release: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
  ) {
    self.bytes = bytes
    self.evict = evict
    self.release = release
  }

  package func evict(_ range: Range<Int>) {
    evict?(UnsafeRawBufferPointer(rebasing: bytes[range]))
  }

  /// A copy of `values`, aligned to a cache line.
  public convenience init<Element: BitwiseCopyable>(copying values: [Element]) {
    let byteCount = values.count * MemoryLayout<Element>.stride
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
    values.withUnsafeBytes { copy.copyMemory(from: $0) }
    self.init(UnsafeRawBufferPointer(copy)) { $0.deallocate() }
  }

  deinit { release(bytes) }
}

extension UnsafeMutableRawBufferPointer {
  /// Uninitialised bytes on a 64-byte boundary (a cache line, an AVX-512 register).
  ///
  /// Unlike `allocate(byteCount:alignment:)`, refusal is an error instead of a trap: sizes here
  /// come from files and options.
  package static func allocateAligned(_ byteCount: Int) throws(TesseraError) -> Self {
    var start: UnsafeMutableRawPointer?
    guard byteCount >= 0, posix_memalign(&start, 64, Swift.max(byteCount, 64)) == 0, let start
    else {
      throw TesseraError(.outOfMemory, "the host has no \(byteCount) bytes to give")
    }
    return Self(start: start, count: byteCount)
  }

  package func deallocateAligned() { free(baseAddress) }
}
