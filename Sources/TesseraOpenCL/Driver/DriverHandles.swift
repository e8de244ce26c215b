internal import COpenCL

/// Holds the driver's handles of a context, apart from the object that owns it: a call that is
/// given up may outlive that object.
///
/// Safe to share: the handles never change, and OpenCL lets any thread use them.
struct DriverHandles: @unchecked Sendable {
  let library: OpenCLLibrary
  let device: cl_device_id
  let context: cl_context
  let queue: cl_command_queue

  /// An event that comes when everything queued before it is done.
  ///
  /// Safe to share: whoever waits for it lets go of it, once.
  struct Mark: @unchecked Sendable {
    let event: cl_event
  }

  /// Memory of the context, for a call that does not keep its owner.
  struct Memory: @unchecked Sendable {
    let handle: cl_mem
  }

  /// Waits for every command queued so far, a step for each of `marks`.
  func finish(_ marks: [Mark], _ progress: Watchdog.Progress) -> Int32 {
    var worst: Int32 = 0
    for mark in marks {
      var event: cl_event? = mark.event
      let status = library.api.clWaitForEvents(1, &event)
      if worst == 0 { worst = status }
      _ = library.api.clReleaseEvent(mark.event)
      progress.step()
    }
    let status = library.api.clFinish(queue)
    return status == 0 ? worst : status
  }

  /// Success if a word can be written and read back, or if there is only no room for one.
  func pulse() -> Int32 {
    let api = library.api
    let outOfMemory: [Int32] = [-4, -61]
    var status: cl_int = 0
    let memory = api.clCreateBuffer(context, cl_mem_flags(CL_MEM_READ_WRITE), 4, nil, &status)
    guard status == 0, let memory else { return outOfMemory.contains(status) ? 0 : status }
    defer { _ = api.clReleaseMemObject(memory) }
    var sent: UInt32 = 0x7e55_e7a0
    status = api.clEnqueueWriteBuffer(queue, memory, cl_bool(CL_TRUE), 0, 4, &sent, 0, nil, nil)
    guard status == 0 else { return outOfMemory.contains(status) ? 0 : status }
    var received: UInt32 = 0
    status = api.clEnqueueReadBuffer(queue, memory, cl_bool(CL_TRUE), 0, 4, &received, 0, nil, nil)
    return status != 0 ? status : received == sent ? 0 : -9999
  }

  /// Lets go of everything, `marks` and `staging` too.
  func release(_ marks: [Mark], _ staging: [Staging]) {
    for mark in marks { _ = library.api.clReleaseEvent(mark.event) }
    for piece in staging { unpin(piece) }
    _ = library.api.clReleaseCommandQueue(queue)
    _ = library.api.clReleaseContext(context)
  }
}
