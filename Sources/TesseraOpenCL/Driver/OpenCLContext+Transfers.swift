internal import COpenCL
internal import Synchronization
internal import TesseraCompute

extension OpenCLContext {
  /// Transfers up to this size are done in one buffer.
  private static let smallBytes = 1 << 16

  func write(
    _ source: UnsafeRawBufferPointer, to buffer: DeviceBuffer, at byteOffset: Int
  ) throws(TesseraError) {
    try transfer(source.count, "clEnqueueWriteBuffer", with: buffer) { chunk, staging in
      staging.start.copyMemory(from: source.baseAddress! + chunk.lowerBound, byteCount: chunk.count)
    } command: { handles, memory, chunk, staging, event in
      handles.library.api.clEnqueueWriteBuffer(
        handles.queue, memory.handle, cl_bool(CL_FALSE), byteOffset + chunk.lowerBound, chunk.count,
        staging.start, 0, nil, &event)
    }
  }

  func read(
    _ buffer: DeviceBuffer, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try transfer(target.count, "clEnqueueReadBuffer", with: buffer) {
      handles, memory, chunk, staging, event in
      handles.library.api.clEnqueueReadBuffer(
        handles.queue, memory.handle, cl_bool(CL_FALSE), byteOffset + chunk.lowerBound, chunk.count,
        staging.start, 0, nil, &event)
    } after: { chunk, staging in
      (target.baseAddress! + chunk.lowerBound).copyMemory(
        from: staging.start, byteCount: chunk.count)
    }
  }

  /// Moves bytes by `command`, a chunk at a time, through two buffers of staging memory: while the
  /// driver moves one chunk, the caller fills or empties the other buffer. Returns when all is
  /// moved.
  private func transfer(
    _ byteCount: Int, _ call: String, with buffer: DeviceBuffer,
    before: (Range<Int>, Staging) -> Void = { _, _ in },
    command:
      @escaping @Sendable (
        DriverHandles, DriverHandles.Memory, Range<Int>, Staging, inout cl_event?
      ) -> Int32,
    after: (Range<Int>, Staging) -> Void = { _, _ in }
  ) throws(TesseraError) {
    guard byteCount > 0 else { return }
    try commands.withLock { commands throws(TesseraError) in
      try requireAlive()
      try requireOwn(buffer)
      try sendBatch(&commands)
      let handles = handles
      let memory = DriverHandles.Memory(handle: buffer.memory)
      let sharesStaging = byteCount > Self.smallBytes
      let buffers = try staging(for: byteCount, &commands)
      let step = buffers[0].byteCount
      var earlier: (bytes: Range<Int>, staging: Staging, landing: Landing)?
      for start in stride(from: 0, to: byteCount, by: step) {
        let bytes = start..<min(start + step, byteCount)
        let staging = buffers[start / step % buffers.count]
        before(bytes, staging)
        let mustFinish = sharesStaging && commands.launchCount > 0
        let marks = commands.takeMarks()
        let (landing, previous) = (Landing(), earlier?.landing)
        let isLast = bytes.upperBound == byteCount
        let move = { @Sendable (progress: Watchdog.Progress) -> Int32 in
          var worst: Int32 = 0
          if mustFinish || !marks.isEmpty { worst = handles.finish(marks, progress) }
          // Nobody may leave memory that is still used to later transfers.
          guard sharesStaging ? progress.keepCaller() : !progress.isLeft else { return worst }
          if worst == 0 { worst = command(handles, memory, bytes, staging, &landing.event) }
          if worst == 0, !isLast { worst = handles.library.api.clFlush(handles.queue) }
          for landing in [previous, isLast || worst != 0 ? landing : nil] {
            let status = landing?.wait(handles) ?? 0
            if worst == 0 { worst = status }
            progress.step()
          }
          if worst != 0 { handles.settle(buffers) }
          return worst
        }
        // A caller that leaves does not know whether something is still queued.
        commands.launchCount = 1
        let status =
          earlier == nil ? try watchdog.waitUnlessStopped(for: move) : watchdog.wait(for: move)
        if status == nil { for buffer in buffers { buffer.keepForEver() } }
        try check(status, call)
        commands.launchCount = 0
        if let earlier { after(earlier.bytes, earlier.staging) }
        if isLast { after(bytes, staging) }
        earlier = (bytes, staging, landing)
      }
    }
  }

  /// Small transfers take what they need; large ones share two buffers that are kept.
  private func staging(
    for byteCount: Int, _ commands: inout Commands
  ) throws(TesseraError) -> [Staging] {
    guard byteCount > Self.smallBytes else { return [Staging(byteCount: byteCount)] }
    if commands.staging.isEmpty {
      let type = number(CL_DEVICE_TYPE, absent: cl_device_type(0))
      // The size of a second-level cache, or, for a device with memory of its own, a size that
      // makes a call to its driver worth while.
      let size = type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0 ? 1 << 20 : 8 << 20
      let handles = handles
      let buffers = [PinnedStaging(), PinnedStaging()]
      let status = watchdog.wait { _ -> Int32 in
        for buffer in buffers { buffer.staging = handles.pin(byteCount: size) }
        return 0
      }
      try check(status, "clEnqueueMapBuffer")
      commands.staging = buffers.map { $0.staging ?? Staging(byteCount: size) }
    }
    return commands.staging
  }
}

/// Hands the result of a waiting thread over.
///
/// Safe to share: it is read once the thread is done.
private final class PinnedStaging: @unchecked Sendable {
  var staging: Staging?
}

/// The end of a transfer that was queued.
///
/// Safe to share: only waiting threads touch it, and those of one context come one after the other.
private final class Landing: @unchecked Sendable {
  var event: cl_event?

  /// Waits for the transfer, if one was queued, and forgets it.
  func wait(_ handles: DriverHandles) -> Int32 {
    guard event != nil else { return 0 }
    let status = handles.library.api.clWaitForEvents(1, &event)
    _ = handles.library.api.clReleaseEvent(event)
    event = nil
    return status
  }
}

extension OpenCLContext {
  /// Copies `values` to `storage`, from its value `index` on.
  func write<Value: BitwiseCopyable>(
    _ values: [Value], to storage: OpenCLStorage, from index: Int = 0
  ) throws(TesseraError) {
    let start = storage.start + index * MemoryLayout<Value>.stride
    let result = values.withUnsafeBytes { bytes in
      Result { () throws(TesseraError) in
        try write(bytes, to: storage.buffer, at: start)
      }
    }
    try result.get()
  }

  /// `count` values in `storage` from value `index` on, once all commands queued before are done.
  func read<Value: BitwiseCopyable & ExpressibleByIntegerLiteral>(
    _ count: Int, of: Value.Type, from storage: OpenCLStorage, from index: Int = 0
  ) throws(TesseraError) -> [Value] {
    let start = storage.start + index * MemoryLayout<Value>.stride
    var values = [Value](repeating: 0, count: count)
    let result = values.withUnsafeMutableBytes { bytes in
      Result { () throws(TesseraError) in
        try read(storage.buffer, at: start, to: bytes)
      }
    }
    try result.get()
    return values
  }
}
