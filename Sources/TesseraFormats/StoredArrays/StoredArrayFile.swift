public import TesseraCompute
package import TesseraHost

/// A safetensors file: named tensors and text about them, which NumPy, PyTorch and Rust open too.
///
/// Eight bytes say how long the header is; the header is a JSON object of each tensor's type, shape
/// and place; the tensors' numbers follow without gaps. Files written here keep a checksum of each
/// tensor in the metadata, under `checksum.<name>`, and numbers begin where their size divides.
public struct StoredArrayFile: Sendable, Hashable {
  /// The arrays, by name.
  public var arrays: [String: StoredArray]
  /// Any text, by name; without the checksums, which belong to the file.
  public var metadata: [String: String]

  /// Takes arrays and text as they are; `write` checks the names.
  public init(arrays: [String: StoredArray], metadata: [String: String] = [:]) {
    self.arrays = arrays
    self.metadata = metadata
  }

  static let metadataKey = "__metadata__"
  static let checksumPrefix = "checksum."

  /// Writes the file at `path`: the whole of it, or nothing.
  ///
  /// - Throws: `.invalidArgument` for a tensor named `__metadata__` or text that is named like a
  ///   checksum, `.cannotCreate`, `.inputOutput`. A file already at `path` is then as it was.
  public func write(to path: String) throws(TesseraError) {
    let file = try AtomicFile(path)
    try write(into: file)
    try file.commit()
  }

  /// Writes the file as ``write(to:)`` does, and leaves the commit to its owner.
  package func write(into file: AtomicFile) throws(TesseraError) {
    guard arrays[Self.metadataKey] == nil,
      !metadata.keys.contains(where: { $0.hasPrefix(Self.checksumPrefix) })
    else {
      throw TesseraError(
        .invalidArgument,
        "\(file.path.printable): names of safetensors files keep \(Self.metadataKey) and "
          + "\(Self.checksumPrefix) for themselves; choose others")
    }
    let order = orderedNames
    let header = header(order)
    try unsafe file.append(header.span.bytes)
    for name in order {
      let numbers = arrays[name]?.bytes ?? []
      try unsafe file.append(numbers.span.bytes)
    }
    try file.seal()
  }

  /// Wider numbers first, so that all are aligned without gaps; then by name.
  private var orderedNames: [String] {
    arrays.sorted { ($1.value.scalar.byteCount, $0.key) < ($0.value.scalar.byteCount, $1.key) }
      .map(\.key)
  }

  /// The header with its length, padded with spaces to whole cache lines.
  private func header(_ order: [String]) -> [UInt8] {
    var texts = metadata
    var entries: [String] = []
    var offset = 0
    for name in order {
      guard let array = arrays[name] else { continue }
      texts[Self.checksumPrefix + name] = unsafe array.bytes.withUnsafeBytes(Checksum.text)
      let shape = array.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\(name.quotedAsJSON):{\"dtype\":\"\(array.scalar.safetensorsName)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offset),\(offset + array.bytes.count)]}")
      offset += array.bytes.count
    }
    let about = texts.sorted { $0.key < $1.key }
      .map { "\($0.key.quotedAsJSON):\($0.value.quotedAsJSON)" }
    if !about.isEmpty {
      entries.insert("\"\(Self.metadataKey)\":{\(about.joined(separator: ","))}", at: 0)
    }
    var text = Array("{\(entries.joined(separator: ","))}".utf8)
    text += [UInt8](repeating: 0x20, count: (64 - (8 + text.count) % 64) % 64)
    return unsafe withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
  }
}

extension StoredArray.Scalar {
  var safetensorsName: String {
    switch self {
    case .float32: "F32"
    case .float64: "F64"
    case .float16: "F16"
    case .bfloat16: "BF16"
    case .int8: "I8"
    case .uint8: "U8"
    case .int32: "I32"
    case .int64: "I64"
    }
  }
}
