public import TesseraCompute
internal import TesseraHost

// The bytes of a partial result, numbers little-endian, each of 8 bytes but for those of rows:
//
//     "TKMEANS1", CRC-32 of all that follows
//     clusters, dimension, metric (0: l2, 1: ip, 2: cosine), rows of a chunk, checksum of the centroids
//     runs of chunks, far rows
//     of each run of chunks: first chunk, chunks, objective,
//       rows of each cluster, mass of each cluster, sums (clusters x dimension)
//     of each far row: its number, its distance, its values (dimension x Float32)

extension KMeansPartial {
  private static let mark: [UInt8] = Array("TKMEANS1".utf8)
  private static let metrics: [Metric] = [.squaredL2, .innerProduct, .cosine]

  /// The value as bytes, to be sent, stored and given to ``init(bytes:)``. Equal values have equal bytes.
  public var bytes: [UInt8] {
    var writer = ByteWriter()
    let number = Self.metrics.firstIndex(of: metric) ?? 0
    for number in [
      clusterCount, dimension, number, chunkRows, Int(centroids), tree.blocks.count, farthest.count,
    ] { writer.append(number) }
    for block in tree.blocks {
      writer.append(block.first)
      writer.append(block.count)
      writer.append(block.sum.objective)
      for count in block.sum.counts { writer.append(count) }
      for mass in block.sum.sums.masses { writer.append(mass) }
      for sum in block.sum.sums.sums { writer.append(sum) }
    }
    for row in farthest {
      writer.append(row.row)
      writer.append(row.distance)
      for value in row.values { writer.append(value) }
    }
    return Self.mark + writer.checked
  }

  /// Reads the value that ``bytes`` has written.
  ///
  /// - Throws: `.invalidArgument` for bytes that are no partial result, or damaged.
  public init(bytes: [UInt8]) throws(TesseraError) {
    guard bytes.starts(with: Self.mark) else { throw Self.damaged("they do not begin as one") }
    var reader = try ByteReader(checked: bytes[Self.mark.count...])
    let (clusterCount, dimension) = try (reader.count(), reader.count())
    let metric = try reader.count()
    let chunkRows = try reader.count()
    let centroids = try reader.count()
    let (blockCount, farCount) = try (reader.count(), reader.count())
    guard clusterCount >= 1, dimension >= 1, chunkRows >= 1, centroids <= Int(UInt32.max),
      Self.metrics.indices.contains(metric), blockCount >= 1, farCount <= clusterCount
    else { throw Self.damaged("their numbers mean nothing") }
    self.init(
      clusterCount: clusterCount, dimension: dimension, metric: Self.metrics[metric],
      chunkRows: chunkRows, centroids: UInt32(centroids))
    var blocks: [ChunkTree<ClusterStatistics>.Block] = []
    for _ in 0..<blockCount { blocks.append(try block(&reader)) }
    var far: [FarRow] = []
    for _ in 0..<farCount { far.append(try farRow(&reader)) }
    guard reader.isAtEnd else { throw Self.damaged("something follows them") }
    do throws(TesseraError) {
      for (place, block) in blocks.enumerated() {
        try insert(block, farthest: place == 0 ? far : [])
      }
    } catch { throw Self.damaged(error.message) }
    guard tree.blocks == blocks, farthest == far else {
      throw Self.damaged("they are not in the order in which they were written")
    }
  }

  private func block(
    _ reader: inout ByteReader
  ) throws(TesseraError) -> ChunkTree<ClusterStatistics>.Block {
    let (first, count) = try (reader.count(), reader.count())
    let objective = try reader.double()
    let counts = try reader.counts(clusterCount)
    let masses = try reader.doubles(clusterCount)
    let sums = try reader.doubles(clusterCount, by: dimension)
    guard count > 0, count & (count - 1) == 0, first % count == 0,
      first <= .max / 2 / chunkRows - count, objective >= 0,
      masses.allSatisfy({ $0 >= 0 && $0.isFinite }), sums.allSatisfy(\.isFinite)
    else { throw Self.damaged("a run of chunks means nothing") }
    var rows = 0
    for own in counts {
      let (sum, overflow) = rows.addingReportingOverflow(own)
      guard !overflow else { throw Self.damaged("a run of chunks has too many rows") }
      rows = sum
    }
    guard rows > (count - 1) * chunkRows, rows <= count * chunkRows else {
      throw Self.damaged("a run of chunks has other numbers of rows than it should")
    }
    return .init(
      first: first, count: count,
      ClusterStatistics(
        sums: ClusterTotals(sums: sums, masses: masses), counts: counts, objective: objective))
  }

  private func farRow(_ reader: inout ByteReader) throws(TesseraError) -> FarRow {
    let row = FarRow(
      row: try reader.count(), distance: try reader.double(), values: try reader.floats(dimension))
    guard row.distance > 0, row.values.allSatisfy(\.isFinite) else {
      throw Self.damaged("a far row means nothing")
    }
    return row
  }

  fileprivate static func damaged(_ why: String) -> TesseraError {
    TesseraError(
      .invalidArgument, "k-means: the bytes are no partial result: \(why); send them as they were")
  }
}

/// Writes numbers one after the other.
private struct ByteWriter {
  private var bytes: [UInt8] = []

  mutating func append(_ number: Int) { append(bits: UInt64(bitPattern: Int64(number))) }
  mutating func append(_ number: Double) { append(bits: number.bitPattern) }
  mutating func append(_ number: Float) { append(bits: number.bitPattern) }

  private mutating func append(bits: some FixedWidthInteger) {
    withUnsafeBytes(of: bits.littleEndian) { bytes += $0 }
  }

  /// The bytes after their checksum.
  var checked: [UInt8] {
    var all = ByteWriter()
    all.append(Int(bytes.withUnsafeBytes { Checksum.crc32($0) }))
    return all.bytes + bytes
  }
}

/// Reads numbers one after the other, and never beyond the end.
private struct ByteReader {
  private let bytes: ArraySlice<UInt8>
  private var place: Int

  /// Takes bytes that follow their checksum.
  init(checked bytes: ArraySlice<UInt8>) throws(TesseraError) {
    self.bytes = bytes
    place = bytes.startIndex
    let expected = try count()
    guard bytes[place...].withUnsafeBytes({ Int(Checksum.crc32($0)) }) == expected else {
      throw KMeansPartial.damaged("their checksum is another")
    }
  }

  var isAtEnd: Bool { place == bytes.endIndex }

  /// Reads a number that is not negative.
  mutating func count() throws(TesseraError) -> Int {
    let number = Int64(bitPattern: try bits(UInt64.self))
    guard number >= 0 else { throw KMeansPartial.damaged("a number is negative") }
    return Int(number)
  }

  mutating func double() throws(TesseraError) -> Double {
    Double(bitPattern: try bits(UInt64.self))
  }

  mutating func counts(_ count: Int) throws(TesseraError) -> [Int] {
    try require(count, by: 1, of: 8)
    var numbers: [Int] = []
    for _ in 0..<count { numbers.append(try self.count()) }
    return numbers
  }

  mutating func doubles(_ count: Int, by width: Int = 1) throws(TesseraError) -> [Double] {
    try require(count, by: width, of: 8)
    var numbers: [Double] = []
    numbers.reserveCapacity(count * width)
    for _ in 0..<count * width { numbers.append(try double()) }
    return numbers
  }

  mutating func floats(_ count: Int) throws(TesseraError) -> [Float] {
    try require(count, by: 1, of: 4)
    var numbers: [Float] = []
    for _ in 0..<count { numbers.append(Float(bitPattern: try bits(UInt32.self))) }
    return numbers
  }

  /// Makes sure that so many numbers are there before room is made for them.
  private func require(_ count: Int, by width: Int, of size: Int) throws(TesseraError) {
    let (numbers, overflow) = count.multipliedReportingOverflow(by: width)
    guard !overflow, numbers <= (bytes.endIndex - place) / size else {
      throw KMeansPartial.damaged("they end too early")
    }
  }

  private mutating func bits<Bits: FixedWidthInteger>(
    _: Bits.Type
  ) throws(TesseraError) -> Bits {
    let size = MemoryLayout<Bits>.size
    guard bytes.endIndex - place >= size else { throw KMeansPartial.damaged("they end too early") }
    defer { place += size }
    return bytes[place..<place + size].withUnsafeBytes {
      Bits(littleEndian: $0.loadUnaligned(as: Bits.self))
    }
  }
}
