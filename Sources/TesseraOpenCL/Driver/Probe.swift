internal import COpenCL
internal import TesseraCompute

/// Finds out what a device can do by making it do it: drivers claim too much and too little.
struct Probe {
  let context: OpenCLContext
  let arena: Arena
  let cache: ProgramCache

  struct Abilities {
    var workGroupSize: Int
    var localMemoryBytes: Int
    var hasFloat64: Bool
  }

  init(_ context: OpenCLContext, arena: Arena, cache: ProgramCache) {
    self.context = context
    self.arena = arena
    self.cache = cache
  }

  /// The largest work-group and local memory that work, each from the driver's claim downwards, and
  /// whether Float64 computes.
  ///
  /// - Throws: `.deviceFailure` or `.buildFailure` if even the smallest kernel does not work.
  func run() throws(TesseraError) -> Abilities {
    let program = try Program.build(
      KernelSource("probe"), macros: ["GROUP": 1], in: context, cache: cache)
    let result = try OpenCLStorage(2 * MemoryLayout<UInt32>.size, from: arena)
    var groupSize = Int(context.number(CL_DEVICE_MAX_WORK_GROUP_SIZE, absent: 1))
    var localBytes = Int(context.number(CL_DEVICE_LOCAL_MEM_SIZE, absent: UInt64(0)))
    while try !works(program, groupSize: groupSize, localBytes: min(localBytes, 1024), result) {
      guard groupSize > 1 else {
        throw TesseraError(.deviceFailure, "the probe kernel returned wrong numbers")
      }
      groupSize /= 2
    }
    while try !works(program, groupSize: groupSize, localBytes: localBytes, result) {
      localBytes /= 2
    }
    return Abilities(
      workGroupSize: groupSize, localMemoryBytes: localBytes, hasFloat64: computesFloat64())
  }

  /// Tells whether a group of this size sees its local memory and atomics. A launch that fails is
  /// an answer, unless nothing smaller is left to try.
  private func works(
    _ program: Program, groupSize: Int, localBytes: Int, _ result: OpenCLStorage
  ) throws(TesseraError) -> Bool {
    let groups = 2
    do throws(TesseraError) {
      try context.write([UInt32(0), 0], to: result)
      try program.launch(
        "probe",
        [
          .all(of: result, as: UInt32.self), .local(max(4, localBytes)), .int(localBytes / 4),
        ],
        over: Grid(groups: (groups, 1), local: (groupSize, 1), workPerGroup: localBytes),
        on: context)
      return try context.read(2, of: UInt32.self, from: result) == [0, UInt32(groups * groupSize)]
    } catch {
      if groupSize == 1 && localBytes <= 1024 { throw error }
      return false
    }
  }

  /// Tells whether Float64 kernels build and fuse: (1 + 2^-30)^2 - (1 + 2^-29) is 2^-60, or 0 if
  /// rounded twice.
  private func computesFloat64() -> Bool {
    do throws(TesseraError) {
      let program = try Program.build(
        KernelSource("probe"), macros: ["GROUP": 1, "HAS_FLOAT64": 1], in: context, cache: cache)
      let storage = try OpenCLStorage(2 * MemoryLayout<Double>.size, from: arena)
      try context.write([1 + 0x1p-30, -(1 + 0x1p-29)], to: storage)
      try program.launch(
        "probe_float64", [.all(of: storage, as: Double.self)],
        over: Grid(groups: (1, 1), workPerGroup: 1), on: context)
      return try context.read(2, of: Double.self, from: storage)[1] == 0x1p-60
    } catch {
      return false
    }
  }
}
