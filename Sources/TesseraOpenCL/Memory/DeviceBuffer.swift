internal import COpenCL
internal import TesseraCompute

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
