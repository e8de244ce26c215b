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

  var api: copencl_api { handles.library.api }
  var device: cl_device_id { handles.device }
  var context: cl_context { handles.context }

  init(
    _ device: cl_device_id, of library: OpenCLLibrary, launchDeadline: Duration?
  ) throws(TesseraError) {
    struct Opened: @unchecked Sendable {
      // Safe: handed over once.
      var call = "clCreateContext"
      var status: cl_int = 0
      var context: cl_context?
      var queue: cl_command_queue?
    }
    struct Named: @unchecked Sendable {
      // Safe: a name that never changes.
      let device: cl_device_id
    }
    let watchdog = Watchdog(limit: launchDeadline)
    let named = Named(device: device)
    let opened = watchdog.wait { _ in
      let api = library.api
      var opened = Opened()
      var device: cl_device_id? = named.device
      opened.context = api.clCreateContext(nil, 1, &device, nil, nil, &opened.status)
      guard opened.status == 0, let context = opened.context else { return opened }
      opened.call = "clCreateCommandQueue"
      opened.queue = api.clCreateCommandQueue(context, named.device, 0, &opened.status)
      if opened.status != 0 || opened.queue == nil { _ = api.clReleaseContext(context) }
      return opened
    }
    guard let opened else { throw Self.noAnswer("clCreateContext", watchdog.limit) }
    try OpenCLStatus.check(opened.status, opened.call)
    guard let context = opened.context, let queue = opened.queue else {
      throw TesseraError(.deviceFailure, "\(opened.call): returned nothing")
    }
    handles = DriverHandles(library: library, device: device, context: context, queue: queue)
    self.watchdog = watchdog
  }

  /// Returns when every command is done and the driver has let go of the context. A context that
  /// was given up is left as it is, with the memory that its commands may still use.
  deinit {
    let handles = handles
    let (marks, staging) = commands.withLock { ($0.marks, $0.staging) }
    let isReleased =
      loss?.isAbandoned != true
      && watchdog.wait { progress in
        handles.release(marks, staging, progress)
        return true
      } == true
    if !isReleased { for buffer in staging { buffer.keepForEver() } }
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
    asked("") { handles in
      queryText {
        handles.library.api.clGetDeviceInfo(
          handles.device, cl_device_info(property), $0, $1, $2)
      }
    }
  }

  /// A number of the type `Value` that the property has, or `absent` where the driver does not know
  /// it.
  func number<Value: FixedWidthInteger & Sendable>(_ property: Int32, absent: Value) -> Value {
    asked(absent) { handles in
      var value = absent
      let status = handles.library.api.clGetDeviceInfo(
        handles.device, cl_device_info(property), MemoryLayout<Value>.size, &value, nil)
      return status == 0 ? value : absent
    }
  }

  /// Returns what `question` does, or `absent` where the driver gives no answer: the device is
  /// given up then.
  private func asked<Value: Sendable>(
    _ absent: Value, _ question: @escaping @Sendable (DriverHandles) -> Value
  ) -> Value {
    guard loss == nil else { return absent }
    let handles = handles
    if let answer = watchdog.wait(for: { _ in question(handles) }) { return answer }
    _ = abandon("clGetDeviceInfo")
    return absent
  }

  /// Makes an object of the driver's.
  ///
  /// - Throws: What the status of `call` means, or why the context cannot be used.
  func make(
    _ call: @autoclosure () -> String,
    _ maker: @escaping @Sendable (DriverHandles, inout cl_int) -> OpaquePointer?
  ) throws(TesseraError) -> OpaquePointer {
    try requireAlive()
    let handles = handles
    let made = try watchdog.waitUnlessStopped { progress in
      var made = DriverHandles.Made(status: 0, object: nil)
      guard progress.keepCaller() else { return made }
      made.object = maker(handles, &made.status)
      return made
    }
    guard let made else { throw abandon(call()) }
    guard made.status == 0, let object = made.object else { throw failure(made.status, call()) }
    return object
  }

  /// Lets go of something of the driver's, after every call before; nobody waits for it.
  func letGo(_ release: @escaping @Sendable (copencl_api) -> Void) {
    guard loss?.isAbandoned != true else { return }
    let library = handles.library
    watchdog.later { release(library.api) }
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

  /// Gives the device up, because `call` does not come back.
  func abandon(_ call: String) -> TesseraError {
    lose(Self.noAnswer(call, watchdog.limit), isAbandoned: true)
  }

  /// Says that `call` did not come back within `limit`.
  static func noAnswer(_ call: String, _ limit: Duration?) -> TesseraError {
    let seconds = (limit ?? .zero) / .seconds(1)
    return TesseraError(
      .deviceFailure,
      "\(call): no answer for \(seconds) s, the device is given up; set TESSERA_OPENCL_TIMEOUT "
        + "to more seconds if its work takes that long, or use another device")
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
      try sendBatch(&commands)
      try settle(&commands)
    }
  }

  /// Values for a kernel's parameters, as the driver takes them.
  enum ArgumentValue: Sendable {
    case bytes([UInt8])
    /// `__local` memory of so many bytes.
    case local(Int)
  }

  /// Says what became of a launch.
  fileprivate struct Launched: Sendable {
    var status: Int32 = 0
    /// The call that the status is of.
    var call = ""
    var launchCount: Int
    var work: Int
    var marks: [DriverHandles.Mark]
  }

  /// One start of a kernel, before the driver hears of it.
  struct QueuedLaunch: @unchecked Sendable {
    // Safe: whoever launches a kernel holds its program, and arguments are set where it is queued.
    let kernel: cl_kernel
    let name: String
    let arguments: [ArgumentValue]
    let grid: Grid
    /// What holds the memory in `arguments`: kept while the call is out.
    let owners: [OpenCLStorage]
  }

  /// Launches that go to the driver together.
  ///
  /// Safe to share: only the call that collects them touches them.
  private final class LaunchBatch: @unchecked Sendable {
    /// Launches, and operations in them, that are not held back any more.
    static let (largestCount, largestWork) = (64, 1 << 28)

    let context: OpenCLContext
    private var launches: [QueuedLaunch] = []
    private var work = 0

    init(_ context: OpenCLContext) { self.context = context }

    /// Returns true when it is time to send them.
    func add(_ launch: QueuedLaunch) -> Bool {
      launches.append(launch)
      let groups = launch.grid.workGroups.x.multipliedReportingOverflow(
        by: launch.grid.workGroups.y)
      let (more, overflows) = groups.partialValue.multipliedReportingOverflow(
        by: launch.grid.workEach)
      work = groups.overflow || overflows ? Self.largestWork : min(work + more, Self.largestWork)
      return launches.count >= Self.largestCount || work >= Self.largestWork
    }

    func take() -> [QueuedLaunch] {
      defer { (launches, work) = ([], 0) }
      return launches
    }
  }

  /// The batch of the call that is under way in this task.
  @TaskLocal private static var batch: LaunchBatch?

  /// Runs `work`, whose launches go to the driver's thread together: the way there and back costs
  /// more than a short kernel. They are sent early where there is much to do, and before anything is
  /// waited for; what `work` launched before it throws may never begin.
  func together(_ work: () throws(TesseraError) -> Void) throws(TesseraError) {
    let batch = LaunchBatch(self)
    try Self.$batch.withValue(batch) {
      Result { () throws(TesseraError) in
        try work()
        try commands.withLock { commands throws(TesseraError) in try sendBatch(&commands) }
      }
    }.get()
  }

  /// Sends what was held back in this task.
  func sendBatch(_ commands: inout Commands) throws(TesseraError) {
    guard let batch = Self.batch, batch.context === self else { return }
    let launches = batch.take()
    if !launches.isEmpty { try send(launches, &commands) }
  }

  /// Sets a kernel's arguments, queues it over the launches of its grid, and lets the device begin; or
  /// holds it back until that is worth it.
  func launch(_ launch: QueuedLaunch) throws(TesseraError) {
    if let batch = Self.batch, batch.context === self {
      guard batch.add(launch) else { return try requireAlive() }
      return try commands.withLock { commands throws(TesseraError) in try sendBatch(&commands) }
    }
    try commands.withLock { commands throws(TesseraError) in try send([launch], &commands) }
  }

  private func send(
    _ launches: [QueuedLaunch], _ commands: inout Commands
  ) throws(TesseraError) {
    try requireAlive()
    let handles = handles
    let before = Launched(
      call: "clEnqueueNDRangeKernel(\(launches[0].name))", launchCount: commands.launchCount,
      work: commands.work, marks: commands.takeMarks())
    // A caller that leaves does not know whether something is queued.
    commands.launchCount = 1
    let after = try watchdog.waitUnlessStopped { progress in
      withExtendedLifetime(launches) {
        var launched = before
        for launch in launches where launched.status == 0 {
          handles.launch(launch, &launched, progress)
        }
        if launched.status == 0 {
          launched.call = "clFlush"
          launched.status = handles.library.api.clFlush(handles.queue)
        }
        if !progress.keepCaller() { handles.forget(launched.marks) }
        return launched
      }
    }
    guard let after else { throw abandon(before.call) }
    (commands.launchCount, commands.work) = (after.launchCount, after.work)
    commands.marks = after.marks
    try check(after.status, after.call)
  }

  /// The compiler's status for `program`, which `owner` holds until the compiler is done. Other
  /// threads' commands go on meanwhile.
  func build(
    _ program: cl_program, of owner: Program, options: String
  ) throws(TesseraError) -> Int32 {
    try requireAlive()
    struct Unbuilt: @unchecked Sendable {
      // Safe: nobody else uses a program that is being built.
      let program: cl_program
      let owner: Program
    }
    let (handles, unbuilt) = (handles, Unbuilt(program: program, owner: owner))
    let status = try Watchdog(limit: watchdog.limit).waitUnlessStopped { _ in
      withExtendedLifetime(unbuilt.owner) {
        var device: cl_device_id? = handles.device
        return handles.library.api.clBuildProgram(unbuilt.program, 1, &device, options, nil, nil)
      }
    }
    guard let status else { throw abandon("clBuildProgram") }
    return status
  }

  private func settle(_ commands: inout Commands) throws(TesseraError) {
    guard commands.launchCount > 0 else { return }
    let (handles, marks) = (handles, commands.takeMarks())
    // A caller that leaves does not know whether something is still queued.
    commands.launchCount = 1
    try check(watchdog.waitUnlessStopped { handles.finish(marks, $0) }, "clFinish")
    commands.launchCount = 0
  }

  /// Throws if `buffer` belongs to another context, such as one that was lost.
  func requireOwn(_ buffer: DeviceBuffer) throws(TesseraError) {
    guard buffer.context !== self else { return }
    try buffer.context.requireAlive()
    throw TesseraError(.wrongDevice, "the memory belongs to another device")
  }
}

extension DriverHandles {
  /// Launches that may be waiting: a driver whose queue is full waits itself, without a limit.
  private static var maxLaunchCount: Int { 512 }

  fileprivate func launch(
    _ launch: OpenCLContext.QueuedLaunch, _ state: inout OpenCLContext.Launched,
    _ progress: Watchdog.Progress
  ) {
    let api = library.api
    let (kernel, name, arguments, grid) = (
      launch.kernel, launch.name, launch.arguments, launch.grid
    )
    for (index, argument) in arguments.enumerated() {
      state.status =
        switch argument {
        case .bytes(let bytes): api.clSetKernelArg(kernel, cl_uint(index), bytes.count, bytes)
        case .local(let count): api.clSetKernelArg(kernel, cl_uint(index), count, nil)
        }
      state.call = "clSetKernelArg(\(name), \(index))"
      guard state.status == 0 else { return }
    }
    let local = [grid.local.x, grid.local.y]
    for ranges in grid.launches where !progress.isLeft {
      if state.launchCount >= Self.maxLaunchCount {
        state.call = "clFinish"
        state.status = finish(state.marks, progress)
        (state.launchCount, state.work, state.marks) = (0, 0, [])
        guard state.status == 0 else { return }
      }
      let offset = [ranges.x.lowerBound * local[0], ranges.y.lowerBound * local[1]]
      let global = [ranges.x.count * local[0], ranges.y.count * local[1]]
      state.work += ranges.x.count * ranges.y.count * grid.workEach
      var mark: cl_event?
      state.call = "clEnqueueNDRangeKernel(\(name))"
      state.status =
        state.work < Grid.workPerLaunch
        ? api.clEnqueueNDRangeKernel(queue, kernel, 2, offset, global, local, 0, nil, nil)
        : api.clEnqueueNDRangeKernel(queue, kernel, 2, offset, global, local, 0, nil, &mark)
      guard state.status == 0 else { return }
      state.launchCount += 1
      progress.step()
      if let mark {
        state.marks.append(Mark(event: mark))
        state.work = 0
      }
    }
  }
}
