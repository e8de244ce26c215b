internal import COpenCL
internal import TesseraCompute

/// One device's context and its in-order queue: commands run in the order in which they were asked
/// for.
///
/// Safe to share: the handles never change, and OpenCL lets any thread queue commands.
final class OpenCLContext: @unchecked Sendable {
  let library: OpenCLLibrary
  let device: cl_device_id
  let context: cl_context
  let queue: cl_command_queue

  var api: copencl_api { library.api }

  init(_ device: cl_device_id, of library: OpenCLLibrary) throws(TesseraError) {
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
    self.library = library
    self.device = device
    self.context = context
    self.queue = queue
  }

  deinit {
    _ = api.clFinish(queue)
    _ = api.clReleaseCommandQueue(queue)
    _ = api.clReleaseContext(context)
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

  // MARK: Commands

  /// Waits for every command queued so far.
  func finish() throws(TesseraError) {
    try OpenCLStatus.check(api.clFinish(queue), "clFinish")
  }

  /// Lets the device begin with what is queued.
  func flush() throws(TesseraError) {
    try OpenCLStatus.check(api.clFlush(queue), "clFlush")
  }

  func write(
    _ source: UnsafeRawBufferPointer, to buffer: DeviceBuffer, at byteOffset: Int
  ) throws(TesseraError) {
    guard let start = source.baseAddress, source.count > 0 else { return }
    try OpenCLStatus.check(
      api.clEnqueueWriteBuffer(
        queue, buffer.memory, cl_bool(CL_TRUE), byteOffset, source.count, start, 0, nil, nil),
      "clEnqueueWriteBuffer")
  }

  func read(
    _ buffer: DeviceBuffer, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    guard let start = target.baseAddress, target.count > 0 else { return }
    try OpenCLStatus.check(
      api.clEnqueueReadBuffer(
        queue, buffer.memory, cl_bool(CL_TRUE), byteOffset, target.count, start, 0, nil, nil),
      "clEnqueueReadBuffer")
  }

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

/// One buffer object.
///
/// Safe to share: the handle never changes, and the queue orders what touches the memory.
final class DeviceBuffer: @unchecked Sendable {
  let context: OpenCLContext
  let memory: cl_mem
  let byteCount: Int

  init(_ context: OpenCLContext, byteCount: Int) throws(TesseraError) {
    var status: cl_int = 0
    let memory = context.api.clCreateBuffer(
      context.context, cl_mem_flags(CL_MEM_READ_WRITE), byteCount, nil, &status)
    guard status == 0, let memory else { throw OpenCLStatus.error(status, "clCreateBuffer") }
    self.context = context
    self.memory = memory
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
  deinit { _ = context.api.clReleaseMemObject(memory) }
}
