internal import COpenCL
internal import Synchronization
internal import TesseraCompute

/// One device's context and its in-order queue: commands run in the order in which they were asked
/// for.
///
/// A call that fails is followed by a small one that should not: that tells a device that is short
/// of memory, and goes on, from one that has lost everything. Waiting has a limit, after which the
/// device is given up. In both cases every later call throws the same error, and the driver is not
/// troubled again.
final class OpenCLContext: Sendable {
  let handles: DriverHandles
  let watchdog: Watchdog
  /// The commands on their way to the device; whoever adds to them holds the lock.
  let commands = Mutex(Commands())
  private let lossState = Mutex<Loss?>(nil)

  struct Commands {
    /// Launches since the queue was last empty.
    var launchCount = 0
    /// Operations launched since the last mark.
    var work = 0
    var marks: [DriverHandles.Mark] = []
    /// The memory that large transfers go through, from the first of them on.
    var staging: [Staging] = []

    /// The marks of what is to be waited for now.
    mutating func takeMarks() -> [DriverHandles.Mark] {
      (launchCount, work) = (0, 0)
      defer { marks = [] }
      return marks
    }
  }

  /// Says why nothing can be done in this context any more.
  struct Loss: Sendable {
    let error: TesseraError
    /// True if a call is still out: nothing of this context may be touched, not even to release it.
    let isAbandoned: Bool
  }

  /// Launches that may be waiting: a driver whose queue is full waits itself, without a limit.
  private static let maxLaunchCount = 512

  var api: copencl_api { handles.library.api }
  var device: cl_device_id { handles.device }
  var context: cl_context { handles.context }

  init(
    _ device: cl_device_id, of library: OpenCLLibrary, launchDeadline: Duration?
  ) throws(TesseraError) {
    let api = library.api
    var status: cl_int = 0
    var device: cl_device_id? = device
    let context = api.clCreateContext(nil, 1, &device, nil, nil, &status)
    try OpenCLStatus.check(status, "clCreateContext")
    guard let context, let device else {
      throw TesseraError(.deviceFailure, "clCreateContext: returned no context")
    }
    let queue = api.clCreateCommandQueue(context, device, 0, &status)
    guard status == 0, let queue else {
      _ = api.clReleaseContext(context)
      throw OpenCLStatus.error(status, "clCreateCommandQueue")
    }
    handles = DriverHandles(library: library, device: device, context: context, queue: queue)
    watchdog = Watchdog(limit: launchDeadline)
  }

  deinit {
    let handles = handles
    let (marks, staging) = commands.withLock { ($0.marks, $0.staging) }
    if let loss {
      if !loss.isAbandoned { handles.release(marks, staging) }
    } else if watchdog.wait(for: { handles.finish(marks, $0) }) != nil {
      handles.release([], staging)
    }
  }

  /// A context of the same device, with nothing in it.
  func renewed() throws(TesseraError) -> OpenCLContext {
    let context = try OpenCLContext(
      handles.device, of: handles.library, launchDeadline: watchdog.limit)
    let handles = context.handles
    try context.check(context.watchdog.wait { _ in handles.pulse() }, "a new context")
    return context
  }

  // MARK: What the driver says of the device

  func text(_ property: Int32) -> String {
    queryText { api.clGetDeviceInfo(device, cl_device_info(property), $0, $1, $2) }
  }

  /// A number of the type `Value` that the property has, or `absent` where the driver does not know
  /// it.
  func number<Value: FixedWidthInteger>(_ property: Int32, absent: Value) -> Value {
    var value = absent
    let status = api.clGetDeviceInfo(
      device, cl_device_info(property), MemoryLayout<Value>.size, &value, nil)
    return status == 0 ? value : absent
  }

  // MARK: Failure

  /// The reason why the context cannot be used any more; nil while it can.
  var loss: Loss? { lossState.withLock { $0 } }

  /// Throws if the context cannot be used any more.
  func requireAlive() throws(TesseraError) {
    if let loss { throw loss.error }
  }

  /// Throws what the status of `call` means. Nil is a call that was given up.
  func check(_ status: Int32?, _ call: @autoclosure () -> String) throws(TesseraError) {
    guard status != 0 else { return }
    guard let status else { throw abandon(call()) }
    throw failure(status, call())
  }

  /// Returns the error that the status of `call`, which failed, stands for.
  func failure(_ status: Int32, _ call: String) -> TesseraError {
    if let loss { return loss.error }
    let error = OpenCLStatus.error(status, call)
    let handles = handles
    guard let pulse = watchdog.wait(for: { _ in handles.pulse() }) else { return abandon(call) }
    guard pulse != 0 else { return error }
    return lose(
      TesseraError(
        .deviceLost,
        "\(call): \(OpenCLStatus.name(status)): the device has lost all that was stored on it; "
          + "start again from the rows", status: status), isAbandoned: false)
  }

  private func abandon(_ call: String) -> TesseraError {
    let seconds = (watchdog.limit ?? .zero) / .seconds(1)
    return lose(
      TesseraError(
        .deviceFailure,
        "\(call): no answer for \(seconds) s, the device is given up; set TESSERA_OPENCL_TIMEOUT "
          + "to more seconds if its work takes that long, or use another device"),
      isAbandoned: true)
  }

  /// Records why the context is lost, and keeps the first reason if several threads report one.
  private func lose(_ error: TesseraError, isAbandoned: Bool) -> TesseraError {
    lossState.withLock { loss in
      loss = Loss(
        error: loss?.error ?? error, isAbandoned: isAbandoned || loss?.isAbandoned == true)
      return error
    }
  }

  // MARK: Commands

  /// Waits for every command queued so far.
  func finish() throws(TesseraError) {
    try commands.withLock { commands throws(TesseraError) in
      try requireAlive()
      try settle(&commands)
    }
  }

  /// Lets the device begin with what is queued.
  func flush() throws(TesseraError) {
    try requireAlive()
    try check(api.clFlush(handles.queue), "clFlush")
  }

  /// Queues a launch of about `work` operations.
  func launch(
    _ kernel: cl_kernel, named name: String, offset: [Int], global: [Int], local: [Int], work: Int
  ) throws(TesseraError) {
    try commands.withLock { commands throws(TesseraError) in
      try requireAlive()
      if commands.launchCount >= Self.maxLaunchCount { try settle(&commands) }
      commands.work += work
      var mark: cl_event?
      let status =
        commands.work < Grid.workPerLaunch
        ? api.clEnqueueNDRangeKernel(
          handles.queue, kernel, 2, offset, global, local, 0, nil, nil)
        : api.clEnqueueNDRangeKernel(
          handles.queue, kernel, 2, offset, global, local, 0, nil, &mark)
      try check(status, "clEnqueueNDRangeKernel(\(name))")
      commands.launchCount += 1
      if let mark {
        commands.marks.append(DriverHandles.Mark(event: mark))
        commands.work = 0
      }
    }
  }

  /// The compiler's status for `program`.
  func build(_ program: cl_program, options: String) throws(TesseraError) -> Int32 {
    try requireAlive()
    struct Unbuilt: @unchecked Sendable {
      // Safe: nobody else uses a program that is being built.
      let program: cl_program
    }
    let (handles, unbuilt) = (handles, Unbuilt(program: program))
    let status = watchdog.wait { _ in
      var device: cl_device_id? = handles.device
      return handles.library.api.clBuildProgram(unbuilt.program, 1, &device, options, nil, nil)
    }
    guard let status else { throw abandon("clBuildProgram") }
    return status
  }

  private func settle(_ commands: inout Commands) throws(TesseraError) {
    guard commands.launchCount > 0 else { return }
    let (handles, marks) = (handles, commands.takeMarks())
    try check(watchdog.wait { handles.finish(marks, $0) }, "clFinish")
  }

  /// Throws if `buffer` belongs to another context, such as one that was lost.
  func requireOwn(_ buffer: DeviceBuffer) throws(TesseraError) {
    guard buffer.context !== self else { return }
    try buffer.context.requireAlive()
    throw TesseraError(.wrongDevice, "the memory belongs to another device")
  }
}
