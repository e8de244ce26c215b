/// What a device is and what it offers. Measured or probed, not copied from a driver's claims.
public struct DeviceInfo: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable {
    case reference, cpu, gpu, accelerator
  }

  /// What `--device` calls it: `reference`, `cpu`, `opencl:0`.
  public var identifier: String
  public var name: String
  public var kind: Kind
  public var vendor: String
  /// Driver or library version.
  public var driver: String
  /// The code path in use: an instruction set, or a kernel body.
  public var variant: String
  /// Memory the device can hold, in bytes.
  public var memoryBytes: Int
  /// Largest single allocation, in bytes.
  public var maxAllocationBytes: Int
  public var computeUnits: Int
  public var localMemoryBytes: Int
  public var maxWorkGroupSize: Int
  public var hasFloat64: Bool
  /// Operations with a native implementation; the others run on the host and copy.
  public var accelerated: Set<DeviceOperation>

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
