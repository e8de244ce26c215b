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
