/// Serves every operation that a device has no version of its own for: brings the inputs to the
/// host, lets the reference device work, and takes the results back. Correct everywhere and fast
/// nowhere, so `info.accelerated` does not list such an operation.
extension Device {
  /// Empty: a device that overcomes no failures has none to report.
  public var faults: [TesseraError] { [] }

  /// Returns at once: a device that finishes its work within each call has nothing to wait for.
  public func synchronize() throws(TesseraError) {}

  /// Returns the reference device's cost, which also does the search.
  public func cost(of search: SearchShape) -> SearchCost {
    ReferenceDevice.shared.cost(of: search)
  }

  /// Checks the rows and keeps a view of them, as the reference device does.
  public func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet {
    try ReferenceDevice.shared.prepare(vectors, in: lists, metric: metric)
  }

  /// Prepares rows in one list; row i gets the id `firstID + i`.
  public func prepare(
    _ vectors: Vectors, metric: Metric, firstID: Int64 = 0
  ) throws(TesseraError) -> VectorSet {
    try prepare(
      vectors, in: RowLists(one: .consecutive(from: firstID, count: vectors.count)),
      metric: metric)
  }

  /// Searches with the reference device: every selected row is scored canonically.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try ReferenceDevice.shared.nearest(
      queries, in: set, probing: probes, within: limit, only: selector)
  }

  /// Searches as if there were no other hits, and merges.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?, besides found: Neighbors?
  ) throws(TesseraError) -> Neighbors {
    let own = try nearest(queries, in: set, probing: probes, within: limit, only: selector)
    return found?.merged(with: own, within: limit, order: set.metric.order) ?? own
  }

  /// The `k` nearest rows of all lists, of those that `selector` selects (nil: of all).
  public func nearest(
    _ queries: Vectors, in set: VectorSet, k: Int, only selector: IDSelector? = nil
  ) throws(TesseraError) -> Neighbors {
    try nearest(queries, in: set, probing: nil, within: .k(k), only: selector)
  }

  /// The rows with a better score than `score`, found by searches for more and more rows: for devices
  /// whose searches need to know how many hits there are at most.
  package func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, beyond score: Float,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try beyond(score, set.metric.order, queryCount: queries.count, rowCount: set.count) {
      some, k throws(TesseraError) in
      try nearest(
        some.count == queries.count ? queries : queries.gathered(some), in: set,
        probing: probes?.of(some), within: .k(k), only: selector)
    }
  }

  /// The rows with a better score than `score`.
  ///
  /// - Parameter search: Finds the k best rows of the queries listed.
  package func beyond(
    _ score: Float, _ order: ScoreOrder, queryCount: Int, rowCount: Int,
    _ search: (_ queries: [Int], _ k: Int) throws(TesseraError) -> Neighbors
  ) throws(TesseraError) -> Neighbors {
    var done = [Neighbors?](repeating: nil, count: queryCount)
    var statistics = SearchStatistics.none
    var open = Array(0..<queryCount)
    var k = 64
    while !open.isEmpty {
      let found = try search(open, k)
      statistics = statistics + found.statistics
      for (place, query) in open.enumerated() {
        let hits = found[place]
        let better = hits.prefix { order.ranks($0.score, ahead: score) }
        // A list that is not full holds all rows.
        guard better.count < k else { continue }
        done[query] = Neighbors(
          queryCount: 1, hitCount: better.count, ids: better.map(\.id),
          scores: better.map(\.score), statistics: .none)
      }
      open.removeAll { done[$0] != nil }
      k = k > rowCount ? k : 8 * k
    }
    let all = done.reduce(into: Neighbors.none(queryCount: 0)) {
      if let hits = $1 { $0.append(hits) }
    }
    return Neighbors(starts: all.starts, ids: all.ids, scores: all.scores, statistics: statistics)
  }

  /// The nearest rows where every query has a selection of its own, in `selectors` (nil: all rows).
  ///
  /// - Complexity: That of one search for each query.
  /// - Throws: `.invalidShape` unless there is one entry for each query, and as the search of all.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes? = nil, within limit: Limit,
    onlyEach selectors: [IDSelector?]
  ) throws(TesseraError) -> Neighbors {
    try Shapes.require(
      selectors.count == queries.count,
      "nearest: \(selectors.count) selections for \(queries.count) queries")
    try Shapes.nearest(queries, in: set, probing: probes, within: limit)
    var all = Neighbors.none(queryCount: 0)
    for (query, selector) in selectors.enumerated() {
      all.append(
        try nearest(
          queries.rows(query..<query + 1), in: set, probing: probes?.of(query..<query + 1),
          within: limit, only: selector))
    }
    return all
  }

  /// Copies both matrices to the host, multiplies them in Float64, and copies the scores back.
  public func innerProducts(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.innerProducts(queries, vectors, into: scores)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: scores.rows, columns: scores.columns)
    try host.innerProducts(onHost(queries), onHost(vectors), into: result)
    try upload(host.download(result), to: scores)
  }

  /// Copies both matrices to the host, scores there, and copies the scores back.
  public func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, metric: Metric, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.canonicalScores(queries, vectors, into: scores)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: scores.rows, columns: scores.columns)
    try host.canonicalScores(onHost(queries), onHost(vectors), metric: metric, into: result)
    try upload(host.download(result), to: scores)
  }

  /// Copies the scores to the host, sorts each row there, and copies the best back.
  public func topK(
    _ scores: Matrix<Float>, order: ScoreOrder, into values: Matrix<Float>,
    _ columns: Matrix<Int32>
  ) throws(TesseraError) {
    try Shapes.topK(scores, into: values, columns)
    let host = ReferenceDevice.shared
    let bestValues = try host.allocate(Float.self, rows: values.rows, columns: values.columns)
    let bestColumns = try host.allocate(Int32.self, rows: values.rows, columns: values.columns)
    try host.topK(onHost(scores), order: order, into: bestValues, bestColumns)
    try upload(host.download(bestValues), to: values)
    try upload(host.download(bestColumns), to: columns)
  }

  /// Copies points and centroids to the host, searches there, and copies labels and scores back.
  public func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, metric: Metric,
    into labels: Matrix<Int32>, _ scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.assignNearest(points, to: centroids, into: labels, scores)
    let host = ReferenceDevice.shared
    let hostLabels = try host.allocate(Int32.self, rows: labels.rows, columns: 1)
    let hostScores = try host.allocate(Float.self, rows: labels.rows, columns: 1)
    try host.assignNearest(
      onHost(points), to: onHost(centroids), metric: metric, into: hostLabels, hostScores)
    try upload(host.download(hostLabels), to: labels)
    try upload(host.download(hostScores), to: scores)
  }

  /// Returns an assigner that remembers nothing and calls `assignNearest` each time.
  public func assigner(
    for points: Matrix<Float>, metric: Metric
  ) throws(TesseraError) -> any Assigner {
    PlainAssigner(points, metric: metric, on: self)
  }

  /// Copies points and labels to the host, adds there, and copies sums and counts back.
  public func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>
  ) throws(TesseraError) {
    try Shapes.accumulateClusters(points, labels, into: sums, counts)
    let host = ReferenceDevice.shared
    let hostSums = try host.allocate(Double.self, rows: sums.rows, columns: sums.columns)
    let hostCounts = try host.allocate(Int32.self, rows: counts.rows, columns: 1)
    try host.accumulateClusters(onHost(points), onHost(labels), into: hostSums, hostCounts)
    try upload(host.download(hostSums), to: sums)
    try upload(host.download(hostCounts), to: counts)
  }

  /// Copies points and codewords to the host, encodes there, and copies the codes back.
  public func encode(
    _ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>
  ) throws(TesseraError) {
    try Shapes.encode(points, codebook, into: codes)
    let host = ReferenceDevice.shared
    let hostCodes = try host.allocate(UInt8.self, rows: codes.rows, columns: codes.columns)
    let hostCodebook = try ProductCodebook(
      onHost(codebook.codewords), subspaceCount: codebook.subspaceCount)
    try host.encode(onHost(points), hostCodebook, into: hostCodes)
    try upload(host.download(hostCodes), to: codes)
  }

  /// Copies tables and codes to the host, adds the entries there, and copies the scores back.
  public func lookupScores(
    _ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.lookupScores(tables, codes, into: scores)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: scores.rows, columns: scores.columns)
    try host.lookupScores(onHost(tables), onHost(codes), into: result)
    try upload(host.download(result), to: scores)
  }

  /// Computes the scores on the host, queries divided among threads.
  public func canonicalScores(
    _ queries: Vectors, with rows: Vectors, listed: [Int32], starts: [Int], metric: Metric
  ) throws(TesseraError) -> [Float] {
    try Shapes.canonicalScores(queries, with: rows, listed: listed, starts: starts)
    return try hostWorkers.makeRagged(starts) { query, scores throws(TesseraError) in
      let values = queries.row(query)
      for (place, entry) in (starts[query]..<starts[query + 1]).enumerated() {
        scores[place] = CanonicalScore.score(metric, values, rows.row(Int(listed[entry])))
      }
    }
  }

  /// Keeps the codes on the host, as the reference device does.
  public func prepare(
    _ codes: ProductCodes, in lists: RowLists
  ) throws(TesseraError) -> CodeSet {
    try ReferenceDevice.shared.prepare(codes, in: lists)
  }

  /// Copies the tables to the host and scores every code there.
  public func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, order: ScoreOrder,
    within limit: Limit, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearestCodes(queries, in: set, probing: probes, within: limit)
    let hostQueries = try CodeQueries(
      onHost(queries.tables), offsetWeights: queries.offsetWeights)
    return try ReferenceDevice.shared.nearestCodes(
      hostQueries, in: set, probing: probes, order: order, within: limit, only: selector)
  }

  /// Makes codes ready to be scanned as one list. Code i gets the id i.
  public func prepare(_ codes: ProductCodes) throws(TesseraError) -> CodeSet {
    try prepare(codes, in: RowLists(one: .consecutive(count: codes.count)))
  }

  /// The `k` best codes of all lists for each row of `tables`.
  public func nearestCodes(
    _ tables: Matrix<Float>, in set: CodeSet, order: ScoreOrder, k: Int
  ) throws(TesseraError) -> Neighbors {
    try nearestCodes(
      CodeQueries(tables), in: set, probing: nil, order: order, within: .k(k), only: nil)
  }

  /// Copies source and row numbers to the host, gathers there, and copies the rows back.
  public func gather(
    _ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.gather(source, rows: rows, into: target)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: target.rows, columns: target.columns)
    try host.gather(onHost(source), rows: onHost(rows), into: result)
    try upload(host.download(result), to: target)
  }

  /// Copies the matrices to the host, multiplies them in Float64, and copies the result back.
  public func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, alpha: Float, beta: Float, into result: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.multiply(a, transposed: aTransposed, b, transposed: bTransposed, into: result)
    let host = ReferenceDevice.shared
    let hostResult = try onHost(result)
    try host.multiply(
      onHost(a), transposed: aTransposed, onHost(b), transposed: bTransposed, alpha: alpha,
      beta: beta, into: hostResult)
    try upload(host.download(hostResult), to: result)
  }

  private func onHost<Element>(_ matrix: Matrix<Element>) throws(TesseraError) -> Matrix<Element> {
    try ReferenceDevice.shared.upload(
      download(matrix), rows: matrix.rows, columns: matrix.columns)
  }
}
