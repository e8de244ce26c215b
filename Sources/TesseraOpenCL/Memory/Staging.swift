internal import COpenCL

/// Host memory that bytes go through on their way to or from a device. It outlives the caller's,
/// where a call is given up.
///
/// Safe to share: the caller and the thread that waits for a call take turns with it.
final class Staging: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  let byteCount: Int
  /// The driver's name for memory that the device reaches without a copy; its context lets go of it.
  let pinned: cl_mem?

  init(byteCount: Int) {
    start = .allocate(byteCount: byteCount, alignment: 64)
    self.byteCount = byteCount
    pinned = nil
  }

  init(pinned: cl_mem, at start: UnsafeMutableRawPointer, byteCount: Int) {
    self.start = start
    self.byteCount = byteCount
    self.pinned = pinned
  }

  deinit { if pinned == nil { start.deallocate() } }

  /// Keeps the memory until the process ends: a driver that failed may still use it.
  func keepForEver() { _ = Unmanaged.passRetained(self) }
}

extension DriverHandles {
  /// Returns memory of the host that the device reaches without a copy; nil where the driver has
  /// none.
  func pin(byteCount: Int) -> Staging? {
    let api = library.api
    var status: cl_int = 0
    let flags = cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR)
    let memory = api.clCreateBuffer(context, flags, byteCount, nil, &status)
    guard status == 0, let memory else { return nil }
    let access = cl_map_flags(CL_MAP_READ | CL_MAP_WRITE)
    let start = api.clEnqueueMapBuffer(
      queue, memory, cl_bool(CL_TRUE), access, 0, byteCount, 0, nil, nil, &status)
    guard status == 0, let start else {
      _ = api.clReleaseMemObject(memory)
      return nil
    }
    return Staging(pinned: memory, at: start, byteCount: byteCount)
  }

  /// Queues the end of the mapping.
  func unmap(_ staging: Staging) {
    guard let memory = staging.pinned else { return }
    _ = library.api.clEnqueueUnmapMemObject(queue, memory, staging.start, 0, nil, nil)
  }

  /// Gives the memory back, once its mapping has ended.
  func unpin(_ staging: Staging) {
    guard let memory = staging.pinned else { return }
    _ = library.api.clReleaseMemObject(memory)
  }
}
