import ArgumentParser
import Tessera
import protocol TesseraCompute.Device

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "List every device: kind, memory, limits, native operations, variant in use.",
    discussion: """
      --measure measures how fast each is at searches, in turns, and keeps the
      speeds for --device auto: use it when they were taken on a busy machine. It
      chooses the kernel body of OpenCL devices that are no GPUs anew, too; the
      variant says how much faster it was than the other one.

      Examples:
        tessera devices
        tessera devices --json
        tessera devices --measure
        TESSERA_CPU=avx2 tessera devices
      """)

  @Flag(help: "Measure the devices again, for --device auto.")
  var measure = false

  @OptionGroup var output: OutputOptions

  func run() throws {
    if measure { return try runMeasurement() }
    let (devices, problems) = Devices.all()
    if output.json {
      try JSONOutput.print(
        Listing(
          devices: devices.map { DeviceDescription($0) },
          problems: problems.map(\.description)))
      return
    }
    var table = Table(header: ["device", "kind", "memory", "units", "variant", "native", "name"])
    for device in devices {
      let (info, platform) = (device.info, Devices.platformName(of: device))
      table.add(
        info.identifier, info.kind.rawValue,
        info.memoryBytes == .max ? "-" : info.memoryBytes.asBytes, "\(info.computeUnits)",
        info.variant + Devices.bodyNote(of: device),
        "\(info.accelerated.count)/\(DeviceOperation.allCases.count)",
        platform.isEmpty ? info.name : "\(info.name) (\(platform))")
    }
    table.print()
    for problem in problems { output.note(problem.description) }
  }

  private func runMeasurement() throws {
    let (speeds, problems) = Devices.measure()
    if output.json {
      return try JSONOutput.print(
        Measurement(
          speeds: speeds.map { Speed($0.device, $0.speeds) },
          problems: problems.map(\.description)))
    }
    var table = Table(
      header: ["device", "products a second", "prepared a second", "a call", "spread"])
    for (info, speeds) in speeds {
      table.add(
        info.identifier, speeds.productsPerSecond.short,
        Int(speeds.preparedBytesPerSecond).asBytes, "\((speeds.overheadSeconds * 1e6).short) us",
        "\(((speeds.spread ?? 0) * 100).short) %")
    }
    table.print()
    for problem in problems { output.note(problem.description) }
  }

  /// Holds what `--measure` prints as JSON, under these names.
  struct Measurement: Encodable {
    let speeds: [Speed]
    let problems: [String]
  }

  struct Speed: Encodable {
    let device: String
    let productsPerSecond: Double
    let preparedBytesPerSecond: Double
    let overheadSeconds: Double
    let spread: Double?

    init(_ info: DeviceInfo, _ speeds: DeviceProfile) {
      device = info.identifier
      productsPerSecond = speeds.productsPerSecond
      preparedBytesPerSecond = speeds.preparedBytesPerSecond
      overheadSeconds = speeds.overheadSeconds
      spread = speeds.spread
    }
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
  let platform: String
  let driver: String
  let variant: String
  let memoryBytes: Int
  let maxAllocationBytes: Int
  let computeUnits: Int
  let localMemoryBytes: Int
  let maxWorkGroupSize: Int
  let hasFloat64: Bool
  let accelerated: [String]
  /// The seconds that a small product took with each kernel body; empty where none were measured.
  let bodySeconds: [String: Double]

  init(_ described: any Device) {
    let info = described.info
    platform = Devices.platformName(of: described)
    bodySeconds = Devices.bodySeconds(of: described)
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
