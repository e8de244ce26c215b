public import TesseraCompute
internal import TesseraHost

/// Options of finding and driving OpenCL devices.
public struct OpenCLOptions: Sendable, Hashable {
  /// The only library to load · a path or a name · nil looks in the usual places.
  public var library: String?
  /// The body every hot kernel runs · nil takes tiles on GPUs, elsewhere the body that was faster when
  /// both were measured (``BodyChoice``).
  public var body: KernelBody?
  /// The numbers that the filter of a search computes in · nil lets the device decide: halves where
  /// there is a matrix unit for them, else Float32. Rounding is left out where the dimension is
  /// beyond 65,536.
  public var filter: SearchFilter?
  /// The unit that multiplies rounded numbers · `.emulated` is for tests.
  public var matrixUnits = MatrixUnits.automatic
  /// The unit that is emulated.
  var emulatedUnit = MatrixUnit.Kind.nvidia
  /// Rounds that loops may take · nil finds out; tests pretend.
  var loopLimit: Int?
  /// The folder that keeps program binaries between runs · nil keeps none, and every run compiles.
  public var cacheDirectory: String?
  /// Bytes of the blocks that small matrices share · 0 gives each matrix a buffer of its own, so
  /// that a memory checker sees where it ends.
  public var sharedBlockBytes = 32 << 20
  /// True if kernels are tried on small problems before their first use · a simulator that looks
  /// for faults itself need not try them.
  public var triesKernels = true
  /// The longest one launch may take · a device that needs longer is given up, after up to twice
  /// that time; nil waits for ever. Launches are cut to a tenth of a second or so.
  public var launchDeadline: Duration? = .seconds(60)

  /// The usual places, the device's usual body, no cache, a minute for a launch.
  public init() {}

  /// Reads what the environment asks for: `TESSERA_OPENCL_LIBRARY`, `TESSERA_OPENCL_BODY` (`tile` or
  /// `wide`), `TESSERA_OPENCL_FILTER` (`auto`, `float32`, `float16` or `int8`),
  /// `TESSERA_OPENCL_MATRIX` (`auto`, `none` or `emulated`), `TESSERA_OPENCL_TIMEOUT` (seconds for a
  /// launch, 0 waits for ever), and for the cache `TESSERA_CACHE`, else `tessera` in the user's cache
  /// folder. A folder that other users may write is not used, because what is kept there is run.
  ///
  /// - Throws: `.invalidArgument` for a body, a filter or a matrix unit there is not, or a time that
  ///   is none.
  public static func fromEnvironment() throws(TesseraError) -> OpenCLOptions {
    try OpenCLOptions { Environment[$0] }
  }

  init(variable: (String) -> String?) throws(TesseraError) {
    func value(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }
    library = value("TESSERA_OPENCL_LIBRARY")
    cacheDirectory = CacheFolder.path(value).flatMap {
      CacheFolder.objection(to: $0) == nil ? $0 : nil
    }
    switch value("TESSERA_OPENCL_BODY") {
    case nil: body = nil
    case "tile": body = .tile
    case "wide": body = .wideItem
    case let other?:
      throw TesseraError(
        .invalidArgument, "TESSERA_OPENCL_BODY is \"\(other)\"; it can be tile or wide, or unset")
    }
    if let name = value("TESSERA_OPENCL_FILTER"), name != "auto" {
      guard let named = SearchFilter(rawValue: name) else {
        throw TesseraError(
          .invalidArgument,
          "TESSERA_OPENCL_FILTER is \"\(name)\"; it can be auto, float32, float16 or int8, or unset"
        )
      }
      filter = named
    }
    if let name = value("TESSERA_OPENCL_MATRIX") {
      guard let named = MatrixUnits(rawValue: name) else {
        throw TesseraError(
          .invalidArgument,
          "TESSERA_OPENCL_MATRIX is \"\(name)\"; it can be auto, none or emulated, or unset")
      }
      matrixUnits = named
    }
    if let text = value("TESSERA_OPENCL_TIMEOUT") {
      guard let seconds = Double(text), seconds >= 0, seconds <= 1e6 else {
        throw TesseraError(
          .invalidArgument,
          "TESSERA_OPENCL_TIMEOUT is \"\(text)\"; it can be seconds up to a million, 0 to wait for "
            + "ever, or unset")
      }
      launchDeadline = seconds == 0 ? nil : .seconds(seconds)
    }
  }
}

/// Chooses which of its two bodies a hot kernel runs.
public enum KernelBody: String, Sendable, Hashable, CaseIterable {
  /// Work-groups that share tiles through local memory: for GPUs.
  case tile
  /// One work item with explicit 16-wide vectors, in a group of its own: for CPUs, where tiles run
  /// 20 to 60 times slower.
  case wideItem = "wide-item"

  /// The body that this one is not.
  var other: KernelBody { self == .tile ? .wideItem : .tile }

  /// The macro that selects it in the kernels.
  var macro: String { self == .tile ? "BODY_TILE" : "BODY_WIDE" }
}
