import TesseraCPU
import TesseraCompute
import TesseraDevices
import Testing

/// The devices of this machine, and the CPU with each of its instruction sets.
enum EveryDevice {
  static func named() throws -> [(name: String, device: any Device)] {
    let (devices, problems) = Devices.all()
    #expect(devices.count >= 2, "\(problems)")
    let variants = try CPUDevice.variants.map { try CPUDevice(variant: $0, threads: 1) }
    return (devices + variants).map { ("\($0.info.identifier) \($0.info.variant)", $0) }
  }
}
