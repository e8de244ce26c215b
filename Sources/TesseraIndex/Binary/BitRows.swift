internal import TesseraCompute
internal import TesseraHost

/// Rows of bits, eight in a byte.
///
/// To devices they are codes of four bits a number, which are scanned (``BitQueries``); to the lists of an
/// index they are rows of numbers 0 and 1, whose squared distance is the number of bits that differ.
struct BitRows: Sendable {
  /// The bytes.
  let vectors: Vectors
  let metric: BitMetric

  /// - Throws: `.invalidArgument` unless rows are bytes, `.unsupported` for rows too long for Jaccard
  ///   distances.
  init(_ vectors: Vectors, _ metric: BitMetric) throws(TesseraError) {
    try Self.requireBytes(vectors, "rows")
    guard 8 * vectors.dimension <= 1 << 24 else {
      throw TesseraError(
        .unsupported,
        "hamming: rows have \(8 * vectors.dimension) bits, at most 2^24 can be counted")
    }
    guard metric != .jaccard || 8 * vectors.dimension <= BitMetric.longestJaccard else {
      throw TesseraError(
        .unsupported,
        "jaccard: rows have \(8 * vectors.dimension) bits, at most \(BitMetric.longestJaccard) can be "
          + "compared; hamming has no such limit")
    }
    self.vectors = vectors
    self.metric = metric
  }

  /// Refuses vectors that are not of bytes.
  static func requireBytes(_ vectors: Vectors, _ name: String) throws(TesseraError) {
    guard vectors.element == .uint8 else {
      throw TesseraError(
        .invalidArgument,
        "bits: \(name) are of type \(vectors.element), expected uint8, eight bits in each; in NumPy, "
          + "packbits makes them")
    }
  }

  /// Returns some rows as codes that are scanned.
  func scanCodes(_ range: Range<Int>) throws(TesseraError) -> ProductCodes {
    let bytes = vectors.rows(range).packedBytes()
    let width = vectors.dimension
    return try ProductCodes(
      bytes, subspaceCount: 2 * width, bits: 4,
      offsets: metric == .hamming ? nil : bytes.bitCounts(rowLength: width).map { Float($0) })
  }

  /// The bytes of one row.
  subscript(row: Int32) -> [UInt8] { vectors.rows(Int(row)..<Int(row) + 1).packedBytes() }
}

extension Vectors {
  /// A copy of the bytes of all rows, one after the other.
  func packedBytes() -> [UInt8] {
    if rowStride == dimension * element.byteCount { return bytes }
    return (0..<count).flatMap { rows($0..<$0 + 1).bytes }
  }

  /// Rows of bits as rows of numbers 0 and 1, the lowest bit of each byte first.
  func expandedBits(within memoryLimit: Int? = nil) throws(TesseraError) -> Vectors {
    let expanded = try CollectedRows(
      .uint8, count: count, dimension: 8 * dimension, within: memoryLimit)
    for block in blocks(of: count, numbers: 1 << 18) {
      var numbers: [UInt8] = []
      numbers.reserveCapacity(8 * block.count * dimension)
      for byte in rows(block).packedBytes() {
        for bit in 0..<8 { numbers.append(byte >> UInt8(bit) & 1) }
      }
      try expanded.append(
        Vectors(
          HostMemory(copying: numbers), element: .uint8, count: block.count,
          dimension: 8 * dimension))
    }
    return try expanded.rows()
  }

  /// Rows of numbers 0 and 1 as rows of bits.
  func packedBits() throws(TesseraError) -> Vectors {
    let numbers = packedBytes()
    let bytes = stride(from: 0, to: numbers.count, by: 8).map { start in
      (0..<8).reduce(UInt8(0)) { $0 | numbers[start + $1] << UInt8($1) }
    }
    return try Vectors(
      HostMemory(copying: bytes), element: .uint8, count: count, dimension: dimension / 8)
  }

  /// Rows of which a number is 1 where it was above a half, else 0.
  func binarized() throws(TesseraError) -> Vectors {
    try Vectors(
      HostMemory(copying: widened().map { UInt8($0 > 0.5 ? 1 : 0) }), element: .uint8, count: count,
      dimension: dimension)
  }
}

extension [UInt8] {
  /// The number of bits that are set in each row.
  func bitCounts(rowLength: Int) -> [Int] {
    stride(from: 0, to: count, by: rowLength).map { start in
      self[start..<start + rowLength].reduce(0) { $0 + $1.nonzeroBitCount }
    }
  }
}
