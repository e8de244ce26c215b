internal import Synchronization
internal import TesseraCompute
internal import TesseraHost

/// Scores that Float32 cannot hold.
///
/// The canonical score is a Float64 sum, rounded to Float32 for the order of hits. Where it is beyond
/// Float32, or so small that digits are lost, rows with different sums get one score and are ordered
/// by id. Multiplying rows and queries by powers of two moves sums without changing a digit of them,
/// so that the order of the moved scores is that of the sums, on every device. Where scores were
/// normal numbers, the order stays what it was.
extension IndexSearch {
  /// Finds the hits of queries whose scores Float32 cannot tell apart again. Returns how many queries
  /// have such scores all the same.
  ///
  /// - Throws: `.nonFinite` where an index keeps something else than whole rows, or all rows beyond a
  ///   score are sought: exact sums are not known there.
  func rankExtremes(
    of neighbors: inout Neighbors, _ request: Request, _ plan: Plan, _ visit: Visit
  ) throws(TesseraError) -> Int {
    guard index.isFlat, case .rows(let vectors) = index.content, case .k = request.limit else {
      try requireFiniteScores(neighbors)
      return 0
    }
    let elements: Set<ElementType> = [vectors.element, request.queries.element]
    // Products of other types are normal numbers.
    guard !elements.isDisjoint(with: [.float32, .bfloat16]) else { return 0 }
    var doubtful: [Int] = []
    for query in 0..<neighbors.queryCount
    where try isDoubtful(query, neighbors, request.queries, among: vectors, scale: .none) {
      doubtful.append(query)
    }
    guard !doubtful.isEmpty else { return 0 }
    var all = HitTable(neighbors)
    var open: [Int] = doubtful
    if index.metric != .cosine {
      open = []
      let scales = try doubtful.map { query throws(TesseraError) in
        try scale(of: vectors, for: request.queries.rows(query..<query + 1))
      }
      for rowScale in Set(scales.map(\.rows)).sorted() {
        let members = doubtful.indices.filter { scales[$0].rows == rowScale }
        let again = try search(
          members.map { (query: doubtful[$0], scale: scales[$0]) }, among: vectors, request, plan,
          visit)
        for (place, member) in members.enumerated() {
          let query = doubtful[member]
          if try isDoubtful(
            place, again, request.queries.rows(query..<query + 1), among: vectors,
            scale: scales[member])
          {
            open.append(query)
          }
          all.replace(
            query, by: again, at: place, unscaled: scales[member].score(index.metric)
          ) { id, score in
            abs(score) < .leastNormalMagnitude
              ? CanonicalScore.score(
                index.metric, request.queries.row(query), row(id, of: vectors)) : score
          }
        }
        all.statistics = all.statistics + again.statistics
      }
    }
    if !open.isEmpty {
      all.statistics.certified = false
      request.control.note(
        "\(options.vectorsName): Float32 scores of \(open.count) queries are infinite or vanish, and "
          + "numbers differ too much to be scaled together; such rows tie by id; scale the vectors, "
          + "or leave out the extreme ones")
    }
    neighbors = all.neighbors
    return open.count
  }

  private func requireFiniteScores(_ found: Neighbors) throws(TesseraError) {
    guard let place = found.scores.firstIndex(where: { !$0.isFinite }) else { return }
    let query = (found.starts.firstIndex { $0 > place } ?? 1) - 1
    throw TesseraError(
      .nonFinite,
      "\(options.queriesName): row \(query) has scores beyond Float32; scale the vectors down")
  }

  private func row(_ id: Int64, of vectors: Vectors) -> [Float] {
    vectors.row(index.row(of: id) ?? 0)
  }

  /// Powers of two that rows and a query are multiplied by.
  struct Scale: Hashable {
    var rows: Int
    var query: Int
    static let none = Scale(rows: 0, query: 0)

    /// The power that this multiplies scores by.
    func score(_ metric: Metric) -> Int {
      switch metric {
      case .cosine: 0
      default: rows + query
      }
    }
  }

  /// Returns what brings the scores of a query near the top of what Float32 holds.
  private func scale(of vectors: Vectors, for query: Vectors) throws(TesseraError) -> Scale {
    let rows = try magnitudes(of: vectors)
    let own = try Magnitudes(of: query)
    // Sums of `dimension` squared differences, each up to twice as long as the longest number, stay
    // below 2^100: Float32 ends at 2^128, and devices add up more than a score on their way.
    let room = 48 - (Int.bitWidth - vectors.dimension.leadingZeroBitCount + 1) / 2
    guard index.metric == .squaredL2 else {
      return Scale(rows: rows.scale(to: room), query: own.scale(to: room))
    }
    var both = rows
    both.add(own)
    let scale = both.scale(to: room)
    return Scale(rows: scale, query: scale)
  }

  private func magnitudes(of vectors: Vectors) throws(TesseraError) -> Magnitudes {
    if let known = magnitudes.withLock(\.self) { return known }
    let found = try Magnitudes(of: vectors)
    magnitudes.withLock { $0 = found }
    return found
  }

  /// True if hits of the query may tie, or hide rows, that have other sums than they.
  ///
  /// - Parameters:
  ///   - place: The query's place in `found`.
  ///   - queries: What the place was searched with; one row stands for that place alone.
  private func isDoubtful(
    _ place: Int, _ found: Neighbors, _ queries: Vectors, among vectors: Vectors, scale: Scale
  ) throws(TesseraError) -> Bool {
    let first = place * found.hitCount
    var query: [Float]?
    var hasZero = false
    for hit in first..<first + found.hitCount {
      let score = found.scores[hit]
      if score.isInfinite { return true }
      guard score.magnitude < .leastNormalMagnitude else { continue }
      if score != 0 { return true }
      let row = query ?? queries.row(queries.count == 1 ? 0 : place)
      query = row
      if sum(row, self.row(found.ids[hit], of: vectors)) != 0 { return true }
      hasZero = true
    }
    // No distance is below 0, but a product may be so near to it that it was rounded there.
    guard hasZero, index.metric != .squaredL2, let query else { return false }
    return try canVanish(query, among: vectors, scale: scale)
  }

  /// True if a sum that is not 0 may be too small for a normal Float32.
  ///
  /// Numbers are multiples of 2^-23 times the smallest one, and so are products and, of products,
  /// sums, rounded or not.
  private func canVanish(
    _ query: [Float], among vectors: Vectors, scale: Scale
  ) throws(TesseraError) -> Bool {
    var numbers = Magnitudes()
    numbers.add(query)
    var own = numbers.scaled(by: scale.query)
    var rows = try magnitudes(of: vectors).scaled(by: scale.rows)
    if index.metric == .cosine {
      let length = Double(vectors.dimension).squareRoot()
      own.smallest = own.smallest / own.largest / length
      rows.smallest = rows.smallest / rows.largest / length
    }
    return own.smallest * rows.smallest * 0x1p-46 < Double(Float.leastNormalMagnitude)
  }

  /// The canonical sum, before it is rounded to Float32.
  private func sum(_ query: [Float], _ row: [Float]) -> Double {
    unsafe query.withUnsafeBufferPointer { query in
      unsafe row.withUnsafeBufferPointer { row in
        guard let start = query.baseAddress, let row = row.baseAddress else { return 0 }
        return unsafe CanonicalScore.sum(index.metric, start, row, count: query.count)
      }
    }
  }

  /// Searches for some queries among rows that are multiplied by one power of two.
  private func search(
    _ members: [(query: Int, scale: Scale)], among vectors: Vectors, _ request: Request,
    _ plan: Plan, _ visit: Visit
  ) throws(TesseraError) -> Neighbors {
    var values: [Float] = []
    for member in members {
      values += request.queries.row(member.query).map {
        Float(Double($0).scaled(by: member.scale.query))
      }
    }
    var control = request.control
    // The progress of the first pass has been told; this one is short, or a surprise.
    control.progress = { _ in }
    let scaledRequest = Request(
      queries: try Vectors(values, dimension: vectors.dimension), limit: request.limit,
      selector: request.selector, selectedCount: request.selectedCount, probes: request.probes,
      path: request.path, control: control)
    let scaledPlan = try self.plan(
      queryCount: members.count, request.limit, only: request.selector,
      selectedCount: request.selectedCount, in: visit.site,
      control: request.control, copyBytesPerRow: vectors.dimension * 4)
    let limit = visit.site.memoryBudget
    var held = plan.streams ? 0 : plan.cost.residentBytes
    if held + scaledPlan.cost.peakBytes > limit {
      forgetRows(visit)
      held = 0
    }
    let nothing = Prepared(centroids: nil, codeCenters: nil)
    var pass = SearchPass(self, scaledRequest, scaledPlan, on: visit.site.device)
    for chunk in scaledPlan.chunks {
      try gate.run(scaledPlan.cost.peakBytes, of: limit - held) { () throws(TesseraError) in
        let rows = try vectors.rows(chunk.rows).scaled(by: members[0].scale.rows)
        let set = try visit.site.device.prepare(
          rows, in: index.lists.lists(chunk.lists, rows: chunk.rows), metric: index.metric)
        try pass.search(.rows(set), chunk, nothing)
      }
      if scaledPlan.streams { vectors.rows(chunk.rows).evict() }
    }
    return try pass.neighbors()
  }
}

/// Hits whose rows are replaced query by query.
private struct HitTable {
  private let queryCount: Int
  private let hitCount: Int
  private var ids: [Int64]
  private var scores: [Float]
  var statistics: SearchStatistics

  init(_ neighbors: Neighbors) {
    queryCount = neighbors.queryCount
    hitCount = neighbors.hitCount
    ids = neighbors.ids
    scores = neighbors.scores
    statistics = neighbors.statistics
  }

  var neighbors: Neighbors {
    Neighbors(
      queryCount: queryCount, hitCount: hitCount, ids: ids, scores: scores, statistics: statistics)
  }

  /// Takes over the hits of one query, with `2^-scale` times their scores, which `mend` then sees.
  mutating func replace(
    _ query: Int, by found: Neighbors, at place: Int, unscaled scale: Int,
    _ mend: (Int64, Float) -> Float
  ) {
    for hit in 0..<hitCount {
      let id = found.ids[place * hitCount + hit]
      let score = Float(Double(found.scores[place * hitCount + hit]).scaled(by: -scale))
      ids[query * hitCount + hit] = id
      scores[query * hitCount + hit] = mend(id, score)
    }
  }
}
