internal import TesseraHost

/// Program binaries kept on disk between runs. Whatever fails here only costs a compilation.
///
/// A file holds the whole key and a checksum beside the binary: no collision of names, no truncated
/// or damaged file ever reaches a driver. That guards against accidents only: whoever may write to
/// the folder decides what the device computes, so ``CacheFolder`` refuses one that others may write.
struct ProgramCache: Sendable {
  let directory: String?
  /// Names what a binary depends on besides its source: device, driver and platform.
  let deviceKey: String
  /// The beginning of its files' names.
  var prefix = "opencl"

  /// Rises when the layout of a file changes.
  private static let formatVersion = 1

  func key(source: String, options: String) -> [UInt8] {
    Array(
      "tessera program \(Self.formatVersion)\n\(deviceKey)\n\(options)\n\(source)".utf8)
  }

  func binary(for key: [UInt8]) -> [UInt8]? {
    guard let path = path(for: key), let file = SystemFile.bytes(of: path) else { return nil }
    let header = Self.header(key)
    guard file.count > header.count + 8, file.starts(with: header) else {
      _ = unlink(path)
      return nil
    }
    let binary = Array(file[(header.count + 8)...])
    guard file[header.count..<header.count + 8].elementsEqual(Self.bytes(of: Self.hash(binary)))
    else {
      _ = unlink(path)
      return nil
    }
    return binary
  }

  func store(_ binary: [UInt8], for key: [UInt8]) {
    guard let directory, let path = path(for: key) else { return }
    CacheFolder.create(directory)
    let bytes = Self.header(key) + Self.bytes(of: Self.hash(binary)) + binary
    CacheFolder.clearWay(for: path)
    guard let file = try? AtomicFile(path) else { return }
    try? file.append(bytes.span.bytes)
    try? file.commit()
  }

  func remove(_ key: [UInt8]) {
    if let path = path(for: key) { _ = unlink(path) }
  }

  func path(for key: [UInt8]) -> String? {
    guard let directory else { return nil }
    let digits = String(Self.hash(key), radix: 16)
    return "\(directory)/\(prefix)-\(String(repeating: "0", count: 16 - digits.count))\(digits).bin"
  }

  private static func header(_ key: [UInt8]) -> [UInt8] { bytes(of: UInt64(key.count)) + key }

  private static func bytes(of number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }

  /// FNV-1a.
  private static func hash(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
