internal import COpenCL
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

/// One buffer object.
///
/// Safe to share: the handle never changes, and the queue orders what touches the memory.
final class DeviceBuffer: @unchecked Sendable {
  let context: OpenCLContext
  let memory: cl_mem
  let byteCount: Int

  init(_ context: OpenCLContext, byteCount: Int) throws(TesseraError) {
    memory = try context.make("clCreateBuffer") { handles, status in
      handles.library.api.clCreateBuffer(
        handles.context, cl_mem_flags(CL_MEM_READ_WRITE), byteCount, nil, &status)
    }
    self.context = context
    self.byteCount = byteCount
  }

  /// Makes sure that the memory is really there, by using it: a driver may promise a buffer and
  /// find no room for it later.
  func touch() throws(TesseraError) {
    try withUnsafeBytes(of: UInt8(0)) { byte throws(TesseraError) in
      try context.write(byte, to: self, at: byteCount - 1)
    }
  }

  // The driver keeps the memory until queued commands are done with it.
  deinit {
    let memory = DriverHandles.Memory(handle: memory)
    context.letGo { _ = $0.clReleaseMemObject(memory.handle) }
  }
}
