internal import TesseraCompute
internal import TesseraHost

/// Queries among rows of bits, which are answered by scans of codes.
///
/// Four bits of a row are a number of a code. The table of a query holds for each of the 16 numbers how
/// many bits differ from the query's, so the sum of entries is the Hamming distance h, a whole number
/// that Float32 holds.
///
/// With p bits set in the query and c in the row, the Jaccard distance is 2h / (p + c + h). It orders rows
/// as h / (p + c) does, which is no sum. But where some k rows are known, of which the worst has the ratio
/// a / b, the k rows with the least b h - a c are no worse: of theirs, b h - a (p + c) is at most 0. With
/// the worst of these it goes on, until the worst stays the same (Dinkelbach, Management Science 13, 1967,
/// for the k best); then no other row has a smaller ratio, and equal ones are ordered by id. All these
/// numbers are whole and below 2^24, so Float32 holds them and the hits are exact.
struct BitQueries {
  /// Searches codes for the best of some of the queries.
  typealias Scan = (CodeQueries, Probes?, Limit) throws(TesseraError) -> Neighbors

  private let rows: BitRows
  private let bytes: [UInt8]
  /// Bits that are set in each query.
  private let counts: [Int]
  private let device: any Device

  /// - Throws: `.invalidArgument` unless queries are bytes.
  init(_ queries: Vectors, among rows: BitRows, on device: any Device) throws(TesseraError) {
    try BitRows.requireBytes(queries, "queries")
    self.rows = rows
    self.device = device
    bytes = queries.packedBytes()
    counts = bytes.bitCounts(rowLength: queries.dimension)
  }

  /// The nearest rows to every query, as many as `limit` says.
  ///
  /// - Parameters:
  ///   - listCount: The lists that are scanned: all of the index, or some.
  ///   - probes: Those that queries look at; nil for all of them.
  func nearest(
    within limit: Limit, of index: Index, listCount: Int, probing probes: Probes?, _ scan: Scan
  ) throws(TesseraError) -> Neighbors {
    let all = Array(counts.indices)
    guard rows.metric == .jaccard else {
      return try scan(queries(all, factors: all.map { _ in 1 }, weights: nil), probes, limit)
    }
    switch limit {
    case .k(let k): return try nearest(k, index, probes, scan)
    case .score(let score): return try nearer(than: score, index, listCount, probes, scan)
    }
  }

  /// Some of the queries, with tables of how many bits differ, times a factor.
  private func queries(
    _ chosen: [Int], factors: [Int], weights: [Float]?
  ) throws(TesseraError) -> CodeQueries {
    let width = rows.vectors.dimension
    var tables: [Float] = []
    tables.reserveCapacity(chosen.count * width * 32)
    for (query, factor) in zip(chosen, factors) {
      for byte in bytes[query * width..<(query + 1) * width] {
        for half in [byte & 15, byte >> 4] {
          for number in 0..<UInt8(16) {
            tables.append(Float(factor * (half ^ number).nonzeroBitCount))
          }
        }
      }
    }
    return try CodeQueries(
      device.upload(tables, rows: chosen.count, columns: width * 32), offsetWeights: weights)
  }

  // MARK: Jaccard distances

  /// A hit by what its distance is made of.
  private struct Hit {
    let id: Int64
    let differing: Int
    /// Bits of the query and of the row, 1 where there are none.
    let set: Int

    var distance: Float { BitMetric.jaccard.distance(differing: differing, set: set) }

    /// True if it is farther than another.
    func isWorse(than other: Hit) -> Bool { differing * other.set > other.differing * set }

    static func isBefore(_ a: Hit, _ b: Hit) -> Bool {
      ScoreOrder.smallestFirst.ranks((a.distance, a.id), ahead: (b.distance, b.id))
    }
  }

  /// The `k` nearest rows to each query.
  private func nearest(
    _ k: Int, _ index: Index, _ probes: Probes?, _ scan: Scan
  ) throws(TesseraError) -> Neighbors {
    var hits = [[Hit]](repeating: [], count: counts.count)
    // First by Hamming distances.
    var worst = [Hit](repeating: Hit(id: 0, differing: 0, set: 1), count: counts.count)
    var moving = Array(counts.indices)
    var statistics = SearchStatistics.none
    while !moving.isEmpty {
      try StopSignal.check()
      let found = try scan(
        queries(
          moving, factors: moving.map { worst[$0].set },
          weights: moving.map { -Float(worst[$0].differing) }),
        probes?.of(moving), .k(k))
      statistics = statistics + found.statistics
      let rows = index.rows(of: found.ids)
      var next: [Int] = []
      for (place, query) in moving.enumerated() {
        hits[query] = self.hits(found, rows, of: query, at: place)
        guard hits[query].count == k else { continue }
        let last = hits[query].reduce(hits[query][0]) { $1.isWorse(than: $0) ? $1 : $0 }
        // Nothing is better than equal bits.
        if last.differing == 0 { continue }
        if worst[query].differing == 0 || worst[query].isWorse(than: last) { next.append(query) }
        worst[query] = last
      }
      moving = next
    }
    return neighbors(hits, statistics)
  }

  /// The rows that are nearer to each query than a distance.
  private func nearer(
    than score: Float, _ index: Index, _ listCount: Int, _ probes: Probes?, _ scan: Scan
  ) throws(TesseraError) -> Neighbors {
    let all = Array(counts.indices)
    guard score > 0 else { return neighbors(all.map { _ in [] }, .none) }
    // Distances below d are ratios below d / (2 - d), and no ratio is above 1.
    let ratio = min(1, score) / (2 - min(1, score))
    let asked = try queries(
      all, factors: all.map { _ in 1 }, weights: all.map { _ in -ratio })
    let own = probes ?? .all(of: listCount, queryCount: all.count)
    let terms = all.flatMap { query in
      own[query].map { _ in -ratio * Float(counts[query]) }
    }
    // Sums err by less than this; what passes wrongly is left out below.
    let slack = 1e-6 * Float(16 * rows.vectors.dimension) + 1e-6
    let found = try scan(
      asked, Probes(checked: own.starts, lists: own.lists, terms: terms), .score(slack))
    let rows = index.rows(of: found.ids)
    return neighbors(
      all.map { query in hits(found, rows, of: query, at: query).filter { $0.distance < score } },
      found.statistics)
  }

  /// The hits of a query that is number `place` of those that were asked.
  private func hits(
    _ found: Neighbors, _ rows: [Int32], of query: Int, at place: Int
  ) -> [Hit] {
    let width = self.rows.vectors.dimension
    let own = bytes[query * width..<(query + 1) * width]
    return (found.starts[place]..<found.starts[place + 1]).map { hit in
      let row = self.rows[rows[hit]]
      return Hit(
        id: found.ids[hit],
        differing: zip(own, row).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount },
        set: max(1, counts[query] + row.reduce(0) { $0 + $1.nonzeroBitCount }))
    }
  }

  private func neighbors(_ hits: [[Hit]], _ statistics: SearchStatistics) -> Neighbors {
    let sorted = hits.map { $0.sorted(by: Hit.isBefore) }
    var starts = [0]
    for own in sorted { starts.append(starts[starts.count - 1] + own.count) }
    return Neighbors(
      starts: starts, ids: sorted.joined().map(\.id), scores: sorted.joined().map(\.distance),
      statistics: statistics)
  }
}
