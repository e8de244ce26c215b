import COpenCL
import Foundation
import Synchronization
import TesseraCompute
import Testing

@testable import TesseraOpenCL

/// Writes down what a driver is asked, in order. Entry points cannot capture anything, so there is
/// one for the process.
private enum Recorder {
  enum Event: Equatable { case queued, finished, releasedQueue, releasedContext }

  struct State {
    var events: [Event] = []
    /// Waits that fail before they have waited.
    var failingWaits = 0
    var finishStatus: Int32 = 0
  }

  private struct Real: @unchecked Sendable {
    // Safe: entry points never change.
    let api: copencl_api
  }
  private static let platform = Discovery.platforms(nil).platforms.first
  private static let real = platform.map { Real(api: $0.library.api) }
  static let state = Mutex(State())

  static var entryPoints: copencl_api { real!.api }
  static var isPresent: Bool { real != nil }

  static func add(_ event: Event) { state.withLock { $0.events.append(event) } }

  static func devices() throws -> [OpenCLDevice] {
    state.withLock { $0 = State() }
    let platform = try #require(platform)
    let recorded = OpenCLLibrary.Platform(
      library: OpenCLLibrary(path: "recorded", api: wrapped(entryPoints)), id: platform.id,
      name: platform.name, version: platform.version)
    return Discovery.devices(of: [recorded], OpenCLOptions()).devices
  }

  private static func wrapped(_ real: copencl_api) -> copencl_api {
    var api = real
    api.clEnqueueNDRangeKernel = { queue, kernel, rank, offset, global, local, count, wait, event in
      Recorder.add(.queued)
      return Recorder.entryPoints.clEnqueueNDRangeKernel(
        queue, kernel, rank, offset, global, local, count, wait, event)
    }
    api.clEnqueueUnmapMemObject = { queue, memory, start, count, wait, event in
      Recorder.add(.queued)
      return Recorder.entryPoints.clEnqueueUnmapMemObject(queue, memory, start, count, wait, event)
    }
    api.clEnqueueReadBuffer = { queue, memory, wait, offset, size, target, count, events, event in
      Recorder.add(.queued)
      return Recorder.entryPoints.clEnqueueReadBuffer(
        queue, memory, wait, offset, size, target, count, events, event)
    }
    api.clWaitForEvents = { count, events in
      let fails = Recorder.state.withLock { state in
        guard state.failingWaits > 0 else { return false }
        state.failingWaits -= 1
        return true
      }
      return fails ? -14 : Recorder.entryPoints.clWaitForEvents(count, events)
    }
    api.clFinish = { queue in
      let status = Recorder.entryPoints.clFinish(queue)
      Recorder.add(.finished)
      let pretended = Recorder.state.withLock(\.finishStatus)
      return pretended == 0 ? status : pretended
    }
    api.clReleaseCommandQueue = { queue in
      Recorder.add(.releasedQueue)
      return Recorder.entryPoints.clReleaseCommandQueue(queue)
    }
    api.clReleaseContext = { context in
      Recorder.add(.releasedContext)
      return Recorder.entryPoints.clReleaseContext(context)
    }
    return api
  }
}

extension FaultTests {
  /// Whether `events` end as they must: nothing is queued after the last finish before a queue
  /// goes.
  private func endsInOrder(_ events: [Recorder.Event]) -> Bool {
    var hasUnfinished = false
    for event in events {
      switch event {
      case .queued: hasUnfinished = true
      case .finished: hasUnfinished = false
      case .releasedQueue, .releasedContext: if hasUnfinished { return false }
      }
    }
    return events.suffix(3) == [.finished, .releasedQueue, .releasedContext]
  }

  @Test("a queue is finished before it is released, and all is released when the device goes")
  func endOfDevice() throws {
    var devices = try Recorder.devices()
    try #require(!devices.isEmpty)
    // More than goes through small transfers, so that memory is pinned and has to be unmapped.
    let matrix = try devices[0].upload(
      [Float](repeating: 1, count: 1 << 16), rows: 1 << 16, columns: 1)
    #expect(try devices[0].download(matrix).count == 1 << 16)
    #expect(try gathered(devices[0]) == [6, 5, 6])
    _ = consume matrix
    Recorder.state.withLock { $0.events = [] }
    devices = []
    let events = Recorder.state.withLock(\.events)
    #expect(events.contains(.queued), "the mapping ends in the queue")
    #expect(endsInOrder(events), "\(events)")
  }

  @Test("after a transfer that failed, its memory is used again only when the queue is at rest")
  func failedTransfer() throws {
    let devices = try Recorder.devices()
    let device = try #require(devices.first)
    for byteCount in [8, 1 << 20] {
      let numbers = (0..<byteCount / 4).map { Float($0) }
      let matrix = try device.upload(numbers, rows: numbers.count, columns: 1)
      Recorder.state.withLock { state in
        state.events = []
        state.failingWaits = 1
      }
      let error = #expect(throws: TesseraError.self) { try device.download(matrix) }
      #expect(error?.status == -14)
      #expect(Recorder.state.withLock(\.events).suffix(2).contains(.finished))
      #expect(try device.download(matrix) == numbers)
    }
  }

  @Test("memory of a queue that does not finish is never given back")
  func unfinished() throws {
    weak var kept: Staging?
    do {
      let devices = try Recorder.devices()
      let device = try #require(devices.first)
      let staging = Staging(byteCount: 64)
      kept = staging
      device.context.handles.settle([staging])
    }
    #expect(kept == nil, "a queue at rest needs nothing")
    do {
      let devices = try Recorder.devices()
      let device = try #require(devices.first)
      let staging = Staging(byteCount: 64)
      kept = staging
      Recorder.state.withLock { $0.finishStatus = -36 }
      device.context.handles.settle([staging])
      Recorder.state.withLock { $0.finishStatus = 0 }
    }
    #expect(kept != nil)
  }

  @Test(
    "every call of a driver may hang, and the device is given up",
    arguments: [
      FaultyDriver.Call.createContext, .createQueue, .createBuffer, .createProgram, .createKernel,
      .setArgument, .launch, .flush, .build,
    ])
  func hangingCalls(_ call: FaultyDriver.Call) throws {
    var options = OpenCLOptions()
    options.launchDeadline = .milliseconds(700)
    let start = ContinuousClock.now
    let error = #expect(throws: TesseraError.self) {
      try FaultyDriver.device(
        options, fault: Fault("", [call], .hangs, throws: .deviceFailure))
    }
    #expect(error?.message.contains("no answer") == true, "\(String(describing: error))")
    #expect(start.duration(to: .now) < .seconds(10))
    FaultyDriver.clear()
  }

  @Test("threads that need different programs build them at the same time")
  func builds() throws {
    let device = try FaultyDriver.device(Self.options(isTried: false))
    FaultyDriver.inject(Fault("", [.build], .hangs, times: 1, throws: nil))
    let group = DispatchGroup()
    let first = Mutex<[Float]>([])
    @Sendable func launch(_ rows: Int) throws -> [Float] {
      let source = try device.upload([Float(5), 6], rows: 2, columns: 1)
      let indices = try device.upload([Int32(1)], rows: 1, columns: 1)
      let target = try device.upload([Float(0)], rows: 1, columns: 1)
      try device.launch(
        "gather", of: KernelSource("gather", ["ROWS": rows]),
        [
          device.argument(source, ""), device.argument(indices, ""), .int(1), .int(1),
          device.argument(target, ""),
        ], over: Grid(workGroups: (1, 1), workEach: 1))
      return try device.download(target)
    }
    DispatchQueue.global().async(group: group) {
      let numbers = (try? launch(48)) ?? []
      first.withLock { $0 = numbers }
    }
    while FaultyDriver.strikes == 0 { Thread.sleep(forTimeInterval: 0.01) }
    // The first thread waits in the compiler; this one does not wait for it.
    #expect(try launch(49) == [6])
    #expect(first.withLock { $0.isEmpty })
    FaultyDriver.clear()
    group.wait()
    #expect(first.withLock { $0 } == [6])
  }

  @Test("text made at run time is a program like any other, and kept by its text")
  func generatedText() throws {
    let folder = NSTemporaryDirectory() + "tessera-text-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var options = OpenCLOptions()
    options.cacheDirectory = folder
    func result(adding number: Int) throws -> [Float] {
      let device = try FaultyDriver.device(options)
      let target = try device.upload([Float(1)], rows: 1, columns: 1)
      let text = """
        kernel void add(global float *target, ulong first) { target[first] += \(number); }
        """
      for _ in 0..<2 {
        try device.launch(
          "add", of: KernelSource("formula", text: text), [device.argument(target, "")],
          over: Grid(workGroups: (1, 1), workEach: 1))
      }
      return try device.download(target)
    }
    func programCount() throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: folder).count {
        $0.hasPrefix("opencl-")
      }
    }
    #expect(try result(adding: 2) == [5])
    let count = try programCount()
    #expect(try result(adding: 2) == [5])
    #expect(try programCount() == count)
    #expect(try result(adding: 3) == [7])
    #expect(try programCount() == count + 1)
    let device = try FaultyDriver.device(options)
    let error = #expect(throws: TesseraError.self) {
      try device.launch(
        "add", of: KernelSource("formula", text: "kernel void add("), [],
        over: Grid(workGroups: (1, 1), workEach: 1))
    }
    #expect(error?.code == .buildFailure && error?.message.contains("formula.cl") == true)
  }
}
