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
    /// True if Float32 keeps subnormal numbers, and fuses what it is told to and nothing else. Results
    /// that are to be the same bits everywhere need that.
    var roundsAsIEEE: Bool
    /// Rounds that the loops of one work item may take together · `Int.max` where no end was found.
    var loopLimit: Int
  }

  /// True if long loops are tried: a simulator takes minutes for them.
  let triesLoops: Bool

  init(_ context: OpenCLContext, arena: Arena, cache: ProgramCache, triesLoops: Bool = true) {
    self.context = context
    self.arena = arena
    self.cache = cache
    self.triesLoops = triesLoops
  }

  /// Finds the largest work-group and local memory that work, each from the driver's claim
  /// downwards, how long loops may be, whether Float64 computes, and whether Float32 rounds as IEEE 754
  /// says.
  ///
  /// Cost: a few launches; a driver that refuses all of them is asked at most about forty times.
  ///
  /// - Throws: `.deviceFailure` or `.buildFailure` if even the smallest kernel does not work.
  func run() throws(TesseraError) -> Abilities {
    let program = try Program.build(
      KernelSource("probe"), macros: ["GROUP": 1], in: context, cache: cache)
    let result = try OpenCLStorage(2 * MemoryLayout<UInt32>.size, from: arena)
    var workGroupSize = Int(context.number(CL_DEVICE_MAX_WORK_GROUP_SIZE, absent: 1))
    var localBytes = Int(context.number(CL_DEVICE_LOCAL_MEM_SIZE, absent: UInt64(0)))
    while try !works(
      program, workGroupSize: workGroupSize, localBytes: min(localBytes, 1024), result)
    {
      guard workGroupSize > 1 else {
        throw TesseraError(.deviceFailure, "the probe kernel returned wrong numbers")
      }
      workGroupSize /= 2
    }
    // So much has just been seen to work.
    while localBytes > 1024,
      try !works(program, workGroupSize: workGroupSize, localBytes: localBytes, result)
    {
      localBytes = max(1024, localBytes / 2)
    }
    let loopLimit = triesLoops ? try self.loopLimit(program, result) : .max
    let hasFloat64 = computesFloat64()
    let roundsAsIEEE = roundsAsIEEE(program)
    // A driver that went away in the meantime has answered none of this.
    try context.requireAlive()
    return Abilities(
      workGroupSize: workGroupSize, localMemoryBytes: localBytes, hasFloat64: hasFloat64,
      roundsAsIEEE: roundsAsIEEE, loopLimit: loopLimit)
  }

  /// Sends a number through loops in a loop, of a million rounds or as many as come out right: some
  /// drivers end a work item's loops after 65,535 rounds in all, and say nothing.
  ///
  /// - Throws: `.deviceFailure` if a thousand rounds are too many.
  private func loopLimit(
    _ program: Program, _ result: OpenCLStorage
  ) throws(TesseraError) -> Int {
    let most = 1 << 20
    var rounds = most
    while rounds >= 1 << 10 {
      // The outer loop's rounds count too.
      let outer = rounds / 65
      var state: UInt32 = 7
      for _ in 0..<outer * 64 { state = (state ^ state >> 7) &* 1_664_525 &+ 1_013_904_223 }
      try context.write([UInt32(0)], to: result)
      try program.launch(
        "probe_loops", [.all(of: result, as: UInt32.self), .int(7), .int(outer)],
        over: Grid(workGroups: (1, 1), workEach: 4 * rounds), on: context)
      if try context.read(1, of: UInt32.self, from: result) == [state] {
        return rounds == most ? .max : rounds
      }
      rounds /= 2
    }
    throw TesseraError(.deviceFailure, "the probe kernel's loops end too early")
  }

  /// Tells whether a group of this size sees its local memory and atomics. A launch that fails is
  /// an answer, unless nothing smaller is left to try.
  private func works(
    _ program: Program, workGroupSize: Int, localBytes: Int, _ result: OpenCLStorage
  ) throws(TesseraError) -> Bool {
    let workGroups = 2
    do throws(TesseraError) {
      try context.write([UInt32(0), 0], to: result)
      try program.launch(
        "probe",
        [
          .all(of: result, as: UInt32.self), .local(max(4, localBytes)), .int(localBytes / 4),
        ],
        over: Grid(workGroups: (workGroups, 1), local: (workGroupSize, 1), workEach: localBytes),
        on: context)
      return try context.read(2, of: UInt32.self, from: result) == [
        0, UInt32(workGroups * workGroupSize),
      ]
    } catch {
      try context.requireAlive()
      if workGroupSize == 1 && localBytes <= 1024 { throw error }
      return false
    }
  }

  /// Tells whether Float32 has subnormal numbers, and a fused multiply-add where one is asked for and
  /// nowhere else: (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24, or 0 if rounded twice.
  private func roundsAsIEEE(_ program: Program) -> Bool {
    let arguments: [Float] = [1 + 0x1p-12, -(1 + 0x1p-11), 0x1p-126, 0x1p-149]
    let results: [Float] = [
      0x1p-24, 0, 0x1p-127, 0x1p-126 - 0x1p-149, 0x1p-148, 0x1p-125, 0x1p-147,
      0x1p-128 - 0x1p-149, 0x1p-149,
    ]
    do throws(TesseraError) {
      let count = arguments.count + results.count
      let storage = try OpenCLStorage(count * MemoryLayout<Float>.size, from: arena)
      try context.write(arguments + results.map { _ in -1 }, to: storage)
      try program.launch(
        "probe_float32", [.all(of: storage, as: Float.self)],
        over: Grid(workGroups: (1, 1), workEach: 1), on: context)
      return try context.read(count, of: Float.self, from: storage) == arguments + results
    } catch {
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
        over: Grid(workGroups: (1, 1), workEach: 1), on: context)
      return try context.read(2, of: Double.self, from: storage)[1] == 0x1p-60
    } catch {
      return false
    }
  }
}
