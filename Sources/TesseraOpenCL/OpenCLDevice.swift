internal import COpenCL
internal import Synchronization
public import TesseraCompute
internal import TesseraHost

/// An OpenCL device: GPU, CPU or accelerator.
///
/// It has a context and an in-order queue of its own. Calls may come from any thread; work is done
/// in the order in which it is asked for. Programs are built at first use and kept on disk for the
/// next run.
///
/// A device that loses its context throws `.deviceLost`: what was stored on it is gone, and new
/// memory comes from a new context, once. One that gives no answer is given up, with
/// `.deviceFailure`. Kernels are tried on a small problem before their first use; where they fail
/// it, searches are refused, and other operations done by the host.
public final class OpenCLDevice: Device {
  /// The kernel body in use, and how it was chosen.
  public let bodyChoice: BodyChoice
  /// The kernel body in use.
  public var body: KernelBody { bodyChoice.body }

  /// The driver's name for itself, such as "Portable Computing Language": it tells two drivers of
  /// one processor apart.
  public let platformName: String

  /// Items in a work-group of kernels that have no reason of their own: 1 for wide items, else a
  /// power of two from 64 to 256.
  let workGroupSize: Int
  /// Rounds that the loops of one work item may take together; operations that need more are left
  /// to the host. `Int.max` where the driver ends no loop.
  let loopLimit: Int
  /// True if Float32 keeps subnormal numbers, and fuses what it is told to and nothing else. Where it
  /// does not, what has to be the same bits everywhere is left to the host.
  let roundsAsIEEE: Bool
  let cache: ProgramCache
  let trust: KernelTrust
  /// The unit that multiplies rounded numbers; nil if the device has none.
  let matrixUnit: MatrixUnit?
  /// The numbers that the filter of a search computes in, if the dimension allows.
  let filter: SearchFilter
  /// True if the filter was asked for; it is then used where it does not pay, too.
  let isFilterForced: Bool
  let launchTuning = Mutex(LaunchTuning())
  private let description: DeviceInfo
  private let macros: [String: Int]
  private let sessions: Mutex<OpenCLSessions>

  /// The least work-group that the tile body is written for.
  private static let leastTileItems = 64
  /// The longest that a body may take to compile when both are measured. The compiler of Mesa's
  /// llvmpipe needs a minute for tiles.
  private static let bodyDeadline = Duration.seconds(10)

  private static let native: Set<DeviceOperation> = [
    .nearest, .assignNearest, .innerProducts, .topK, .lookupScores, .nearestCodes, .gather,
    .multiply, .apply, .reduce, .product, .sparseProduct,
  ]
  /// Operations whose arithmetic is fixed in Float64; the host does them for a device without it.
  private static let nativeInFloat64: Set<DeviceOperation> = [
    .accumulateClusters, .canonicalScores, .encode,
  ]

  /// Operations that are the same bits everywhere; the host does them for a device that rounds
  /// otherwise.
  private static let nativeInIEEE: Set<DeviceOperation> = [
    .apply, .reduce, .product, .sparseProduct,
  ]

  /// The operations that are left to a driver that ends long loops.
  private static let nativeInShortLoops = native.subtracting([
    .nearestCodes, .topK, .sparseProduct,
  ])

  /// - Throws: what the device could not do of the little every device must.
  init(
    _ id: cl_device_id, of platform: OpenCLLibrary.Platform, identifier: String,
    options: OpenCLOptions
  ) throws(TesseraError) {
    let context = try OpenCLContext(
      id, of: platform.library, launchDeadline: options.launchDeadline)
    let name = context.text(CL_DEVICE_NAME)
    let driver = context.text(CL_DRIVER_VERSION)
    cache = ProgramCache(
      directory: options.cacheDirectory,
      deviceKey: [name, driver, platform.name, platform.version].joined(separator: "\n"))
    let memoryBytes = Int(clamping: context.number(CL_DEVICE_GLOBAL_MEM_SIZE, absent: UInt64(0)))
    let maxAllocationBytes = Int(
      clamping: context.number(CL_DEVICE_MAX_MEM_ALLOC_SIZE, absent: UInt64(0)))
    let alignmentBits = context.number(CL_DEVICE_MEM_BASE_ADDR_ALIGN, absent: UInt32(0))
    let arena = Arena(
      context, alignment: max(128, Int(alignmentBits) / 8),
      sharedBlockBytes: options.sharedBlockBytes,
      maxBlockBytes: min(maxAllocationBytes, memoryBytes), memoryBytes: memoryBytes)
    /// Makes a context for what may fail.
    func spare(deadline: Duration?) throws(TesseraError) -> (OpenCLContext, Arena) {
      let context = try OpenCLContext(id, of: platform.library, launchDeadline: deadline)
      return (
        context,
        Arena(
          context, alignment: 128, sharedBlockBytes: options.sharedBlockBytes,
          maxBlockBytes: maxAllocationBytes, memoryBytes: memoryBytes)
      )
    }
    let probe = Probe(
      context, arena: arena, cache: cache,
      triesLoops: options.triesKernels && options.loopLimit == nil)
    var abilities = try probe.run()
    let claimsFloat64 = context.text(CL_DEVICE_EXTENSIONS).contains("cl_khr_fp64")
    // One passing error would cost some operations a factor of hundreds, so the claim counts for a
    // second try.
    if claimsFloat64, !abilities.hasFloat64 { abilities = try probe.run() }

    let type = context.number(CL_DEVICE_TYPE, absent: cl_device_type(0))
    let isCPU = type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0
    let isGPU = type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0
    platformName = platform.name
    // Tiles need groups of 64. A device with smaller ones runs the body that needs no groups.
    let holdsTiles = abilities.workGroupSize >= Self.leastTileItems
    let tileItems = 1 << (Int.bitWidth - 1 - min(256, abilities.workGroupSize).leadingZeroBitCount)
    let abilityMacros = abilities.hasFloat64 ? ["HAS_FLOAT64": 1] : [:]
    if let body = options.body {
      bodyChoice = BodyChoice(body)
    } else if !holdsTiles {
      bodyChoice = BodyChoice(.wideItem)
    } else if isGPU || !options.triesKernels {
      // A group of one item leaves all but one lane of a GPU idle.
      bodyChoice = BodyChoice(isCPU ? .wideItem : .tile)
    } else {
      let usual = isCPU ? KernelBody.wideItem : .tile
      bodyChoice = BodyChoice.measured(usual: usual, cache: cache) {
        [cache] body throws(TesseraError) in
        // A kernel that fails may take its context with it.
        let (context, arena) = try spare(deadline: Self.bodyDeadline)
        return try BodyProbe(
          body, context, arena, cache, macros: abilityMacros, tileItems: tileItems)
      }
    }
    let body = bodyChoice.body
    guard body == .wideItem || holdsTiles else {
      throw TesseraError(
        .invalidArgument,
        "TESSERA_OPENCL_BODY is tile, which needs work-groups of \(Self.leastTileItems) items; "
          + "\(name) runs at most \(abilities.workGroupSize); unset it, or set it to wide")
    }
    workGroupSize = body == .wideItem ? 1 : tileItems
    loopLimit = options.loopLimit ?? abilities.loopLimit
    roundsAsIEEE = abilities.roundsAsIEEE
    macros = [body.macro: 1, "GROUP": workGroupSize].merging(abilityMacros) { $1 }
    let matrix = try MatrixChoice(
      options, candidates: context.matrixUnits(of: platform),
      probe: { [macros, cache] () throws(TesseraError) in
        let (context, arena) = try spare(deadline: options.launchDeadline)
        return MatrixProbe(context: context, arena: arena, cache: cache, macros: macros)
      })
    matrixUnit = matrix.unit
    filter = matrix.filter
    isFilterForced = options.filter != nil
    trust = KernelTrust(cache, isBlind: !options.triesKernels)
    if claimsFloat64, !abilities.hasFloat64 {
      trust.note(
        TesseraError(
          .deviceFailure,
          "\(identifier): the driver offers Float64, but a kernel that uses it fails; operations in "
            + "Float64 are left to the host, which takes much longer; update the driver (\(name), "
            + "\(driver)) or use --device cpu"))
    }
    sessions = Mutex(OpenCLSessions(OpenCLSession(context, arena: arena)))
    description = DeviceInfo(
      identifier: identifier, name: name, kind: isCPU ? .cpu : isGPU ? .gpu : .accelerator,
      vendor: context.text(CL_DEVICE_VENDOR), driver: driver,
      variant: matrix.variant(of: body),
      memoryBytes: memoryBytes, maxAllocationBytes: maxAllocationBytes,
      computeUnits: Int(context.number(CL_DEVICE_MAX_COMPUTE_UNITS, absent: UInt32(1))),
      localMemoryBytes: abilities.localMemoryBytes, maxWorkGroupSize: abilities.workGroupSize,
      hasFloat64: abilities.hasFloat64,
      accelerated: (loopLimit < .max
        ? Self.nativeInShortLoops
        : Self.native.union(abilities.hasFloat64 ? Self.nativeInFloat64 : []))
        .subtracting(roundsAsIEEE ? [] : Self.nativeInIEEE))
  }

  /// Describes the device. Operations whose kernels turned out wrong are not among the native ones.
  public var info: DeviceInfo {
    var info = description
    info.accelerated.subtract(trust.distrusted)
    return info
  }

  /// The failures that were overcome, oldest first: kernels that are wrong or do not compile, and
  /// contexts that were lost and started anew.
  public var faults: [TesseraError] { trust.faults }

  // MARK: Memory

  /// Takes a range of a shared block for small sizes, else a buffer of its own.
  public func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    try reserve(byteCount)
  }

  /// Copies through staging memory, a range at a time; returns when all bytes are moved.
  public func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    let target = try own(target, "upload")
    try checkBounds(target, "upload", source.count, at: byteOffset)
    try context.write(source, to: target.buffer, at: target.start + byteOffset)
  }

  /// Waits for the work queued before, then copies through staging memory, a range at a time.
  public func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    let source = try own(source, "download")
    try checkBounds(source, "download", target.count, at: byteOffset)
    try context.read(source.buffer, at: source.start + byteOffset, to: target)
  }

  /// Waits for the queue and throws what the driver reports.
  public func synchronize() throws(TesseraError) { try context.finish() }

  private func checkBounds(
    _ storage: OpenCLStorage, _ operation: String, _ count: Int, at byteOffset: Int
  ) throws(TesseraError) {
    guard byteOffset >= 0, count <= storage.byteCount - byteOffset else {
      throw TesseraError(
        .invalidShape,
        "\(operation): \(count) bytes at \(byteOffset) are outside the \(storage.byteCount) there")
    }
  }

  // MARK: For the operations

  /// The session in use.
  var session: OpenCLSession { sessions.withLock(\.current) }
  /// The context in use.
  var context: OpenCLContext { session.context }

  /// Memory for the device's own use. It may be let go as soon as the commands that use it are
  /// queued.
  func reserve(_ byteCount: Int) throws(TesseraError) -> OpenCLStorage {
    let session = try sessions.withLock { sessions throws(TesseraError) in
      if let loss = try sessions.renewIfLost() {
        trust.note(
          TesseraError(
            .deviceLost, "\(description.identifier) was lost and started anew: \(loss.message)",
            status: loss.status))
      }
      return sessions.current
    }
    return try OpenCLStorage(byteCount, from: session.arena)
  }

  /// Tries matrix units, in the context in use.
  var matrixProbe: MatrixProbe {
    let session = session
    return MatrixProbe(
      context: session.context, arena: session.arena, cache: cache, macros: macros)
  }

  /// Memory for `count` elements of type `Element`.
  func reserve<Element>(_ count: Int, of: Element.Type) throws(TesseraError) -> OpenCLStorage {
    let (byteCount, overflow) = count.multipliedReportingOverflow(
      by: MemoryLayout<Element>.stride)
    guard !overflow else {
      throw TesseraError(.outOfMemory, "allocate: \(count) elements are too many for any memory")
    }
    return try reserve(byteCount)
  }

  /// The matrix as a kernel's argument: its buffer and its first element.
  func argument<Element>(
    _ matrix: Matrix<Element>, _ operation: String
  ) throws(TesseraError) -> KernelArgument {
    let storage = try own(matrix.storage, operation)
    return .memory(
      storage, firstElement: storage.start / MemoryLayout<Element>.stride + matrix.offset)
  }

  /// Queues `kernel` of `source` over `grid`; the source is built first if this is its first use.
  func launch(
    _ kernel: String, of source: KernelSource, _ arguments: [KernelArgument], over grid: Grid
  ) throws(TesseraError) {
    try StopSignal.check()
    let session = session
    try session.slot(for: source).use(
      build: { [macros, cache] () throws(TesseraError) in
        try Program.build(source, macros: macros, in: session.context, cache: cache)
      },
      { program throws(TesseraError) in
        try program.launch(kernel, arguments, over: grid, on: session.context)
      })
  }

  /// Throws `.deviceFailure` if the loops of one work item need more rounds than the driver gives
  /// them: for operations that the host has a device for.
  func requireLoops(of rounds: Int, _ operation: String) throws(TesseraError) {
    guard rounds > loopLimit else { return }
    throw TesseraError(
      .deviceFailure,
      "\(operation): the driver of \(description.name) ends loops after about \(loopLimit) rounds, "
        + "and this needs \(rounds); use another device, or update the driver "
        + "(\(description.driver))")
  }

  /// The compiler options `source` is built with.
  func options(of source: KernelSource) -> String { source.options(macros) }

  func own(_ storage: Storage, _ operation: String) throws(TesseraError) -> OpenCLStorage {
    guard let storage = storage as? OpenCLStorage else {
      throw TesseraError(.wrongDevice, "\(operation): the memory belongs to another device")
    }
    try requireCurrent(storage, operation)
    return storage
  }

  /// Throws `.wrongDevice` for memory of another device, and `.deviceLost` for memory that was
  /// lost.
  func requireCurrent(_ storage: OpenCLStorage, _ operation: String) throws(TesseraError) {
    let owner = storage.buffer.context
    guard owner !== context else { return }
    try owner.requireAlive()
    throw TesseraError(.wrongDevice, "\(operation): the memory belongs to another device")
  }
}
