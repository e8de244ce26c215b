internal import TesseraCompute
internal import TesseraHost

/// Writes the fields of a FAISS file one after the other.
struct FAISSSink: ~Copyable {
  private let file: AtomicFile
  /// Fields that are not in the file yet: many of them go there together.
  private var pending: [UInt8] = []
  private static let pendingLimit = 1 << 16

  init(_ file: AtomicFile) { self.file = file }

  /// Writes what is pending; the last call.
  consuming func finish() throws(TesseraError) { try flush() }

  private mutating func flush() throws(TesseraError) {
    try unsafe file.append(pending.span.bytes)
    pending.removeAll(keepingCapacity: true)
  }

  // MARK: Single fields

  mutating func integer<Number: FixedWidthInteger>(_ value: Number) throws(TesseraError) {
    var rest = value
    for _ in 0..<Number.bitWidth / 8 {
      pending.append(UInt8(truncatingIfNeeded: rest))
      rest = Number.bitWidth > 8 ? rest >> 8 : 0
    }
    if pending.count > Self.pendingLimit { try flush() }
  }

  /// Writes a whole number of 64 bits.
  mutating func number(_ value: Int) throws(TesseraError) { try integer(UInt64(value)) }

  mutating func float(_ value: Float) throws(TesseraError) { try integer(value.bitPattern) }

  mutating func flag(_ value: Bool) throws(TesseraError) { try integer(UInt8(value ? 1 : 0)) }

  /// Writes four characters.
  mutating func name(_ value: String) throws(TesseraError) {
    for byte in value.utf8 { try integer(byte) }
  }

  // MARK: Many values

  mutating func floats(_ values: [Float]) throws(TesseraError) {
    try number(values.count)
    for value in values { try float(value) }
  }

  mutating func integers(
    _ values: some Collection<Int64>, counted: Bool = true
  ) throws(TesseraError) {
    if counted { try number(values.count) }
    for value in values { try integer(value) }
  }

  /// Writes the bytes of rows, which lie one after the other.
  mutating func bytes(_ rows: Vectors) throws(TesseraError) {
    try flush()
    guard rows.count > 0, let start = unsafe rows.baseAddress else { return }
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: rows.byteCount)
    try unsafe file.append(bytes.bytes)
  }

  /// Writes rows of any numbers as Float32, 4 MB at a time.
  mutating func float32(_ rows: Vectors) throws(TesseraError) {
    let isPacked = rows.rowStride == 4 * rows.dimension
    if rows.element == .float32, isPacked { return try bytes(rows) }
    try flush()
    let step = max(1, (1 << 20) / rows.dimension)
    for first in stride(from: 0, to: rows.count, by: step) {
      let values = rows.rows(first..<min(first + step, rows.count)).widened()
      try unsafe file.append(values.span.bytes)
    }
  }
}
