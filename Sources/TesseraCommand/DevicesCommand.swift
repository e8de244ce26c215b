import ArgumentParser
import Tessera

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "List every device: kind, memory, limits, native operations, variant in use.",
    discussion: """
      Examples:
        tessera devices
        tessera devices --json
        TESSERA_CPU=avx2 tessera devices
      """)

  @OptionGroup var output: OutputOptions

  func run() throws {
    let (devices, problems) = Devices.all()
    if output.json {
      try JSONOutput.print(
        Listing(
          devices: devices.map { DeviceDescription($0.info) },
          problems: problems.map(\.description)))
      return
    }
    var table = Table(header: ["device", "kind", "memory", "units", "variant", "native", "name"])
    for device in devices {
      let info = device.info
      table.add(
        info.identifier, info.kind.rawValue,
        info.memoryBytes == .max ? "-" : info.memoryBytes.asBytes, "\(info.computeUnits)",
        info.variant, "\(info.accelerated.count)/\(DeviceOperation.allCases.count)", info.name)
    }
    table.print()
    for problem in problems { output.note(problem.description) }
  }

  struct Listing: Encodable {
    let devices: [DeviceDescription]
    let problems: [String]
  }
}

/// A device as JSON shows it.
struct DeviceDescription: Encodable {
  let device: String
  let name: String
  let kind: String
  let vendor: String
  let driver: String
  let variant: String
  let memoryBytes: Int
  let maxAllocationBytes: Int
  let computeUnits: Int
  let localMemoryBytes: Int
  let maxWorkGroupSize: Int
  let hasFloat64: Bool
  let accelerated: [String]

  init(_ info: DeviceInfo) {
    device = info.identifier
    name = info.name
    kind = info.kind.rawValue
    vendor = info.vendor
    driver = info.driver
    variant = info.variant
    memoryBytes = info.memoryBytes
    maxAllocationBytes = info.maxAllocationBytes
    computeUnits = info.computeUnits
    localMemoryBytes = info.localMemoryBytes
    maxWorkGroupSize = info.maxWorkGroupSize
    hasFloat64 = info.hasFloat64
    accelerated = info.accelerated.map(\.rawValue).sorted()
  }
}
