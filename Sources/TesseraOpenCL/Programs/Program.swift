internal import COpenCL
internal import Kernels
internal import TesseraCompute

/// A kernel source with the macros that shape it.
struct KernelSource: Hashable, Sendable {
  /// The file in `Kernels/cl`, without its extension.
  let name: String
  let macros: [String: Int]

  init(_ name: String, _ macros: [String: Int] = [:]) {
    self.name = name
    self.macros = macros
  }

  /// The whole text: the common prefix and the file.
  func text() throws(TesseraError) -> String {
    guard let common = kernels_source("common"), let own = kernels_source(name) else {
      throw TesseraError(.buildFailure, "there is no kernel source named \(name)")
    }
    return String(cString: common) + "#line 1 \"\(name).cl\"\n" + String(cString: own)
  }

  /// Compiler options: OpenCL C 1.2 without relaxed arithmetic, and the macros. Products of packed
  /// bytes are declared from OpenCL C 3.0 on.
  func options(_ deviceMacros: [String: Int]) -> String {
    let all = macros.merging(deviceMacros) { own, _ in own }
    let needsPackedProducts =
      macros["UNIT"] == MatrixUnit.Kind.dotProduct.rawValue && macros["EMULATE"] == nil
      && macros["DOT_PRODUCT_PTX"] == nil
    return ([needsPackedProducts ? "-cl-std=CL3.0" : "-cl-std=CL1.2"] + all.keys.sorted().map { "-D\($0)=\(all[$0]!)" })
      .joined(separator: " ")
  }
}

/// A built program and the kernels taken from it.
///
/// Not safe to share: arguments are state of a kernel, so whoever uses one holds the device's lock.
final class Program {
  private let context: OpenCLContext
  private let program: cl_program
  private var kernels: [String: cl_kernel] = [:]

  private init(_ context: OpenCLContext, _ program: cl_program) {
    self.context = context
    self.program = program
  }

  deinit {
    guard context.loss?.isAbandoned != true else { return }
    for kernel in kernels.values { _ = context.api.clReleaseKernel(kernel) }
    _ = context.api.clReleaseProgram(program)
  }

  /// The program, from its cached binary if there is a good one, else compiled and cached.
  static func build(
    _ source: KernelSource, macros: [String: Int], in context: OpenCLContext, cache: ProgramCache
  ) throws(TesseraError) -> Program {
    try context.requireAlive()
    let text = try source.text()
    let options = source.options(macros)
    let key = cache.key(source: text, options: options)
    if let binary = cache.binary(for: key) {
      if let program = try? fromBinary(binary, options: options, in: context) { return program }
      cache.remove(key)
    }
    let program = try fromSource(text, named: source.name, options: options, in: context)
    if let binary = program.binary() { cache.store(binary, for: key) }
    return program
  }

  func kernel(_ name: String) throws(TesseraError) -> cl_kernel {
    if let kernel = kernels[name] { return kernel }
    var status: cl_int = 0
    let kernel = context.api.clCreateKernel(program, name, &status)
    guard status == 0, let kernel else {
      throw context.failure(status, "clCreateKernel(\(name))")
    }
    kernels[name] = kernel
    return kernel
  }

  private static func fromSource(
    _ text: String, named name: String, options: String, in context: OpenCLContext
  ) throws(TesseraError) -> Program {
    var status: cl_int = 0
    let handle = text.withCString { start in
      var start: UnsafePointer<CChar>? = start
      return context.api.clCreateProgramWithSource(context.context, 1, &start, nil, &status)
    }
    guard status == 0, let handle else {
      throw context.failure(status, "clCreateProgramWithSource(\(name))")
    }
    let program = Program(context, handle)
    try program.build(named: name, options: options)
    return program
  }

  private static func fromBinary(
    _ binary: [UInt8], options: String, in context: OpenCLContext
  ) throws(TesseraError) -> Program {
    var status: cl_int = 0
    var binaryStatus: cl_int = 0
    var device: cl_device_id? = context.device
    var count = binary.count
    let handle = binary.withUnsafeBufferPointer { bytes in
      var start = bytes.baseAddress
      return context.api.clCreateProgramWithBinary(
        context.context, 1, &device, &count, &start, &binaryStatus, &status)
    }
    guard status == 0, binaryStatus == 0, let handle else {
      throw OpenCLStatus.error(
        status == 0 ? binaryStatus : status, "clCreateProgramWithBinary")
    }
    let program = Program(context, handle)
    try program.build(named: "cached program", options: options)
    return program
  }

  private func build(named name: String, options: String) throws(TesseraError) {
    let status = try context.build(program, options: options)
    guard status != 0 else { return }
    // Anything but the compiler's own refusals may mean that the device is lost.
    guard [-11, -3, -43].contains(status) else {
      throw context.failure(status, "clBuildProgram(\(name))")
    }
    let log = queryText {
      context.api.clGetProgramBuildInfo(
        program, context.device, cl_program_build_info(CL_PROGRAM_BUILD_LOG), $0, $1, $2)
    }
    throw TesseraError(
      .buildFailure, "\(name).cl did not compile with \(options):\n\(log)", status: status)
  }

  /// What the driver needs to skip compiling next time, if it says.
  private func binary() -> [UInt8]? {
    var count = 0
    guard
      context.api.clGetProgramInfo(
        program, cl_program_info(CL_PROGRAM_BINARY_SIZES), MemoryLayout<Int>.size, &count, nil)
        == 0, count > 0
    else { return nil }
    var bytes = [UInt8](repeating: 0, count: count)
    let status = bytes.withUnsafeMutableBufferPointer { bytes in
      var start = bytes.baseAddress
      return context.api.clGetProgramInfo(
        program, cl_program_info(CL_PROGRAM_BINARIES), MemoryLayout<UnsafeRawPointer>.size, &start,
        nil)
    }
    return status == 0 ? bytes : nil
  }
}
