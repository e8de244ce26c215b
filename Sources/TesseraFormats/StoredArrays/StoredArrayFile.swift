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

  /// Checks that a file's metadata say that it holds `content`, in a layout that this version reads.
  ///
  /// - Parameter command: Makes such files.
  /// - Throws: `.malformedFile` for other content, `.unsupported` for a newer layout.
  package static func require(
    _ content: String, upTo version: Int, in metadata: [String: String], madeBy command: String
  ) throws(TesseraError) {
    guard metadata["content"] == content, let written = metadata["version"].flatMap({ Int($0) })
    else {
      throw TesseraError(.malformedFile, "holds no \(content); make one with \(command)")
    }
    guard written <= version else {
      throw TesseraError(
        .unsupported,
        "is of version \(written), this program reads up to \(version); use a newer one")
    }
  }

  static let metadataKey = "__metadata__"
  static let checksumPrefix = "checksum."
  /// The checksum of the header, as it is with zeros in the place of its digits.
  static let headerChecksumKey = "checksum"
  static let blankChecksum = "crc32:00000000"

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
    try Self.write(
      arrays.map {
        WrittenArray($0.key, $0.value.scalar, shape: $0.value.shape, .bytes($0.value.bytes))
      }, metadata: metadata, into: file)
  }

  /// Writes arrays from where they lie, one after the other, and leaves the commit to the file's owner.
  ///
  /// - Throws: As ``write(to:)``.
  package static func write(
    _ arrays: [WrittenArray], metadata: [String: String], into file: AtomicFile
  ) throws(TesseraError) {
    guard !arrays.contains(where: { $0.name == metadataKey }),
      !metadata.keys.contains(where: { $0.hasPrefix(checksumPrefix) || $0 == headerChecksumKey })
    else {
      throw TesseraError(
        .invalidArgument,
        "\(file.path.printable): names of safetensors files keep \(metadataKey) and "
          + "\(checksumPrefix) for themselves; choose others")
    }
    // Wider numbers first, so that all are aligned without gaps; then by name.
    let order = arrays.sorted {
      ($1.scalar.byteCount, $0.name) < ($0.scalar.byteCount, $1.name)
    }
    let header = header(order, metadata)
    try unsafe file.append(header.span.bytes)
    for array in order { try array.append(to: file) }
    try file.seal()
  }

  /// The header with its length, padded with spaces to whole cache lines.
  private static func header(
    _ order: [WrittenArray], _ metadata: [String: String]
  ) -> [UInt8] {
    var texts = metadata
    texts[headerChecksumKey] = blankChecksum
    var entries: [String] = []
    var offset = 0
    for array in order {
      texts[checksumPrefix + array.name] = array.checksum
      let shape = array.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\(array.name.quotedAsJSON):{\"dtype\":\"\(array.scalar.safetensorsName)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offset),\(offset + array.byteCount)]}")
      offset += array.byteCount
    }
    let about = texts.sorted { $0.key < $1.key }
      .map { "\($0.key.quotedAsJSON):\($0.value.quotedAsJSON)" }
    if !about.isEmpty {
      entries.insert("\"\(metadataKey)\":{\(about.joined(separator: ","))}", at: 0)
    }
    var text = Array("{\(entries.joined(separator: ","))}".utf8)
    text += [UInt8](repeating: 0x20, count: (64 - (8 + text.count) % 64) % 64)
    let checksum = unsafe text.withUnsafeBytes(Checksum.text)
    if let digits = checksumPlace(text) { text.replaceSubrange(digits, with: checksum.utf8) }
    return unsafe withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
  }
}

extension StoredArrayFile {
  /// Where the header's checksum stands in the header; nil if it has none.
  static func checksumPlace(_ header: [UInt8]) -> Range<Int>? {
    let key = Array("\"\(headerChecksumKey)\":\"".utf8)
    guard let first = header.firstRange(of: key)?.upperBound,
      first + blankChecksum.utf8.count <= header.count
    else { return nil }
    return first..<first + blankChecksum.utf8.count
  }
}

/// An array on its way into a file.
package struct WrittenArray {
  /// Where the numbers come from.
  package enum Source {
    case bytes([UInt8])
    /// Rows, which need not lie one after the other.
    case rows(Vectors)
  }

  let name: String
  let scalar: StoredArray.Scalar
  let shape: [Int]
  private let source: Source

  /// - Precondition: The source holds as many numbers as `shape` says.
  package init(_ name: String, _ scalar: StoredArray.Scalar, shape: [Int], _ source: Source) {
    self.name = name
    self.scalar = scalar
    self.shape = shape
    self.source = source
  }

  /// Takes numbers in one row.
  package init<Number: StoredNumber>(_ name: String, _ values: [Number], shape: [Int]? = nil) {
    self.init(
      name, Number.scalar, shape: shape ?? [values.count],
      .bytes(unsafe values.withUnsafeBytes(Array.init)))
  }

  /// Takes rows as they are.
  package init(_ name: String, _ rows: Vectors) {
    self.init(
      name, StoredArray.Scalar(rows.element), shape: [rows.count, rows.dimension], .rows(rows))
  }

  var byteCount: Int { shape.reduce(scalar.byteCount, *) }

  var checksum: String {
    switch source {
    case .bytes(let bytes): unsafe bytes.withUnsafeBytes(Checksum.text)
    case .rows(let rows):
      unsafe Checksum.text(of: (0..<rows.count).lazy.map { unsafe rows.rowBytes($0) })
    }
  }

  func append(to file: AtomicFile) throws(TesseraError) {
    switch source {
    case .bytes(let bytes): try unsafe file.append(bytes.span.bytes)
    case .rows(let rows):
      // Few large writes: many rows go together where nothing lies between them.
      let step =
        rows.rowStride == rows.dimension * rows.element.byteCount
        ? max(1, (8 << 20) / max(1, rows.rowStride)) : 1
      for first in stride(from: 0, to: rows.count, by: step) {
        let some = rows.rows(first..<min(first + step, rows.count))
        guard let start = unsafe some.baseAddress else { continue }
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: some.byteCount)
        try unsafe file.append(bytes.bytes)
      }
    }
  }
}

extension Vectors {
  /// The bytes of one row. Valid while this value is alive.
  fileprivate func rowBytes(_ row: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(
      start: unsafe baseAddress.map { unsafe $0 + row * rowStride },
      count: dimension * element.byteCount)
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

extension StoredArray.Scalar {
  /// The type of vectors of such numbers, if there can be any.
  package var element: ElementType? {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .int8: .int8
    case .uint8: .uint8
    case .float64, .int32, .int64: nil
    }
  }

  /// The type of the numbers of vectors.
  package init(_ element: ElementType) {
    self =
      switch element {
      case .float32: .float32
      case .float16: .float16
      case .bfloat16: .bfloat16
      case .int8: .int8
      case .uint8: .uint8
      }
  }
}
