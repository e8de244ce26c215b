public import TesseraCompute
package import TesseraHost

extension StoredArrayFile {
  /// Reads the file at `path`.
  ///
  /// The header's length and every tensor's place and size are checked against the file before
  /// anything is copied, and that no bytes belong to two tensors or none: what is copied is never
  /// more than the file has. Checksums are checked where the file has them.
  ///
  /// - Throws: `.inputNotFound`, `.inputOutput`, `.malformedFile` for bytes that are no such file or
  ///   whose checksum is another, `.unsupported` for numbers of a type Tessera does not have.
  public init(_ path: String) throws(TesseraError) {
    try self.init(MappedArrays(path))
  }

  /// Reads all arrays of a file.
  ///
  /// - Throws: As ``init(_:)``.
  package init(_ file: MappedArrays) throws(TesseraError) {
    var arrays: [String: StoredArray] = [:]
    for name in file.names { arrays[name] = try file.array(name) }
    self.init(arrays: arrays, metadata: file.metadata)
  }
}

/// A safetensors file that stays where it is: arrays are read where and when they are used.
package struct MappedArrays: Sendable {
  /// Where an array lies and what its numbers are.
  package struct Entry: Sendable {
    package let scalar: StoredArray.Scalar
    package let shape: [Int]
    let range: Range<Int>
    let checksum: String?
  }

  package let path: String
  /// The text about the arrays; without the checksums.
  package let metadata: [String: String]
  /// The checksum of the header, names and checksums of arrays and all; nil in files without one.
  package let headerChecksum: String?
  private let file: MappedFile
  private let entries: [String: Entry]

  /// Reads the header, and checks every array's place and size against the file.
  ///
  /// - Throws: As ``StoredArrayFile/init(_:)``, but for checksums, which nobody has looked at yet.
  package init(_ path: String) throws(TesseraError) {
    try self.init(MappedFile(path))
  }

  /// Reads the header of a file that was read already, as `init` of its path.
  package init(_ file: MappedFile) throws(TesseraError) {
    self.file = file
    path = file.path
    let (header, start) = try Self.header(of: file)
    guard case .object(var values) = header else {
      throw file.malformed("the safetensors header is not an object", at: 8)
    }
    var metadata = try Self.metadata(
      values.removeValue(forKey: StoredArrayFile.metadataKey), file)
    headerChecksum = metadata.removeValue(forKey: StoredArrayFile.headerChecksumKey)
    if let headerChecksum { try Self.verifyHeader(file, 8..<start, headerChecksum) }
    let byteCount = unsafe file.bytes.count - start
    var entries: [String: Entry] = [:]
    for (name, entry) in values.sorted(by: { $0.key < $1.key }) {
      let (scalar, shape, range) = try Self.place(name, entry, file, in: byteCount)
      guard StoredArray.byteCount(of: shape, scalar) == range.count else {
        let shown = shape.prefix(8).map(String.init).joined(separator: ", ")
        throw file.malformed(
          "tensor \"\(name.printable)\" of shape [\(shown)] has \(range.count) bytes",
          at: start + range.lowerBound)
      }
      entries[name] = Entry(
        scalar: scalar, shape: shape,
        range: range.lowerBound + start..<range.upperBound + start,
        checksum: metadata.removeValue(forKey: StoredArrayFile.checksumPrefix + name))
    }
    try Self.requireWithoutGaps(
      entries.values.map { $0.range.lowerBound - start..<$0.range.upperBound - start }, byteCount,
      file, start)
    self.entries = entries
    self.metadata = metadata
  }

  private static func verifyHeader(
    _ file: MappedFile, _ range: Range<Int>, _ expected: String
  ) throws(TesseraError) {
    var header = unsafe Array(file.bytes[range])
    if let place = StoredArrayFile.checksumPlace(header) {
      header.replaceSubrange(place, with: StoredArrayFile.blankChecksum.utf8)
    }
    let found = unsafe header.withUnsafeBytes(Checksum.text)
    guard found == expected else {
      throw file.malformed(
        "the header has the checksum \(found), not \(expected.printable)", at: range.lowerBound)
    }
  }

  /// The names of all arrays, in order.
  package var names: [String] { entries.keys.sorted() }

  package subscript(name: String) -> Entry? { entries[name] }

  /// Bytes of the file.
  package var byteCount: Int { unsafe file.bytes.count }

  /// Copies an array, whose checksum is compared first.
  ///
  /// - Throws: `.malformedFile` where there is no such array, or its checksum is another.
  package func array(_ name: String) throws(TesseraError) -> StoredArray {
    let entry = try entry(name)
    try verify(name)
    return try unsafe StoredArray(
      entry.scalar, shape: entry.shape, bytes: Array(file.bytes[entry.range]))
  }

  /// The rows of an array of two sides, where they lie in the file. Nothing is read; `verify` compares
  /// the checksum.
  ///
  /// - Throws: `.malformedFile` where there is no such array, or it holds no rows.
  package func vectors(_ name: String) throws(TesseraError) -> Vectors {
    let entry = try entry(name)
    guard entry.shape.count == 2, let element = entry.scalar.element else {
      throw file.malformed(
        "tensor \"\(name.printable)\" holds no rows of vectors", at: entry.range.lowerBound)
    }
    do throws(TesseraError) {
      return try Vectors(
        file.memory, byteOffset: entry.range.lowerBound, element: element, count: entry.shape[0],
        dimension: entry.shape[1])
    } catch {
      throw file.malformed(
        "tensor \"\(name.printable)\": \(error.message)", at: entry.range.lowerBound)
    }
  }

  /// Compares an array's checksum, if the file has one.
  ///
  /// - Throws: `.malformedFile`, naming the array, if it is another.
  package func verify(_ name: String) throws(TesseraError) {
    let entry = try entry(name)
    guard let expected = entry.checksum else { return }
    let found = unsafe Checksum.text(UnsafeRawBufferPointer(rebasing: file.bytes[entry.range]))
    guard found == expected else {
      throw file.malformed(
        "tensor \"\(name.printable)\" has the checksum \(found), not \(expected.printable)",
        at: entry.range.lowerBound)
    }
  }

  private func entry(_ name: String) throws(TesseraError) -> Entry {
    guard let entry = entries[name] else {
      throw file.malformed("has no tensor \"\(name.printable)\"", at: 8)
    }
    return entry
  }

  /// The longest header that the format's own reader takes.
  private static let longestHeader = 100_000_000

  private static func header(
    of file: MappedFile
  ) throws(TesseraError) -> (JSONValue, dataStart: Int) {
    guard let length = file.integer(at: 0, as: UInt64.self) else {
      throw unsafe file.malformed(
        "is truncated before the length of its header ends", at: file.bytes.count)
    }
    guard unsafe length <= UInt64(min(longestHeader, file.bytes.count - 8)) else {
      throw unsafe file.malformed(
        "is no safetensors file, or truncated: a header of \(length) bytes in a file of "
          + "\(file.bytes.count)", at: 0)
    }
    let range = 8..<8 + Int(length)
    do {
      let text = unsafe UnsafeRawBufferPointer(rebasing: file.bytes[range])
      return unsafe (try JSONValue(parsing: text), range.upperBound)
    } catch {
      throw file.malformed("the safetensors header has \(error.problem)", at: 8 + error.offset)
    }
  }

  private static func metadata(
    _ value: JSONValue?, _ file: MappedFile
  ) throws(TesseraError) -> [String: String] {
    guard let value else { return [:] }
    guard case .object(let entries) = value else {
      throw file.malformed("the metadata is not an object of texts", at: 8)
    }
    var metadata: [String: String] = [:]
    for (name, value) in entries {
      guard case .string(let text) = value else {
        throw file.malformed("the metadata \"\(name.printable)\" is not a text", at: 8)
      }
      metadata[name] = text
    }
    return metadata
  }

  /// Returns what the header says of one tensor, its place inside `byteCount` bytes.
  private static func place(
    _ name: String, _ entry: JSONValue, _ file: MappedFile, in byteCount: Int
  ) throws(TesseraError) -> (StoredArray.Scalar, shape: [Int], range: Range<Int>) {
    let title = "tensor \"\(name.printable)\""
    guard case .object(let fields) = entry, fields.count == 3,
      case .string(let type)? = fields["dtype"], let shape = fields["shape"]?.counts,
      let ends = fields["data_offsets"]?.counts, ends.count == 2
    else {
      throw file.malformed("\(title) is not described by dtype, shape and data_offsets", at: 8)
    }
    guard let scalar = StoredArray.Scalar.allCases.first(where: { $0.safetensorsName == type })
    else {
      throw TesseraError(
        .unsupported,
        "\(file.path.printable): \(title) holds \(type.printable) numbers; convert them to F32")
    }
    guard ends[0] <= ends[1], ends[1] <= byteCount else {
      throw file.malformed(
        "\(title) lies at \(ends[0]) to \(ends[1]) of \(byteCount) bytes", at: 8)
    }
    return (scalar, shape, ends[0]..<ends[1])
  }

  /// Tensors follow each other and fill the file: no bytes are hidden, none are used twice.
  private static func requireWithoutGaps(
    _ ranges: [Range<Int>], _ byteCount: Int, _ file: MappedFile, _ start: Int
  ) throws(TesseraError) {
    var end = 0
    for range in ranges.sorted(by: {
      ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound)
    }) {
      guard range.lowerBound == end else {
        throw file.malformed(
          "tensors overlap or leave a gap", at: start + min(end, range.lowerBound))
      }
      end = range.upperBound
    }
    guard end == byteCount else {
      throw file.malformed("\(byteCount - end) bytes follow the last tensor", at: start + end)
    }
  }
}

extension JSONValue {
  /// An array of whole numbers of at least 0, else nil.
  fileprivate var counts: [Int]? {
    guard case .array(let values) = self else { return nil }
    var counts: [Int] = []
    for value in values {
      guard case .integer(let count) = value, count >= 0 else { return nil }
      counts.append(count)
    }
    return counts
  }
}
