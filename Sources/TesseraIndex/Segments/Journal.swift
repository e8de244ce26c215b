internal import TesseraCompute
internal import TesseraHost

/// Tells one index file from every other: its length, and the checksum of its header, which has those of
/// all its arrays.
struct IndexIdentity: Hashable, Sendable {
  let byteCount: UInt64
  let checksum: UInt32

  init(byteCount: UInt64, checksum: UInt32) {
    self.byteCount = byteCount
    self.checksum = checksum
  }

  /// Reads `<bytes>-<eight hexadecimal digits>`.
  init?(_ text: String) {
    let parts = text.split(separator: "-")
    guard parts.count == 2, let bytes = UInt64(parts[0]), let sum = UInt32(parts[1], radix: 16)
    else { return nil }
    self.init(byteCount: bytes, checksum: sum)
  }

  var text: String {
    let digits = String(checksum, radix: 16)
    return "\(byteCount)-" + String(repeating: "0", count: 8 - digits.count) + digits
  }
}

/// One change of an index.
enum JournalRecord: Sendable {
  case add(Vectors, [Int64])
  case remove([Int64])
  /// Rows that take the places of those with the same ids.
  case update(Vectors, [Int64])

  var kind: UInt32 {
    switch self {
    case .add: 1
    case .remove: 2
    case .update: 3
    }
  }
}

/// What a journal file holds: a header, and the changes of one index file in the order they were made.
/// docs/files.md has the layout.
struct Journal: Sendable {
  static let version: UInt32 = 1
  static let magic: UInt64 = 0x4C4E_5255_4F4A_5354  // "TSJOURNL"
  static let headerBytes = 64
  static let recordMagic: UInt32 = 0x4452_4354  // "TCRD"
  static let recordHeaderBytes = 32

  /// What the rows of an index look like in its journal.
  struct Form: Hashable, Sendable {
    let identity: IndexIdentity
    let dimension: Int
    let element: ElementType
  }

  /// Bytes at the end that are no whole record: a write that was cut off, or damage.
  struct Tail: Sendable {
    let offset: Int
    let byteCount: Int
    /// True if a record is there in its full length, with another checksum than it should have: no write
    /// that was cut off by the end of a process leaves that.
    var isDamaged = false
  }

  /// The index file that the changes belong to; nil where the header was not written to its end.
  let form: Form?
  let records: [JournalRecord]
  /// Where each record begins.
  let places: [Int]
  /// Where the next record goes.
  let end: Int
  let tail: Tail?

  /// The name of the journal of an index: the same for all links to it.
  static func path(of index: String) -> String {
    "\(SystemFile.withoutLinks(index)).journal"
  }

  /// Reads which index file a journal belongs to; nil where its header was not written to its end.
  ///
  /// - Throws: As ``init(_:path:)``.
  static func form(_ memory: HostMemory, path: String) throws(TesseraError) -> Form? {
    try JournalReader(memory, path: path).form()
  }

  /// Reads what is there of a journal.
  ///
  /// - Throws: `.malformedFile` naming the place of what is damaged, `.unsupported` for a newer version.
  init(_ memory: HostMemory, path: String) throws(TesseraError) {
    let reader = JournalReader(memory, path: path)
    guard let form = try reader.form() else {
      self.form = nil
      (records, places, end) = ([], [], 0)
      tail = reader.count == 0 ? nil : Tail(offset: 0, byteCount: reader.count)
      return
    }
    self.form = form
    var records: [JournalRecord] = []
    var places: [Int] = []
    var offset = Self.headerBytes
    while let (record, next) = try reader.record(
      at: offset, number: UInt64(records.count + 1), form)
    {
      records.append(record)
      places.append(offset)
      offset = next
    }
    self.records = records
    self.places = places
    end = offset
    tail =
      offset == reader.count
      ? nil
      : Tail(
        offset: offset, byteCount: reader.count - offset,
        isDamaged: reader.hasFullLength(at: offset))
  }

  // MARK: Writing

  static func header(_ form: Form) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(magic)
    bytes.append(version)
    bytes.append(UInt32(headerBytes))
    bytes.append(form.identity.byteCount)
    bytes.append(form.identity.checksum)
    bytes.append(UInt32(form.dimension))
    bytes.append(UInt32(form.element.rawValue))
    bytes += [UInt8](repeating: 0, count: headerBytes - 4 - bytes.count)
    bytes.append(checksum(bytes))
    return bytes
  }

  /// The bytes of a record: its header with the ids, its rows where they lie, and what fills up eight bytes.
  static func bytes(
    of record: JournalRecord, number: UInt64
  ) -> (start: [UInt8], rows: Vectors?, padding: [UInt8]) {
    let (rows, ids): (Vectors?, [Int64]) =
      switch record {
      case .add(let rows, let ids), .update(let rows, let ids): (rows, ids)
      case .remove(let ids): (nil, ids)
      }
    var payload: [UInt8] = []
    payload.append(UInt64(ids.count))
    for id in ids { payload.append(UInt64(bitPattern: id)) }
    let rowBytes = rows?.byteCount ?? 0
    let padding = [UInt8](repeating: 0, count: (8 - rowBytes % 8) % 8)
    var sum = unsafe payload.withUnsafeBytes { unsafe Checksum.crc32($0) }
    if let rows { sum = unsafe Checksum.crc32(rows.storedBytes, after: sum) }
    sum = unsafe padding.withUnsafeBytes { unsafe Checksum.crc32($0, after: sum) }
    var start: [UInt8] = []
    start.append(recordMagic)
    start.append(record.kind)
    start.append(UInt64(payload.count + rowBytes + padding.count))
    start.append(number)
    start.append(sum)
    start.append(checksum(start))
    return (start + payload, rows, padding)
  }

  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    unsafe bytes.withUnsafeBytes { unsafe Checksum.crc32($0) }
  }
}

extension Vectors {
  /// The bytes of rows that lie one after the other. Valid while this value is alive.
  var storedBytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: baseAddress, count: count == 0 ? 0 : byteCount)
  }
}

extension [UInt8] {
  fileprivate mutating func append(_ value: some FixedWidthInteger) {
    unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
  }
}

/// Reads the bytes of a journal, whose every length is checked before it is used.
private struct JournalReader {
  private let memory: HostMemory
  private let path: String

  init(_ memory: HostMemory, path: String) {
    self.memory = memory
    self.path = path
  }

  var count: Int { unsafe memory.bytes.count }

  private func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
    _ offset: Int, _: Integer.Type
  ) -> Integer {
    unsafe Integer(
      littleEndian: memory.bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self))
  }

  private func checksum(_ range: Range<Int>) -> UInt32 {
    unsafe Checksum.crc32(UnsafeRawBufferPointer(rebasing: memory.bytes[range]))
  }

  private func malformed(_ problem: String, at offset: Int) -> TesseraError {
    TesseraError(.malformedFile, "\(path.printable): \(problem), at byte \(offset)")
  }

  /// Returns nil for a header that was not written to its end: nothing can have followed it.
  func form() throws(TesseraError) -> Journal.Form? {
    let size = Journal.headerBytes
    guard count >= size else { return nil }
    guard integer(size - 4, UInt32.self) == checksum(0..<size - 4),
      integer(0, UInt64.self) == Journal.magic
    else {
      if count == size { return nil }
      throw malformed("the header of the journal is damaged, or this is no journal", at: 0)
    }
    let version = integer(8, UInt32.self)
    guard version <= Journal.version else {
      throw TesseraError(
        .unsupported,
        "\(path.printable): is of version \(version), this program reads up to "
          + "\(Journal.version); use a newer one")
    }
    guard let element = ElementType(rawValue: integer(32, Int32.self)),
      case let dimension = integer(28, UInt32.self), dimension > 0, dimension < 1 << 31
    else { throw malformed("the header of the journal has no rows that there can be", at: 28) }
    return Journal.Form(
      identity: IndexIdentity(
        byteCount: integer(16, UInt64.self), checksum: integer(24, UInt32.self)),
      dimension: Int(dimension), element: element)
  }

  /// Tells whether a record's header is at `offset`, with a number from `number` on.
  private func isHeader(_ offset: Int, from number: UInt64) -> Bool {
    guard count - offset >= Journal.recordHeaderBytes,
      integer(offset, UInt32.self) == Journal.recordMagic,
      integer(offset + 28, UInt32.self) == checksum(offset..<offset + 28)
    else { return false }
    return integer(offset + 16, UInt64.self) >= number
  }

  /// Tells whether a record's header is at `offset`, and as many bytes behind it as it says.
  func hasFullLength(at offset: Int) -> Bool {
    isHeader(offset, from: 0)
      && integer(offset + 8, UInt64.self) <= UInt64(count - offset - Journal.recordHeaderBytes)
  }

  /// Returns a record and where the next begins; nil where there are no more whole ones.
  func record(
    at offset: Int, number: UInt64, _ form: Journal.Form
  ) throws(TesseraError) -> (JournalRecord, next: Int)? {
    guard offset < count else { return nil }
    let start = offset + Journal.recordHeaderBytes
    guard isHeader(offset, from: number) else {
      try requireEnd(offset, number)
      return nil
    }
    guard integer(offset + 16, UInt64.self) == number else {
      throw malformed(
        "record \(integer(offset + 16, UInt64.self)) stands where record \(number) should",
        at: offset)
    }
    let length = integer(offset + 8, UInt64.self)
    guard length <= UInt64(count - start) else {
      try requireEnd(offset, number)
      return nil
    }
    let range = start..<start + Int(length)
    guard integer(offset + 24, UInt32.self) == checksum(range) else {
      try requireEnd(offset, number)
      return nil
    }
    return (try content(integer(offset + 4, UInt32.self), range, number, form), range.upperBound)
  }

  /// Makes sure that no record follows one that is not whole: then it is not the end of a write that
  /// was cut off, and rows that were acknowledged are lost.
  private func requireEnd(_ offset: Int, _ number: UInt64) throws(TesseraError) {
    for place in stride(from: offset + 8, to: count, by: 8)
    where isHeader(place, from: number + 1) {
      throw malformed(
        "record \(number) is damaged, and record \(integer(place + 16, UInt64.self)) follows it at "
          + "byte \(place); put back a copy of the journal", at: offset)
    }
  }

  private func content(
    _ kind: UInt32, _ range: Range<Int>, _ number: UInt64, _ form: Journal.Form
  ) throws(TesseraError) -> JournalRecord {
    guard (1...3).contains(kind) else {
      throw TesseraError(
        .unsupported,
        "\(path.printable): record \(number) is of the kind \(kind), which this program does not "
          + "know; use a newer one")
    }
    let wrong = malformed("record \(number) is not as long as its rows", at: range.lowerBound)
    guard range.count >= 8, range.count % 8 == 0 else { throw wrong }
    let rows = integer(range.lowerBound, UInt64.self)
    guard rows <= UInt64((range.count - 8) / 8) else { throw wrong }
    let ids = (0..<Int(rows)).map { integer(range.lowerBound + 8 + 8 * $0, Int64.self) }
    let first = range.lowerBound + 8 + 8 * ids.count
    let (rowBytes, overflow) = ids.count.multipliedReportingOverflow(
      by: kind == 2 ? 0 : form.dimension * form.element.byteCount)
    guard !overflow, rowBytes <= range.upperBound - first,
      range.upperBound - first - rowBytes < 8
    else { throw wrong }
    if kind == 2 { return .remove(ids) }
    let vectors = try Vectors(
      memory, byteOffset: first, element: form.element, count: ids.count,
      dimension: form.dimension)
    return kind == 1 ? .add(vectors, ids) : .update(vectors, ids)
  }
}
