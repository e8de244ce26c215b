internal import TesseraCompute

/// A range of a device's memory. Kernels get the buffer and the range's first element.
final class OpenCLStorage: Storage, @unchecked Sendable {
  // Safe: everything here is immutable; the device's queue orders what touches the memory.
  let buffer: DeviceBuffer
  /// The range's first byte in the buffer, a multiple of the device's alignment.
  let start: Int
  private let bytes: Range<Int>
  private let arena: Arena

  init(_ byteCount: Int, from arena: Arena) throws(TesseraError) {
    (buffer, bytes) = try arena.take(byteCount)
    start = bytes.lowerBound
    self.arena = arena
    super.init(byteCount: byteCount)
  }

  deinit { arena.release(buffer, bytes) }
}
