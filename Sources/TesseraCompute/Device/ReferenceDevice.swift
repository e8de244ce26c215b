internal import TesseraHost

/// The specification, executable: every operation in the plainest Swift that is right.
///
/// Other devices are compared with it, borrow it where they have nothing of their own, and a new
/// device starts as a copy of it. It is slow on purpose.
public final class ReferenceDevice: Device {
  /// The only instance; it has no state.
  public static let shared = ReferenceDevice()

  /// Describes one worker in plain Swift, with all of the operations as its own.
  public let info = DeviceInfo(
    identifier: "reference", name: "Reference (plain Swift, Float64)", kind: .reference,
    vendor: "Tessera", variant: "swift", memoryBytes: .max, computeUnits: 1,
    accelerated: Set(DeviceOperation.allCases))

  private init() {}

  // MARK: Memory

  /// Allocates host memory. Throws `.outOfMemory` if the host refuses.
  public func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    try HostStorage(allocating: byteCount)
  }

  /// Copies within host memory.
  public func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    try HostStorage.copy(source, to: target, at: byteOffset)
  }

  /// Copies within host memory.
  public func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try HostStorage.copy(source, at: byteOffset, to: target)
  }
}

extension HostStorage {
  /// Copies host bytes into `target`, which must be host storage with room for them.
  package static func copy(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    let host = try checked(target, "upload", source.count, at: byteOffset)
    guard source.count > 0 else { return }
    UnsafeMutableRawBufferPointer(rebasing: host.bytes[byteOffset...]).copyMemory(from: source)
  }

  /// Copies bytes of `source`, which must be host storage that holds them, to the host.
  package static func copy(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    let host = try checked(source, "download", target.count, at: byteOffset)
    guard target.count > 0 else { return }
    target.copyMemory(
      from: UnsafeRawBufferPointer(rebasing: host.bytes[byteOffset..<byteOffset + target.count]))
  }

  private static func checked(
    _ storage: Storage, _ operation: String, _ count: Int, at byteOffset: Int
  ) throws(TesseraError) -> HostStorage {
    guard let host = storage as? HostStorage else {
      throw TesseraError(.wrongDevice, "\(operation): the memory belongs to another device")
    }
    guard (0...storage.byteCount).contains(byteOffset), count <= storage.byteCount - byteOffset
    else {
      throw TesseraError(
        .invalidShape,
        "\(operation): \(count) bytes at \(byteOffset) are outside the \(storage.byteCount) there")
    }
    return host
  }
}
