/// Describes a device and its limits. The values are measured or probed, not copied from a driver's
/// claims.
public struct DeviceInfo: Sendable, Hashable {
  /// The kind of hardware or implementation behind a device.
  public enum Kind: String, Sendable, Hashable {
    case reference, cpu, gpu, accelerator
  }

  /// The name that `--device` takes: `reference`, `cpu`, `opencl:0`.
  public var identifier: String
  /// The product name, for people: the processor's, or the one that the driver gives.
  public var name: String
  /// The kind of device; a plan leaves more memory free on the host than on a GPU.
  public var kind: Kind
  /// The maker of the hardware or driver; empty where it is not known.
  public var vendor: String
  /// Driver or library version.
  public var driver: String
  /// The code path in use: an instruction set, or a kernel body.
  public var variant: String
  /// Memory the device can hold, in bytes.
  public var memoryBytes: Int
  /// Largest single allocation, in bytes.
  public var maxAllocationBytes: Int
  /// Cores of a CPU, or what the driver counts as compute units.
  public var computeUnits: Int
  /// Memory that one work group shares, in bytes; 0 where there are no work groups.
  public var localMemoryBytes: Int
  /// The most work items of one group; 1 where there are no work groups.
  public var maxWorkGroupSize: Int
  /// True if the device computes in Float64.
  public var hasFloat64: Bool
  /// Operations with a native implementation; the others run on the host and copy.
  public var accelerated: Set<DeviceOperation>

  /// Takes every value as it is; without `maxAllocationBytes` one allocation may take all of
  /// `memoryBytes`.
  public init(
    identifier: String, name: String, kind: Kind, vendor: String = "", driver: String = "",
    variant: String, memoryBytes: Int, maxAllocationBytes: Int? = nil, computeUnits: Int,
    localMemoryBytes: Int = 0, maxWorkGroupSize: Int = 1, hasFloat64: Bool = true,
    accelerated: Set<DeviceOperation>
  ) {
    self.identifier = identifier
    self.name = name
    self.kind = kind
    self.vendor = vendor
    self.driver = driver
    self.variant = variant
    self.memoryBytes = memoryBytes
    self.maxAllocationBytes = maxAllocationBytes ?? memoryBytes
    self.computeUnits = computeUnits
    self.localMemoryBytes = localMemoryBytes
    self.maxWorkGroupSize = maxWorkGroupSize
    self.hasFloat64 = hasFloat64
    self.accelerated = accelerated
  }
}

/// The work a ``Device`` can be asked for. `DeviceInfo.accelerated` lists the native ones.
public enum DeviceOperation: String, Sendable, Hashable, CaseIterable {
  case nearest
  case innerProducts
  case canonicalScores
  case topK
  case assignNearest
  case accumulateClusters
  case encode
  case lookupScores
  case nearestCodes
  case gather
  case multiply
  case apply
  case reduce
  case product
  case sparseProduct
}
