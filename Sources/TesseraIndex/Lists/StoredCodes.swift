internal import TesseraCompute
internal import TesseraFormats
internal import TesseraHost
internal import TesseraQuantization

/// The codes of an index where they lie: in memory, or in a mapped file, whose parts are read when they
/// are used.
enum StoredCodes: Sendable {
  case memory(Codes)
  /// Bytes, a code in each row.
  case rows(Vectors)

  /// The number of codes.
  var count: Int {
    switch self {
    case .memory(let codes): codes.count
    case .rows(let rows): rows.count
    }
  }

  /// Bytes of one code.
  var byteCount: Int {
    switch self {
    case .memory(let codes): codes.byteCount
    case .rows(let rows): rows.dimension
    }
  }

  /// Returns some of the codes.
  func rows(_ range: Range<Int>) throws(TesseraError) -> Codes {
    switch self {
    case .memory(let codes): try codes.rows(range)
    case .rows(let rows): try Codes(rows.rows(range).packedBytes(), byteCount: rows.dimension)
    }
  }

  /// The codes as rows of bytes.
  func vectors() throws(TesseraError) -> Vectors {
    switch self {
    case .memory(let codes):
      try Vectors(
        HostMemory(copying: codes.bytes), element: .uint8, count: codes.count,
        dimension: codes.byteCount)
    case .rows(let rows): rows
    }
  }

  /// The codes on their way into a file.
  func written(_ name: String) -> WrittenArray {
    switch self {
    case .memory(let codes):
      WrittenArray(name, .uint8, shape: [codes.count, codes.byteCount], .bytes(codes.bytes))
    case .rows(let rows): WrittenArray(name, rows)
    }
  }
}
