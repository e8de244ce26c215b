public import TesseraCompute
import TesseraHost

/// Search among coded vectors for the codes with the best scores: approximate as far as codes are,
/// and otherwise exact, the same bytes on every device.
///
/// Hits are what sorting ``Quantizer/scores(of:against:metric:on:)`` gives, ties by lower id.
/// Scores by tables (`PQ`, `OPQ`) need no score for every code; those of 4 bits (`PQ48x4`) are
/// scanned by shuffles of bytes, which rule out nearly all codes by a proven bound. Where scores
/// are those of decoded vectors, as all are under cosine but RaBitQ's, these are searched, some at
/// a time, as any vectors are.
///
///     let search = try CodeSearch(codes, of: quantizer, metric: .squaredL2, on: device)
///     let hits = try search.nearest(queries, k: 10)
public struct CodeSearch: Sendable {
  /// The quantizer that made the codes.
  public let quantizer: any Quantizer
  /// The metric by which queries and codes are compared.
  public let metric: Metric
  private let codes: Codes
  private let device: any Device
  private let way: Way

  private enum Way: Sendable {
    case tables(CodewordTables, CodeSet)
    case decoded
    case scores
  }

  /// Makes codes ready to be searched. Cost: one pass over the codes.
  ///
  /// - Throws: `.invalidShape` for codes of another length than the quantizer's, and what the
  ///   device throws.
  public init(
    _ codes: Codes, of quantizer: any Quantizer, metric: Metric, on device: any Device
  ) throws(TesseraError) {
    try quantizer.requireOwn(codes)
    self.quantizer = quantizer
    self.metric = metric
    self.codes = codes
    self.device = device
    if let scored = quantizer as? any TableScored, scored.addsUp(metric), scored.packing.bits <= 8 {
      way = .tables(
        scored.codewordTables, try device.prepare(scored.packing.productCodes(codes)))
    } else {
      let isDecoded =
        quantizer is any DecodedScored || metric == .cosine && quantizer is any TableScored
      way = isDecoded ? .decoded : .scores
    }
  }

  /// The number of codes.
  public var codeCount: Int { codes.count }

  /// Bytes kept for the search, on the device and on the host together.
  public var residentBytes: Int {
    switch way {
    case .tables(_, let set): set.residentBytes + codes.bytes.count
    case .decoded, .scores: codes.bytes.count
    }
  }

  /// Finds the `k` best codes for each query of those that `selector` selects (nil: of all), best
  /// first, ids counted from 0; fewer codes give that many.
  ///
  /// - Parameters:
  ///   - selector: Which codes to search. The selected codes are gathered once a call, so ask many
  ///     queries at once.
  ///   - control: Hears how many queries are done, ends the search, and says who takes over if the
  ///     device fails.
  /// - Complexity: O(queries * codes * subspaces) look-ups by tables; else what all scores take.
  /// - Throws: `.invalidShape` for queries of another dimension, `.invalidArgument` for a `k` below
  ///   1, `.nonFinite` for queries that are not finite or whose scores would not be, `.cancelled`,
  ///   `.deadlineExceeded`, and what the device throws.
  public func nearest(
    _ queries: Vectors, k: Int, only selector: IDSelector? = nil,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> Neighbors {
    try quantizer.requireQueries(queries)
    guard k >= 1 else {
      throw TesseraError(.invalidArgument, "nearest: k is \(k), it must be at least 1")
    }
    var isPrepared = true
    return try control.steer(on: device) { device throws(TesseraError) in
      // A device that failed, and another one, have nothing of what was prepared.
      let whole =
        isPrepared ? self : try CodeSearch(codes, of: quantizer, metric: metric, on: device)
      isPrepared = false
      guard let selector else { return try whole.found(queries, k, control) }
      let (some, ids) = try codes.selected(by: selector)
      guard ids.count < codes.count else { return try whole.found(queries, k, control) }
      let hits = try CodeSearch(some, of: quantizer, metric: metric, on: device)
        .found(queries, k, control)
      // Ids rise with rows, so ties stay in order.
      return Neighbors(
        queryCount: hits.queryCount, hitCount: hits.hitCount, ids: hits.ids.map { ids[Int($0)] },
        scores: hits.scores, statistics: hits.statistics)
    }
  }

  /// Searches all codes, some queries at a time.
  private func found(
    _ queries: Vectors, _ k: Int, _ control: RunControl
  ) throws(TesseraError) -> Neighbors {
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
      try StopSignal.check()
      let range = start..<min(start + step, queries.count)
      found.append(
        try nearest(
          block: queries.rows(range), k, firstRow: start,
          control.stage(
            "",
            Double(start) / Double(queries.count)...Double(range.upperBound)
              / Double(queries.count))))
    }
    return found
  }

  private func nearest(
    block queries: Vectors, _ k: Int, firstRow: Int, _ control: RunControl
  ) throws(TesseraError) -> Neighbors {
    switch way {
    case .tables(let maker, let set):
      let tables = try maker.tables(
        of: queries, metric: metric, on: device, firstRow: firstRow)
      let found = try device.nearestCodes(
        device.upload(tables, rows: queries.count, columns: maker.perQuery), in: set,
        order: metric.order, k: k)
      try control.report("search", done: 1)
      return found
    case .decoded:
      // Decoded anew for every block of queries: what is kept are codes.
      var found = Neighbors.none(queryCount: queries.count)
      try quantizer.forEachDecoded(codes, numbers: 1 << 24, on: device) {
        decoded, range throws(TesseraError) in
        let set = try device.prepare(
          Vectors(decoded, dimension: quantizer.dimension), metric: metric,
          firstID: Int64(range.lowerBound))
        found = found.merged(
          with: try device.nearest(queries, in: set, k: k), k: k, order: metric.order)
        try control.report("search", done: Double(range.upperBound) / Double(codeCount))
      }
      return found
    case .scores:
      // Each block of codes is read once for all queries.
      let step = max(1, (1 << 22) / queries.count)
      var found = Neighbors.none(queryCount: queries.count)
      for start in stride(from: 0, to: codeCount, by: step) {
        try StopSignal.check()
        let range = start..<min(start + step, codeCount)
        let block = try codes.rows(range)
        let scores = try device.upload(
          quantizer.scores(of: queries, against: block, metric: metric, on: device),
          rows: queries.count, columns: block.count)
        found = found.merged(
          with: try device.bestColumns(of: scores, order: metric.order, k: k, firstID: start),
          k: k, order: metric.order)
        try control.report("search", done: Double(range.upperBound) / Double(codeCount))
      }
      return found
    }
  }
}

extension Codes {
  /// Returns the codes that `selector` selects, and their ids in rising order.
  fileprivate func selected(
    by selector: IDSelector
  ) throws(TesseraError) -> (codes: Codes, ids: [Int64]) {
    var ids: [Int64] = []
    var selected: [UInt8] = []
    let span = selector.span.clamped(to: 0..<Int64(count))
    for start in stride(from: Int(span.lowerBound), to: Int(span.upperBound), by: 32) {
      var mask = selector.mask32(from: Int64(start))
      while mask != 0 {
        let row = start + mask.trailingZeroBitCount
        mask &= mask - 1
        guard row < count else { break }
        ids.append(Int64(row))
        selected += bytes[row * byteCount..<(row + 1) * byteCount]
      }
    }
    return (try Codes(selected, byteCount: byteCount), ids)
  }
}

extension BitPacking {
  /// Returns the codes as devices read them, those of other than 4 bits unpacked to bytes.
  ///
  /// - Precondition: at most 8 bits.
  fileprivate func productCodes(_ codes: Codes) throws(TesseraError) -> ProductCodes {
    bits == 4
      ? try ProductCodes(codes.bytes, subspaceCount: perRow, bits: 4)
      : try ProductCodes(byteNumbers(codes.bytes), subspaceCount: perRow, bits: 8)
  }

  /// One byte a number.
  ///
  /// - Precondition: at most 8 bits.
  func byteNumbers(_ bytes: [UInt8]) -> [UInt8] {
    bits == 8 ? bytes : unpack(bytes).map(UInt8.init(truncatingIfNeeded:))
  }
}
