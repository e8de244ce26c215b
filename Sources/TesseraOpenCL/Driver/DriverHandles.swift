internal import COpenCL

/// Names a context to the driver, apart from the object that owns it: a call that is given up may
/// outlive that.
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

  /// A status and the object that came with it.
  ///
  /// Safe to share: the object has one owner, which is whoever gets this.
  struct Made: @unchecked Sendable {
    var status: Int32
    var object: OpaquePointer?
  }

  /// Waits for every command queued so far, a step for each of `marks`; no longer than the caller
  /// does.
  func finish(_ marks: [Mark], _ progress: Watchdog.Progress) -> Int32 {
    var worst: Int32 = 0
    for mark in marks where !progress.isLeft {
      var event: cl_event? = mark.event
      let status = library.api.clWaitForEvents(1, &event)
      if worst == 0 { worst = status }
      progress.step()
    }
    forget(marks)
    guard !progress.isLeft else { return worst }
    let status = library.api.clFinish(queue)
    return status == 0 ? worst : status
  }

  /// Lets go of `marks`, whether they have come or not.
  func forget(_ marks: [Mark]) {
    for mark in marks { _ = library.api.clReleaseEvent(mark.event) }
  }

  /// Returns success if a word can be written and read back, or if there is only no room for one.
  func pulse() -> Int32 {
    let api = library.api
    let outOfMemory: [Int32] = [-4, -61]
    var status: cl_int = 0
    let memory = api.clCreateBuffer(context, cl_mem_flags(CL_MEM_READ_WRITE), 4, nil, &status)
    guard status == 0, let memory else { return outOfMemory.contains(status) ? 0 : status }
    defer { _ = api.clReleaseMemObject(memory) }
    // Not on the stack: a driver that fails may still write to it later.
    let words = Staging(byteCount: 8)
    let (sent, received) = (words.start, words.start + 4)
    sent.storeBytes(of: 0x7e55_e7a0, as: UInt32.self)
    received.storeBytes(of: 0, as: UInt32.self)
    status = api.clEnqueueWriteBuffer(queue, memory, cl_bool(CL_TRUE), 0, 4, sent, 0, nil, nil)
    if status == 0 {
      status = api.clEnqueueReadBuffer(queue, memory, cl_bool(CL_TRUE), 0, 4, received, 0, nil, nil)
    } else if outOfMemory.contains(status) {
      status = 0
      received.storeBytes(of: 0x7e55_e7a0, as: UInt32.self)
    }
    guard status == 0 else {
      settle([words])
      return status
    }
    return received.load(as: UInt32.self) == 0x7e55_e7a0 ? 0 : -9999
  }

  /// Makes sure that the driver no longer uses `staging`, after a call that failed: what was queued
  /// before may still be on its way. Memory of a queue that does not finish is never given back.
  func settle(_ staging: [Staging]) {
    guard library.api.clFinish(queue) != 0 else { return }
    for buffer in staging { buffer.keepForEver() }
  }

  /// Lets go of everything, `marks` and `staging` too, once every command is done: drivers do not
  /// expect a queue to go, or the process to end, while commands are under way.
  func release(_ marks: [Mark], _ staging: [Staging], _ progress: Watchdog.Progress) {
    for buffer in staging { unmap(buffer) }
    if finish(marks, progress) != 0 {
      for buffer in staging { buffer.keepForEver() }
    }
    for buffer in staging { unpin(buffer) }
    _ = library.api.clReleaseCommandQueue(queue)
    _ = library.api.clReleaseContext(context)
  }
}
