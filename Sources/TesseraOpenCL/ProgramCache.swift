#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Program binaries kept on disk between runs. Whatever fails here only costs a compilation.
///
/// A file holds the whole key and a checksum beside the binary: no collision of names, no truncated
/// or damaged file ever reaches a driver.
struct ProgramCache: Sendable {
  let directory: String?
  /// What a binary depends on besides its source: device, driver and platform.
  let deviceKey: String
  /// What the names of its files begin with.
  var prefix = "opencl"

  /// Rises when the layout of a file changes.
  private static let formatVersion = 1

  func key(source: String, options: String) -> [UInt8] {
    Array(
      "tessera program \(Self.formatVersion)\n\(deviceKey)\n\(options)\n\(source)".utf8)
  }

  func binary(for key: [UInt8]) -> [UInt8]? {
    guard let path = path(for: key), let file = File.read(path) else { return nil }
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
    File.createFolder(directory)
    File.replace(path, with: Self.header(key) + Self.bytes(of: Self.hash(binary)) + binary)
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

/// The few file operations the cache needs; none of them reports failure.
private enum File {
  static func read(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    fseek(file, 0, SEEK_END)
    let size = ftell(file)
    rewind(file)
    guard size > 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: size)
    return fread(&bytes, 1, size, file) == size ? bytes : nil
  }

  /// Writes beside the file and renames, so that nobody ever reads half of it.
  static func replace(_ path: String, with bytes: [UInt8]) {
    let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max))"
    guard let file = fopen(temporary, "wb") else { return }
    let complete = fwrite(bytes, 1, bytes.count, file) == bytes.count
    let closed = fclose(file) == 0
    if !complete || !closed || rename(temporary, path) != 0 { _ = unlink(temporary) }
  }

  static func createFolder(_ path: String) {
    for end in path.indices.dropFirst() where path[end] == "/" {
      mkdir(String(path[..<end]), 0o755)
    }
    mkdir(path, 0o700)
  }
}
