import TesseraCompute

/// A device with memory of its own and nothing else, which does all work by the protocol's
/// defaults.
final class BareDevice: Device {
  let info = DeviceInfo(
    identifier: "bare", name: "Memory only", kind: .accelerator, variant: "defaults",
    memoryBytes: .max, computeUnits: 1, accelerated: [])

  /// Host memory in disguise: the reference device cannot read it.
  private final class BareStorage: Storage, @unchecked Sendable {
    // Safe: set once; the device's callers do not overlap conflicting operations.
    let hidden: Storage

    init(hiding hidden: Storage) {
      self.hidden = hidden
      super.init(byteCount: hidden.byteCount)
    }
  }

  func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    BareStorage(hiding: try ReferenceDevice.shared.allocate(byteCount: byteCount))
  }

  func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    try ReferenceDevice.shared.upload(source, to: hidden(target), at: byteOffset)
  }

  func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try ReferenceDevice.shared.download(hidden(source), at: byteOffset, to: target)
  }

  private func hidden(_ storage: Storage) throws(TesseraError) -> Storage {
    guard let storage = storage as? BareStorage else {
      throw TesseraError(.wrongDevice, "the memory belongs to another device")
    }
    return storage.hidden
  }
}
