public import TesseraCompute

/// Search among coded vectors for the codes with the best scores: approximate as far as codes are,
/// and otherwise exact, the same bytes on every device.
///
/// Hits are what sorting ``Quantizer/scores(of:against:metric:on:)`` gives, ties by lower id. Scores
/// by tables (`PQ`, `OPQ`) need no score for every code; those of 4 bits (`PQ48x4`) are scanned by
/// shuffles of bytes, which rule out nearly all codes by a proven bound. Where scores are those of
/// decoded vectors, these are searched, some at a time, as any vectors are.
///
///     let search = try CodeSearch(codes, of: quantizer, metric: .squaredL2, on: device)
///     let hits = try search.nearest(queries, k: 10)
public struct CodeSearch: Sendable {
  /// The quantizer that made the codes.
  public let quantizer: any Quantizer
  /// The metric that queries and codes are compared by.
  public let metric: Metric
  private let device: any Device
  private let way: Way

  private enum Way: Sendable {
    case tables(CodewordTables, CodeSet)
    case decoded(Codes)
    case scores(Codes)
  }

  /// Cost: one pass over the codes.
  ///
  /// - Throws: `.invalidShape` for codes of another length than the quantizer's, and what the device
  ///   throws.
  public init(
    _ codes: Codes, of quantizer: any Quantizer, metric: Metric, on device: any Device
  ) throws(TesseraError) {
    try quantizer.requireOwn(codes)
    self.quantizer = quantizer
    self.metric = metric
    codeCount = codes.count
    self.device = device
    if let scored = quantizer as? any TableScored, scored.addsUp(metric),
      let numbers = try scored.packing.productCodes(codes)
    {
      way = .tables(scored.codewordTables, try device.prepare(numbers))
    } else {
      way = quantizer is any DecodedScored ? .decoded(codes) : .scores(codes)
    }
  }

  /// The number of codes.
  public let codeCount: Int

  /// Bytes kept for the search, on the device and on the host together.
  public var residentBytes: Int {
    switch way {
    case .tables(_, let set): set.residentBytes
    case .decoded(let codes), .scores(let codes): codes.bytes.count
    }
  }

  /// The `k` best codes for each query, best first, ids counted from 0; fewer codes give that many.
  ///
  /// - Complexity: O(queries * codes * parts) look-ups by tables; else what all scores take.
  /// - Throws: `.invalidShape` for queries of another dimension, `.invalidArgument` for a `k` below
  ///   1, `.nonFinite`, and what the device throws.
  public func nearest(_ queries: Vectors, k: Int) throws(TesseraError) -> Neighbors {
    try quantizer.requireQueries(queries)
    guard k >= 1 else {
      throw TesseraError(.invalidArgument, "nearest: k is \(k), it must be at least 1")
    }
    // Tables of 16 MB at a time: more is not faster, and new memory has to be cleared.
    let perQuery =
      switch way {
      case .tables(let tables, _): tables.perQuery
      case .decoded: quantizer.dimension
      case .scores: 1 << 14
      }
    let step = max(1, (1 << 22) / max(1, perQuery))
    var found = Neighbors.none(queryCount: 0, hitCount: min(k, codeCount))
    for start in stride(from: 0, to: queries.count, by: step) {
      found.append(try nearest(block: queries.rows(start..<min(start + step, queries.count)), k))
    }
    return found
  }

  private func nearest(block queries: Vectors, _ k: Int) throws(TesseraError) -> Neighbors {
    switch way {
    case .tables(let maker, let set):
      let tables = try maker.tables(of: queries, metric: metric, on: device)
      return try device.nearestCodes(
        device.upload(tables, rows: queries.count, columns: maker.perQuery), in: set,
        order: metric.order, k: k)
    case .decoded(let codes):
      // Decoded anew for every block of queries: what is kept are codes.
      var found = Neighbors.none(queryCount: queries.count)
      try quantizer.forEachDecoded(codes, numbers: 1 << 24, on: device) {
        decoded, range throws(TesseraError) in
        let set = try device.prepare(
          Vectors(decoded, dimension: quantizer.dimension), metric: metric,
          firstID: Int64(range.lowerBound))
        found = found.merged(
          with: try device.nearest(queries, in: set, k: k), k: k, order: metric.order)
      }
      return found
    case .scores(let codes):
      // Each block of codes is read once for all queries.
      let step = max(1, (1 << 22) / queries.count)
      var found = Neighbors.none(queryCount: queries.count)
      for start in stride(from: 0, to: codeCount, by: step) {
        let block = try codes.rows(start..<min(start + step, codeCount))
        let scores = try device.upload(
          quantizer.scores(of: queries, against: block, metric: metric, on: device),
          rows: queries.count, columns: block.count)
        found = found.merged(
          with: try device.bestColumns(of: scores, order: metric.order, k: k, firstID: start),
          k: k, order: metric.order)
      }
      return found
    }
  }
}

extension BitPacking {
  /// The codes as devices read them, those of other than 4 bits unpacked to bytes; nil for numbers
  /// of more than 8 bits.
  fileprivate func productCodes(_ codes: Codes) throws(TesseraError) -> ProductCodes? {
    guard bits <= 8 else { return nil }
    return bits == 4
      ? try ProductCodes(codes.bytes, parts: perRow, bits: 4)
      : try ProductCodes(byteNumbers(codes.bytes), parts: perRow, bits: 8)
  }

  /// One byte a number.
  ///
  /// - Precondition: at most 8 bits.
  func byteNumbers(_ bytes: [UInt8]) -> [UInt8] {
    bits == 8 ? bytes : unpack(bytes).map(UInt8.init(truncatingIfNeeded:))
  }
}
