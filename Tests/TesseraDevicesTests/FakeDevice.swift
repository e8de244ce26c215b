import TesseraCompute

/// A device in name only.
final class FakeDevice: Device {
  let info: DeviceInfo

  init(_ identifier: String, kind: DeviceInfo.Kind = .gpu, searches: Bool = true) {
    info = DeviceInfo(
      identifier: identifier, name: "Fake \(identifier)", kind: kind, vendor: "NVIDIA", driver: "1",
      variant: "none", memoryBytes: 1 << 30, computeUnits: 1,
      accelerated: searches ? [.nearest] : [.multiply])
  }

  func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    throw TesseraError(.outOfMemory, "a fake has no memory")
  }

  func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    throw TesseraError(.wrongDevice, "a fake has no memory")
  }

  func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    throw TesseraError(.wrongDevice, "a fake has no memory")
  }
}
