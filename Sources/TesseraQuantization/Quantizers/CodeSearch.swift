public import TesseraCompute
import TesseraHost

/// Search among coded vectors for the codes with the best scores: approximate as far as codes are,
/// and otherwise exact, the same bytes on every device.
///
/// Hits are what sorting ``Quantizer/scores(of:against:metric:on:)`` gives, ties by lower id.
/// Scores by tables (`PQ`, `OPQ`, `RaBitQ`) need no score for every code; those of 4 bits (`PQ48x4`,
/// and all of RaBitQ's) are scanned by shuffles of bytes, which rule out nearly all codes by a proven
/// bound. Where scores are those of decoded vectors, these are searched, some at a time, as any
/// vectors are.
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
    case scan(any ScannedQuantizer, CodeSet)
    case decoded
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
    way =
      if let scanned = quantizer as? any ScannedQuantizer, scanned.canScan {
        .scan(
          scanned,
          try device.prepare(scanned.scanCodes(codes, metric: metric, around: nil)))
      } else {
        .decoded
      }
  }

  /// The number of codes.
  public var codeCount: Int { codes.count }

  /// Bytes kept for the search, on the device and on the host together.
  public var residentBytes: Int {
    switch way {
    case .scan(_, let set): set.residentBytes + codes.bytes.count
    case .decoded: codes.bytes.count
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
      return try whole.found(queries, k, selector, control)
    }
  }

  /// Searches all codes, some queries at a time.
  private func found(
    _ queries: Vectors, _ k: Int, _ selector: IDSelector?, _ control: RunControl
  ) throws(TesseraError) -> Neighbors {
    // Tables of 16 MB at a time: more is not faster, and new memory has to be cleared.
    let perQuery =
      switch way {
      case .scan(let scanned, _): scanned.scanEntries
      case .decoded: quantizer.dimension
      }
    let step = max(1, (1 << 22) / max(1, perQuery))
    var found = Neighbors.none(
      queryCount: 0, hitCount: min(k, selector?.count(in: 0..<Int64(codeCount)) ?? codeCount))
    for start in stride(from: 0, to: queries.count, by: step) {
      try StopSignal.check()
      let range = start..<min(start + step, queries.count)
      found.append(
        try nearest(
          block: queries.rows(range), k, selector, firstRow: start,
          control.stage(
            "",
            Double(start) / Double(queries.count)...Double(range.upperBound)
              / Double(queries.count))))
    }
    return found
  }

  private func nearest(
    block queries: Vectors, _ k: Int, _ selector: IDSelector?, firstRow: Int, _ control: RunControl
  ) throws(TesseraError) -> Neighbors {
    switch way {
    case .scan(let scanned, let set):
      let own = try scanned.scanQueries(
        queries, metric: metric, aroundCentroids: false, on: device, firstRow: firstRow)
      let found = try device.nearestCodes(
        own.queries(queries.count, on: device), in: set, probing: own.probes, order: metric.order,
        within: .k(k), only: selector)
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
          with: try device.nearest(queries, in: set, k: k, only: selector), k: k,
          order: metric.order)
        try control.report("search", done: Double(range.upperBound) / Double(codeCount))
      }
      return found
    }
  }
}
