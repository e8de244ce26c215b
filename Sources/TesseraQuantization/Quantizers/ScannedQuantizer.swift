package import TesseraCompute
import TesseraHost

/// A quantizer whose scores are sums of table entries, one for each number of a code, times a scale and
/// plus an offset of the code and a term of the query (``CodeQueries``): so its codes can be scanned.
package protocol ScannedQuantizer: Quantizer {
  /// True if its numbers are few enough for tables.
  var canScan: Bool { get }

  /// Makes codes of differences from the centroids of lists, or, without lists, of vectors.
  ///
  /// - Throws: As ``Quantizer/encode(_:on:control:)``.
  func encode(
    _ vectors: Vectors, around centroids: RowCentroids?, on device: any Device,
    control: RunControl
  ) throws(TesseraError) -> Codes

  /// The quantizer for codes of differences from the centroids of lists.
  func inLists() -> Self

  /// Returns codes as devices scan them under a metric.
  ///
  /// - Parameter centroids: Where codes are of differences from the centroids of lists, those; nil where
  ///   codes are of vectors. Cosines are then those of vectors of unit length.
  /// - Throws: `.invalidArgument` for a code that no vector has.
  func scanCodes(
    _ codes: Codes, metric: Metric, around centroids: ListedCentroids?
  ) throws(TesseraError) -> ProductCodes

  /// Entries of a query's tables.
  var scanEntries: Int { get }

  /// Returns what scans need of queries.
  ///
  /// - Parameters:
  ///   - aroundCentroids: True where codes are of differences from centroids.
  ///   - firstRow: The number of the first query, for messages.
  /// - Throws: `.nonFinite` for a query so far away that its scores may be beyond Float32.
  func scanQueries(
    _ queries: Vectors, metric: Metric, aroundCentroids: Bool, on device: any Device, firstRow: Int
  ) throws(TesseraError) -> ScanQueries

  /// What is added to a list's centroid to get the point that its codes are relative to; nil for
  /// nothing.
  var scanCenter: [Float]? { get }
}

/// Centroids of lists, and the lists that codes are in.
package struct ListedCentroids: Sendable {
  package let lists: RowLists
  package let centroids: Vectors

  package init(_ lists: RowLists, _ centroids: Vectors) {
    self.lists = lists
    self.centroids = centroids
  }
}

/// Which centroid each of some rows is relative to.
package struct RowCentroids: Sendable {
  private let centroids: Vectors
  private let lists: [Int32]

  /// - Parameter lists: The list of each row.
  package init(_ centroids: Vectors, lists: [Int32]) {
    self.centroids = centroids
    self.lists = lists
  }

  func row(_ row: Int) -> [Float] { centroids.row(Int(lists[row])) }
}

/// What a scan needs of queries, on the host.
package struct ScanQueries: Sendable {
  /// Tables of one query after the other.
  package let tables: [Float]
  /// What offsets are multiplied by, one number for each query; nil for 1.
  package let offsetWeights: [Float]?
  /// What is added to all scores of each query; nil adds nothing. Codes around centroids have terms of
  /// their lists instead.
  package let terms: [Float]?

  init(_ tables: [Float], offsetWeights: [Float]? = nil, terms: [Float]? = nil) {
    self.tables = tables
    self.offsetWeights = offsetWeights
    self.terms = terms
  }

  /// Brings them to a device.
  package func queries(
    _ count: Int, on device: any Device
  ) throws(TesseraError) -> CodeQueries {
    try CodeQueries(
      device.upload(tables, rows: count, columns: tables.count / max(1, count)),
      offsetWeights: offsetWeights)
  }

  /// Says that every query looks at the only list, with its term; nil where there are no terms.
  package var probes: Probes? {
    terms.map { terms in
      Probes(
        checked: Array(0...terms.count), lists: [Int32](repeating: 0, count: terms.count),
        terms: terms)
    }
  }
}

extension ScannedQuantizer {
  package func encode(
    _ vectors: Vectors, around centroids: RowCentroids?, on device: any Device,
    control: RunControl
  ) throws(TesseraError) -> Codes { try encode(vectors, on: device, control: control) }

  package func inLists() -> Self { self }

  /// Returns the score of every code with every query, by tables where numbers are few enough for them,
  /// else of what the codes stand for.
  func tableScores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try requireQueries(queries)
    try requireOwn(codes)
    return canScan
      ? try scannedScores(of: queries, against: codes, metric: metric, on: device)
      : try decodedScores(of: queries, against: codes, metric: metric, on: device)
  }

  /// Returns the score of every code with every query: the same numbers that scans find.
  func scannedScores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    let scanned = try scanCodes(codes, metric: metric, around: nil)
    let matrix = try device.upload(
      scanned.byteNumbers, rows: codes.count, columns: scanned.subspaceCount)
    var scores: [Float] = []
    scores.reserveCapacity(queries.count * codes.count)
    let blockRows = max(1, (16 << 20) / max(1, codes.count + scanEntries))
    for start in stride(from: 0, to: queries.count, by: blockRows) {
      let block = queries.rows(start..<min(start + blockRows, queries.count))
      let own = try scanQueries(
        block, metric: metric, aroundCentroids: false, on: device, firstRow: start)
      let sums = try device.allocate(Float.self, rows: block.count, columns: codes.count)
      try device.lookupScores(own.queries(block.count, on: device).tables, matrix, into: sums)
      var found = try device.download(sums)
      try device.hostWorkers.updateEachRow(of: &found, width: codes.count) { query, scores in
        for code in scores.indices {
          if let scales = scanned.scales { scores[code] *= scales[code] }
          if let offsets = scanned.offsets {
            scores[code] += (own.offsetWeights?[query] ?? 1) * offsets[code]
          }
          if let terms = own.terms { scores[code] += terms[query] }
          scores[code] += 0
        }
      }
      scores += found
    }
    return scores
  }
}

extension ProductCodes {
  /// One byte a number.
  var byteNumbers: [UInt8] {
    bits == 8
      ? bytes
      : BitPacking(bits: 4, perRow: subspaceCount).unpack(bytes).map {
        UInt8(truncatingIfNeeded: $0)
      }
  }
}
