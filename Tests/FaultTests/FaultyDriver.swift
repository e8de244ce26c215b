import COpenCL
import Foundation
import Synchronization
import TesseraCompute

@testable import TesseraOpenCL

/// The drivers of this machine behind entry points that fail as a test says.
///
/// Entry points cannot capture anything, so there is one for the whole process, and tests that use
/// it run one after the other.
enum FaultyDriver {
  /// The entry points that can go wrong.
  enum Call: Sendable, Hashable, CaseIterable {
    case createContext, createQueue, createBuffer, createProgram, build, createKernel
    case setArgument, launch, flush, finish, read, write
  }

  /// The effect of a faulty call.
  enum Effect: Sendable, Hashable {
    /// Returns this status.
    case fails(Int32)
    /// Succeeds without doing anything.
    case doesNothing
    /// Comes back only when the fault is removed, or much too late.
    case hangs
    /// Everything made so far is lost: every call that uses it returns this status.
    case losesContext(Int32)
    /// No call works any more.
    case losesDevice(Int32)
  }

  struct State {
    var fault: Fault?
    var matchingCalls = 0
    /// The number of times that the fault has struck.
    var strikes = 0
    /// Contexts, queues, programs and kernels.
    var known: Set<OpaquePointer> = []
    var lost: [OpaquePointer: Int32] = [:]
    var lostDevice: Int32?
    var kernelNames: [OpaquePointer: String] = [:]
    var programOptions: [OpaquePointer: String] = [:]
    var kernelOptions: [OpaquePointer: String] = [:]
    var latestKernel: OpaquePointer?
    var launchCount = 0
    /// Grows whenever calls that hang are to come back.
    var releases = 0
  }

  private struct Real: @unchecked Sendable {
    // Safe: entry points never change.
    let api: copencl_api
    let platform: OpenCLLibrary.Platform
  }

  private static let real: Real? = {
    guard let platform = Discovery.platforms(nil).platforms.first else { return nil }
    return Real(api: platform.library.api, platform: platform)
  }()

  // `OpaquePointer` is not Sendable; here it is only a name.
  private struct Box: @unchecked Sendable { var state = State() }
  private static let box = Mutex(Box())
  private static let gate = NSCondition()

  static func withState<Value: Sendable>(_ body: (inout State) -> Value) -> Value {
    box.withLock { body(&$0.state) }
  }

  static var isPresent: Bool { real != nil }
  static var strikes: Int { withState(\.strikes) }
  static var launchCount: Int { withState(\.launchCount) }
  static var entryPoints: copencl_api { real!.api }

  /// A device of the first platform that has one, working so far, if not for `fault`.
  static func device(_ options: OpenCLOptions, fault: Fault? = nil) throws -> OpenCLDevice {
    clear()
    if let fault { inject(fault) }
    let platform = real!.platform
    let faulty = OpenCLLibrary.Platform(
      library: OpenCLLibrary(path: "faulty", api: wrapped(real!.api)), id: platform.id,
      name: platform.name, version: platform.version)
    let (devices, problems) = Discovery.devices(of: [faulty], options)
    guard let device = devices.first else {
      throw problems.first ?? TesseraError(.deviceUnavailable, "no OpenCL device")
    }
    return device
  }

  static func inject(_ fault: Fault) {
    withState { state in
      state.fault = fault
      state.matchingCalls = 0
      state.strikes = 0
      state.launchCount = 0
    }
  }

  /// Every call works again, and those that hang come back.
  static func clear() {
    withState { state in
      state.releases += 1
      state.fault = nil
      state.lost = [:]
      state.lostDevice = nil
    }
    gate.withLock { gate.broadcast() }
  }

  /// Comes back once calls that began to hang after `releases` releases are released; one that hangs
  /// later must not take their place.
  private static func hang(since releases: Int) {
    // Longer than any test allows, so that one whose subject waits for ever fails.
    let end = Date(timeIntervalSinceNow: 40)
    let isReleased = gate.withLock {
      while withState(\.releases) == releases {
        guard gate.wait(until: end) else { return false }
      }
      return true
    }
    if !isReleased { clear() }
  }

  /// Returns the status of `call` without asking the driver; nil if the driver is to be asked.
  static func answer(
    _ call: Call, _ handle: OpaquePointer?, kernel: OpaquePointer? = nil
  ) -> Int32? {
    let (status, hangingSince) = withState { state -> (Int32?, Int?) in
      if call == .launch {
        state.launchCount += 1
        state.latestKernel = kernel
      }
      if let status = state.lostDevice { return (status, nil) }
      if let handle, let status = state.lost[handle] { return (status, nil) }
      guard let fault = state.fault, fault.calls.contains(call) else { return (nil, nil) }
      if let name = fault.kernel {
        guard let kernel = state.latestKernel, state.kernelNames[kernel] == name else {
          return (nil, nil)
        }
        if let macro = fault.macro, state.kernelOptions[kernel]?.contains(macro) != true {
          return (nil, nil)
        }
      }
      state.matchingCalls += 1
      guard state.matchingCalls > fault.skipped, state.strikes < fault.count else {
        return (nil, nil)
      }
      state.strikes += 1
      switch fault.effect {
      case .fails(let status): return (status, nil)
      case .doesNothing: return (0, nil)
      case .hangs: return (nil, state.releases)
      case .losesContext(let status):
        for handle in state.known { state.lost[handle] = status }
        return (status, nil)
      case .losesDevice(let status):
        state.lostDevice = status
        return (status, nil)
      }
    }
    if let hangingSince { hang(since: hangingSince) }
    return status
  }

  static func made(
    _ handle: OpaquePointer?, kernel: String? = nil, of program: OpaquePointer? = nil
  ) {
    guard let handle else { return }
    withState { state in
      state.known.insert(handle)
      // A new object may get the address of one that was lost.
      state.lost[handle] = nil
      state.kernelNames[handle] = kernel
      state.kernelOptions[handle] = program.flatMap { state.programOptions[$0] }
    }
  }

  private static func wrapped(_ real: copencl_api) -> copencl_api {
    var api = real
    api.clCreateContext = { properties, count, devices, notify, data, status in
      if let answer = FaultyDriver.answer(.createContext, nil) {
        status?.pointee = answer
        return nil
      }
      let context = FaultyDriver.entryPoints.clCreateContext(
        properties, count, devices, notify, data, status)
      FaultyDriver.made(context)
      return context
    }
    api.clCreateCommandQueue = { context, device, properties, status in
      if let answer = FaultyDriver.answer(.createQueue, context) {
        status?.pointee = answer
        return nil
      }
      let queue = FaultyDriver.entryPoints.clCreateCommandQueue(context, device, properties, status)
      FaultyDriver.made(queue)
      return queue
    }
    api.clCreateBuffer = { context, flags, size, host, status in
      if let answer = FaultyDriver.answer(.createBuffer, context) {
        status?.pointee = answer
        return nil
      }
      guard host == nil else {
        return FaultyDriver.entryPoints.clCreateBuffer(context, flags, size, host, status)
      }
      // New memory must not hold the right results of an earlier call by chance.
      let rubbish = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
      defer { rubbish.deallocate() }
      rubbish.initializeMemory(as: UInt8.self, repeating: 0xFF, count: size)
      return FaultyDriver.entryPoints.clCreateBuffer(
        context, flags | cl_mem_flags(CL_MEM_COPY_HOST_PTR), size, rubbish, status)
    }
    api.clCreateProgramWithSource = { context, count, texts, lengths, status in
      if let answer = FaultyDriver.answer(.createProgram, context) {
        status?.pointee = answer
        return nil
      }
      let program = FaultyDriver.entryPoints.clCreateProgramWithSource(
        context, count, texts, lengths, status)
      FaultyDriver.made(program)
      return program
    }
    api.clCreateProgramWithBinary = { context, count, devices, lengths, binaries, each, status in
      if let answer = FaultyDriver.answer(.createProgram, context) {
        status?.pointee = answer
        return nil
      }
      let program = FaultyDriver.entryPoints.clCreateProgramWithBinary(
        context, count, devices, lengths, binaries, each, status)
      FaultyDriver.made(program)
      return program
    }
    api.clBuildProgram = { program, count, devices, options, notify, data in
      if let program {
        let options = options.map { String(cString: $0) }
        FaultyDriver.withState { $0.programOptions[program] = options }
      }
      return FaultyDriver.answer(.build, program)
        ?? FaultyDriver.entryPoints.clBuildProgram(program, count, devices, options, notify, data)
    }
    api.clCreateKernel = { program, name, status in
      if let answer = FaultyDriver.answer(.createKernel, program) {
        status?.pointee = answer
        return nil
      }
      let kernel = FaultyDriver.entryPoints.clCreateKernel(program, name, status)
      FaultyDriver.made(kernel, kernel: name.map { String(cString: $0) }, of: program)
      return kernel
    }
    api.clSetKernelArg = { kernel, index, size, value in
      FaultyDriver.answer(.setArgument, kernel)
        ?? FaultyDriver.entryPoints.clSetKernelArg(kernel, index, size, value)
    }
    api.clEnqueueNDRangeKernel = { queue, kernel, rank, offset, global, local, count, wait, event in
      FaultyDriver.answer(.launch, queue, kernel: kernel)
        ?? FaultyDriver.entryPoints.clEnqueueNDRangeKernel(
          queue, kernel, rank, offset, global, local, count, wait, event)
    }
    api.clFlush = { queue in
      FaultyDriver.answer(.flush, queue) ?? FaultyDriver.entryPoints.clFlush(queue)
    }
    api.clFinish = { queue in
      FaultyDriver.answer(.finish, queue) ?? FaultyDriver.entryPoints.clFinish(queue)
    }
    api.clEnqueueReadBuffer = { queue, memory, wait, offset, size, target, count, events, event in
      FaultyDriver.answer(.read, queue)
        ?? FaultyDriver.entryPoints.clEnqueueReadBuffer(
          queue, memory, wait, offset, size, target, count, events, event)
    }
    api.clEnqueueWriteBuffer = { queue, memory, wait, offset, size, source, count, events, event in
      FaultyDriver.answer(.write, queue)
        ?? FaultyDriver.entryPoints.clEnqueueWriteBuffer(
          queue, memory, wait, offset, size, source, count, events, event)
    }
    return api
  }
}
