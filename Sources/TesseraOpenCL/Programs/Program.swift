internal import COpenCL
internal import Kernels
internal import Synchronization
internal import TesseraCompute

/// A kernel source with the macros that shape it: a file of `Kernels/cl`, or text made at run time.
struct KernelSource: Hashable, Sendable {
  /// The file below `Kernels/cl`, without its extension; what messages call text made at run time.
  let name: String
  let macros: [String: Int]
  /// The text; nil for that of the file.
  private let generated: String?
  /// The file whose text goes before what was generated.
  private let library: String?

  init(_ name: String, _ macros: [String: Int] = [:]) {
    (self.name, self.macros) = (name, macros)
    (generated, library) = (nil, nil)
  }

  /// Makes a source of text that was put together at run time and goes after that of the file
  /// `library`. Equal text with equal macros is one program, on disk too.
  init(_ name: String, after library: String? = nil, text: String, _ macros: [String: Int] = [:]) {
    (self.name, self.macros) = (name, macros)
    (generated, self.library) = (text, library)
  }

  /// The whole text: the common prefix and the source's own.
  func text() throws(TesseraError) -> String {
    let files = ["common", library, generated == nil ? name : nil]
    let texts = try files.compactMap(\.self).map { file throws(TesseraError) in
      guard let text = kernels_source(file) else {
        throw TesseraError(.buildFailure, "there is no kernel source named \(file)")
      }
      return "#line 1 \"\(file).cl\"\n" + String(cString: text)
    }
    return texts.joined() + (generated.map { "#line 1 \"\(name).cl\"\n" + $0 } ?? "")
  }

  /// Compiler options: OpenCL C 1.2 without relaxed arithmetic, and the macros. Products of packed
  /// bytes are declared from OpenCL C 3.0 on.
  func options(_ deviceMacros: [String: Int]) -> String {
    let all = macros.merging(deviceMacros) { own, _ in own }
    let needsPackedProducts =
      macros["UNIT"] == MatrixUnit.Kind.dotProduct.rawValue && macros["EMULATE"] == nil
      && macros["DOT_PRODUCT_PTX"] == nil
    return
      ([needsPackedProducts ? "-cl-std=CL3.0" : "-cl-std=CL1.2"]
      + all.keys.sorted().map { "-D\($0)=\(all[$0]!)" })
      .joined(separator: " ")
  }
}

/// A built program and the kernels taken from it.
///
/// Not safe to share: arguments are state of a kernel, so whoever uses one holds the lock of its
/// ``ProgramSlot``.
final class Program {
  private let context: OpenCLContext
  private let program: cl_program
  private var kernels: [String: cl_kernel] = [:]

  private init(_ context: OpenCLContext, _ program: cl_program) {
    self.context = context
    self.program = program
  }

  deinit {
    let built = Built(program: program, kernels: Array(kernels.values))
    context.letGo { api in
      for kernel in built.kernels { _ = api.clReleaseKernel(kernel) }
      _ = api.clReleaseProgram(built.program)
    }
  }

  /// The driver's names, for a call that does not keep their owner.
  ///
  /// Safe to share: names that never change.
  private struct Built: @unchecked Sendable {
    let program: cl_program
    var kernels: [cl_kernel] = []
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
      do throws(TesseraError) {
        return try fromBinary(binary, options: options, in: context)
      } catch {
        // A binary says nothing of a call that was ended.
        guard !error.isStop else { throw error }
        cache.remove(key)
      }
    }
    let program = try fromSource(text, named: source.name, options: options, in: context)
    if let binary = program.binary() { cache.store(binary, for: key) }
    return program
  }

  func kernel(_ name: String) throws(TesseraError) -> cl_kernel {
    if let kernel = kernels[name] { return kernel }
    let built = Built(program: program)
    let kernel = try context.make("clCreateKernel(\(name))") { handles, status in
      handles.library.api.clCreateKernel(built.program, name, &status)
    }
    kernels[name] = kernel
    return kernel
  }

  private static func fromSource(
    _ text: String, named name: String, options: String, in context: OpenCLContext
  ) throws(TesseraError) -> Program {
    let handle = try context.make("clCreateProgramWithSource(\(name))") { handles, status in
      text.withCString { start in
        var start: UnsafePointer<CChar>? = start
        return handles.library.api.clCreateProgramWithSource(
          handles.context, 1, &start, nil, &status)
      }
    }
    let program = Program(context, handle)
    try program.build(named: name, options: options)
    return program
  }

  private static func fromBinary(
    _ binary: [UInt8], options: String, in context: OpenCLContext
  ) throws(TesseraError) -> Program {
    let handle = try context.make("clCreateProgramWithBinary") { handles, status in
      var binaryStatus: cl_int = 0
      var device: cl_device_id? = handles.device
      var count = binary.count
      let handle = binary.withUnsafeBufferPointer { bytes in
        var start = bytes.baseAddress
        return handles.library.api.clCreateProgramWithBinary(
          handles.context, 1, &device, &count, &start, &binaryStatus, &status)
      }
      if status == 0, binaryStatus != 0 {
        status = binaryStatus
        if let handle { _ = handles.library.api.clReleaseProgram(handle) }
      }
      return handle
    }
    let program = Program(context, handle)
    try program.build(named: "cached program", options: options)
    return program
  }

  private func build(named name: String, options: String) throws(TesseraError) {
    let status = try context.build(program, of: self, options: options)
    guard status != 0 else { return }
    // Anything but the compiler's own refusals may mean that the device is lost.
    guard [-11, -3, -43].contains(status) else {
      throw context.failure(status, "clBuildProgram(\(name))")
    }
    throw TesseraError(
      .buildFailure, "\(name).cl did not compile with \(options):\n\(log())", status: status)
  }

  /// Returns what the compiler said.
  private func log() -> String {
    let (handles, built) = (context.handles, Built(program: program))
    return context.watchdog.wait { _ in
      queryText {
        handles.library.api.clGetProgramBuildInfo(
          built.program, handles.device, cl_program_build_info(CL_PROGRAM_BUILD_LOG), $0, $1, $2)
      }
    } ?? ""
  }

  /// Returns the binary with which the driver can skip compiling next time; nil if it gives none.
  private func binary() -> [UInt8]? {
    let (library, built) = (context.handles.library, Built(program: program))
    let answer = context.watchdog.wait { _ -> [UInt8] in
      var count = 0
      guard
        library.api.clGetProgramInfo(
          built.program, cl_program_info(CL_PROGRAM_BINARY_SIZES), MemoryLayout<Int>.size, &count,
          nil) == 0, count > 0
      else { return [] }
      var bytes = [UInt8](repeating: 0, count: count)
      let status = bytes.withUnsafeMutableBufferPointer { bytes in
        var start = bytes.baseAddress
        return library.api.clGetProgramInfo(
          built.program, cl_program_info(CL_PROGRAM_BINARIES),
          MemoryLayout<UnsafeRawPointer>.size, &start, nil)
      }
      return status == 0 ? bytes : []
    }
    guard let answer else {
      _ = context.abandon("clGetProgramInfo")
      return nil
    }
    return answer.isEmpty ? nil : answer
  }
}

/// A program that is built by whoever needs it first, while only those who need the same one wait.
///
/// Safe to share: everything happens inside the lock.
final class ProgramSlot: Sendable {
  private struct Content: @unchecked Sendable {
    // Safe: touched only inside the mutex, which is what kernels' argument slots need.
    var program: Program?
  }
  private let content = Mutex(Content())

  /// Runs `body` with the program, which `build` makes at first use. A failure is not kept.
  func use(
    build: () throws(TesseraError) -> Program, _ body: (Program) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    try content.withLock { content throws(TesseraError) in
      let program: Program
      if let built = content.program {
        program = built
      } else {
        program = try build()
        content.program = program
      }
      try body(program)
    }
  }
}
