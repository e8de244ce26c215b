internal import TesseraCompute
internal import TesseraHost
internal import TesseraQuantization

/// What an index keeps of some of its rows, on a device: rows to be scored, or codes to be scanned.
enum KeptRows: Sendable {
  /// Rows, and the bytes of those that were decoded for it.
  case rows(VectorSet, decodedBytes: Int = 0)
  case codes(CodeSet)

  var residentBytes: Int {
    switch self {
    case .rows(let set, let decodedBytes): set.residentBytes + decodedBytes
    case .codes(let set): set.residentBytes
    }
  }

  /// The best rows of every query, as many as `limit` says, of these and of those found already.
  func nearest(
    _ queries: AskedQueries, probing probes: Probes?, within limit: Limit, order: ScoreOrder,
    only selector: IDSelector?, besides found: Neighbors? = nil, on device: any Device
  ) throws(TesseraError) -> Neighbors {
    switch (self, queries) {
    case (.rows(let set, _), .vectors(let vectors)):
      return try device.nearest(
        vectors, in: set, probing: probes, within: limit, only: selector, besides: found)
    case (.codes(let set), .tables(let tables)):
      let own = try device.nearestCodes(
        tables, in: set, probing: probes, order: order, within: limit, only: selector)
      return found?.merged(with: own, within: limit, order: order) ?? own
    default: preconditionFailure("an index has one kind of rows")
    }
  }
}

/// The queries of a batch, as what is kept of rows is asked for hits.
enum AskedQueries {
  case vectors(Vectors)
  case tables(CodeQueries)
}

extension Index {
  /// The codes that are scanned as they are, and their quantizer; nil where rows are kept, or codes
  /// have to be decoded first.
  var scannedCodes: (codes: StoredCodes, quantizer: any ScannedQuantizer)? {
    guard case .codes(let codes, let quantizer) = content,
      let scanned = quantizer as? any ScannedQuantizer, scanned.canScan
    else { return nil }
    return (codes, scanned)
  }

  /// True if codes have to be decoded before they are searched.
  var decodes: Bool {
    if case .codes = content { scannedCodes == nil } else { false }
  }

  /// Brings rows, all those of some lists or a part of the only list, to a device.
  func kept(
    _ rows: Range<Int>, of lists: Range<Int32>, on device: any Device
  ) throws(TesseraError) -> KeptRows {
    let own = self.lists.lists(lists, rows: rows)
    if case .bits(let bits) = content {
      return .codes(try device.prepare(bits.scanCodes(rows), in: own))
    }
    guard let (codes, quantizer) = scannedCodes else {
      let values = try decoded(rows, on: device)
      return .rows(
        try device.prepare(values, in: own, metric: metric),
        decodedBytes: decodes ? values.count * keptDimension * MemoryLayout<Float>.stride : 0)
    }
    let centroids = try coarse.map { coarse throws(TesseraError) in
      ListedCentroids(
        own,
        try coarse.shifted(
          coarse.centroids.rows(Int(lists.lowerBound)..<Int(lists.upperBound)), metric))
    }
    return .codes(
      try device.prepare(
        quantizer.scanCodes(codes.rows(rows), metric: metric, around: centroids), in: own))
  }

  /// Bytes of a code that is scanned, and entries of a query's tables; nil where rows are scored.
  var scan: (codeBytes: Int, entries: Int)? {
    if case .bits = content { return (dimension, 32 * dimension) }
    return scannedCodes.map { ($0.codes.byteCount, $0.quantizer.scanEntries) }
  }

  /// Queries that are asked together, so that their tables take 16 MB.
  var queriesTogether: Int { scan.map { max(1, (1 << 22) / max(1, $0.entries)) } ?? .max }

  /// The points that the codes of lists are relative to: their scores are what lists add to those of
  /// codes. nil without such codes.
  func codeCenters() throws(TesseraError) -> Vectors? {
    guard let coarse, let (_, quantizer) = scannedCodes else { return nil }
    guard let center = quantizer.scanCenter else { return coarse.centroids }
    var values = coarse.centroids.widened()
    for start in stride(from: 0, to: values.count, by: center.count) {
      for d in center.indices { values[start + d] += center[d] }
    }
    return try Vectors(values, dimension: center.count)
  }

  /// Makes queries ready to be asked, and the lists they look at with what those add to scores.
  ///
  /// - Parameters:
  ///   - probes: The lists that queries look at; nil for all.
  ///   - centers: As ``codeCenters()`` makes them.
  ///   - firstRow: The number of the first query, for messages.
  func asked(
    _ queries: Vectors, _ probes: Probes?, _ centers: Vectors?, firstRow: Int,
    on device: any Device
  ) throws(TesseraError) -> (AskedQueries, Probes?) {
    guard let (_, quantizer) = scannedCodes else { return (.vectors(queries), probes) }
    try Shapes.requireFinite(queries, "search: queries")
    let scan = try quantizer.scanQueries(
      coarse?.shifted(queries, metric) ?? queries, metric: metric,
      aroundCentroids: coarse != nil, on: device, firstRow: firstRow)
    let tables = AskedQueries.tables(try scan.queries(queries.count, on: device))
    guard let centers else { return (tables, scan.probes) }
    let all = probes ?? .all(of: listCount, queryCount: queries.count)
    // Under the cosine codes stand for rows of unit length, and their score is the product with the
    // query's direction.
    let isCosine = metric == .cosine
    let terms = try device.canonicalScores(
      isCosine ? queries.unitLength() : queries, with: centers, listed: all.lists,
      starts: all.starts, metric: isCosine ? .innerProduct : metric)
    return (tables, Probes(checked: all.starts, lists: all.lists, terms: terms))
  }
}

extension CoarseLists {
  /// Takes the centroids' mean off for distances, where it changes nothing but leaves smaller numbers to
  /// be rounded.
  fileprivate func shifted(_ rows: Vectors, _ metric: Metric) throws(TesseraError) -> Vectors {
    guard metric == .squaredL2 else { return rows }
    let dimension = rows.dimension
    var values = rows.widened()
    for start in stride(from: 0, to: values.count, by: dimension) {
      for d in 0..<dimension { values[start + d] -= middle[d] }
    }
    return try Vectors(values, dimension: dimension)
  }
}
