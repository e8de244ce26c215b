internal import CSIMD
internal import Synchronization
public import TesseraCompute
internal import TesseraHost

extension CPUDevice {
  /// Counts the packed rows of the largest filter that the rows may get as resident, and the hit
  /// lists of the tasks that run at once as working memory.
  public func cost(of search: SearchShape) -> SearchCost {
    let filter = FilterChoice.largest(search.element, dimension: search.dimension, kernels)
    let resident = CPUVectorSet.residentBytes(
      rows: search.rows, dimension: search.dimension, metric: search.metric, filter: filter)
    let k = min(search.k, max(1, search.rows))
    let perQuery = SearchTask.bytesPerQuery(
      k: k, filter, dimension: search.dimension, rows: search.rows)
    let atOnce = min(search.queryCount, workers.count * Self.queriesPerTask(perQuery, resident))
    let queries = search.queryCount * (search.dimension * 4 + 16)
    let hits = search.queryCount * k * 12
    return SearchCost(
      residentBytes: resident, workingBytes: atOnce * perQuery + queries + hits,
      largestAllocationBytes: resident)
  }

  /// Packs the rows for the filter that a sample of them shows to be fast.
  public func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet {
    try packed(vectors, in: lists, metric: metric, as: "prepare")
  }

  private func packed(
    _ vectors: Vectors, in lists: RowLists, metric: Metric, as name: String
  ) throws(TesseraError) -> CPUVectorSet {
    try Shapes.prepare(vectors, in: lists)
    return try CPUVectorSet(
      vectors, in: lists, metric: metric, filters: chooseFilters(vectors, metric: metric),
      as: name, kernels: kernels, workers: workers)
  }

  /// Filters packed rows with SIMD kernels and scores what passes canonically; queries, or rows if
  /// there are few queries, are divided among threads.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try nearest(
      queries, in: set, probing: probes, within: limit, only: selector, besides: nil)
  }

  /// The same, where only rows that are as good as the last of k hits found count.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?, besides found: Neighbors?
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearest(queries, in: set, probing: probes, within: limit)
    guard let set = set as? CPUVectorSet else {
      throw TesseraError(.wrongDevice, "nearest: the vectors were prepared on another device")
    }
    let prepared = try PreparedQueries(
      queries, "nearest: queries", known: found?.lastScores(within: limit), kernels: kernels,
      workers: workers)
    let k = if case .k(let k) = limit { k } else { set.count }
    let rowsPerQuery = probes.map { probes in
      max(1, set.lists.rowCount(of: probes) / max(1, queries.count))
    }
    let scope =
      if let selector {
        try SearchScope(
          set, only: selector, k: k, rowsPerQuery: rowsPerQuery, probes: probes,
          queryCount: queries.count, workers: workers)
      } else { SearchScope(set, k: k, rowsPerQuery: rowsPerQuery) }
    let own = try nearest(prepared, in: scope, probing: probes, within: limit)
    return found?.merged(with: own, within: limit, order: set.metric.order) ?? own
  }

  func nearest(
    _ queries: PreparedQueries, in scope: SearchScope, probing probes: Probes? = nil,
    within limit: Limit
  ) throws(TesseraError) -> Neighbors {
    guard scope.count > 0, queries.count > 0 else {
      return .none(
        queryCount: queries.count, hitCount: limit.hitCount(of: scope.count, probing: probes))
    }
    let panels = scope.panels
    if queries.count >= workers.count * kernels.queryBlock {
      return try search(
        queries, in: scope, panels: panels, probing: probes, within: limit, workers: workers)
    }
    // Few queries cannot keep every worker busy. The rows, or each query's lists, are shared out
    // instead, and what is found is merged, which gives the same hits.
    let mostLists = probes.map { zip($0.starts, $0.starts.dropFirst()).map { $1 - $0 }.max() ?? 0 }
    let visited =
      probes.map { scope.set.layout.panelCount(of: $0) } ?? panels.count * queries.count
    let worthwhile = visited * panelWidth * scope.set.dimension / Self.productsPerThread
    let runs = max(1, min(workers.count, mostLists ?? panels.count, worthwhile))
    let results = Mutex<[Neighbors?]>(Array(repeating: nil, count: runs))
    try workers.run(runs) { run throws(TesseraError) in
      let first = panels.lowerBound + panels.count * run / runs
      let last = panels.lowerBound + panels.count * (run + 1) / runs
      let result = try search(
        queries, in: scope, panels: first..<last, probing: probes?.every(runs, from: run),
        within: limit, workers: WorkerPool(count: 1))
      results.withLock { $0[run] = result }
    }
    let found = results.withLock { $0.compactMap(\.self) }
    return found.dropFirst().reduce(found[0]) {
      $0.merged(with: $1, within: limit, order: scope.set.metric.order)
    }
  }

  /// Multiply-adds of bytes below which another thread wakes too late to help.
  private static let productsPerThread = 1 << 20

  /// Searches some of the panels, or the lists that queries look at, the queries shared out among
  /// `workers`.
  private func search(
    _ queries: PreparedQueries, in scope: SearchScope, panels: Range<Int>, probing probes: Probes?,
    within limit: Limit, workers: WorkerPool
  ) throws(TesseraError) -> Neighbors {
    switch limit {
    case .k(let k):
      try search(
        queries, in: scope, panels: panels, probing: probes, k: k, workers: workers)
    case .score(let score):
      try search(
        queries, in: scope, panels: panels, probing: probes, beyond: score, workers: workers)
    }
  }

  /// Finds the `k` nearest rows.
  private func search(
    _ queries: PreparedQueries, in scope: SearchScope, panels: Range<Int>, probing probes: Probes?,
    k: Int, workers: WorkerPool
  ) throws(TesseraError) -> Neighbors {
    let starts = Self.hitStarts(queries.count, in: scope, panels: panels, probing: probes, k: k)
    let hitCount = min(k, scope.count)
    guard starts[queries.count] > 0 else { return .none(queryCount: queries.count) }
    let ids = try HostStorage(allocating: starts[queries.count] * 8)
    let scores = try HostStorage(allocating: starts[queries.count] * 4)
    let statistics = Mutex(SearchStatistics.none)
    // Where hits are known already there may be fewer than there is room for.
    let ends = Mutex(starts.dropFirst().map { $0 })
    try eachTask(
      queries, in: scope, k: hitCount, probing: probes, workers: workers
    ) { task, range throws(TesseraError) in
      let done = try task.run(
        panels, starts: starts, ids: ids.start(as: Int64.self), scores: scores.floats)
      statistics.withLock { $0 = $0 + done.statistics }
      guard queries.known != nil else { return }
      ends.withLock { ends in
        for (query, count) in zip(range, done.counts) { ends[query] = starts[query] + count }
      }
    }
    let all = Neighbors(
      starts: starts,
      ids: Array(
        UnsafeBufferPointer(start: ids.start(as: Int64.self), count: starts[queries.count])),
      scores: Array(UnsafeBufferPointer(start: scores.floats, count: starts[queries.count])),
      statistics: statistics.withLock { $0 })
    return queries.known == nil ? all : all.cut(to: ends.withLock(\.self))
  }

  /// Finds all rows beyond a score.
  private func search(
    _ queries: PreparedQueries, in scope: SearchScope, panels: Range<Int>, probing probes: Probes?,
    beyond score: Float, workers: WorkerPool
  ) throws(TesseraError) -> Neighbors {
    let order = scope.set.metric.order
    let keys = Mutex([[UInt64]](repeating: [], count: queries.count))
    let statistics = Mutex(SearchStatistics.none)
    try eachTask(
      queries, in: scope, k: 0, probing: probes, workers: workers
    ) { task, range throws(TesseraError) in
      let found = try task.run(beyond: score, panels)
      let sorted = found.keys.map { $0.sorted() }
      keys.withLock { $0.replaceSubrange(range, with: sorted) }
      statistics.withLock { $0 = $0 + found.statistics }
    }
    let all = keys.withLock(\.self)
    var starts = [0]
    for own in all { starts.append(starts[starts.count - 1] + own.count) }
    return Neighbors(
      starts: starts,
      ids: all.joined().map { scope.set.lists.ids.id(ofRank: CodeKeys.row(of: $0)) },
      scores: all.joined().map { CodeKeys.score(of: $0, order) },
      statistics: statistics.withLock(\.self))
  }

  /// Returns the places at which the hits of each query begin, and at which the last ones end.
  private static func hitStarts(
    _ queryCount: Int, in scope: SearchScope, panels: Range<Int>, probing probes: Probes?, k: Int
  ) -> [Int] {
    var starts = [0]
    starts.reserveCapacity(queryCount + 1)
    guard let probes else {
      let hitCount = min(k, scope.count(in: panels))
      return (0...queryCount).map { $0 * hitCount }
    }
    let counts = scope.listCounts()
    for query in 0..<queryCount {
      let rows = probes[query].reduce(0) { $0 + counts[Int($1)] }
      starts.append(starts[query] + min(k, rows))
    }
    return starts
  }

  /// Divides queries among tasks, and lets `body` run each.
  private func eachTask(
    _ queries: PreparedQueries, in scope: SearchScope, k: Int, probing probes: Probes?,
    workers: WorkerPool,
    _ body: @Sendable (inout SearchTask, Range<Int>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let block = kernels.queryBlock
    let blocks = (queries.count + block - 1) / block
    let perTask = Self.queriesPerTask(
      SearchTask.bytesPerQuery(
        k: k, scope.rows.filter, dimension: scope.set.dimension, rows: scope.count),
      scope.rows.residentBytes)
    // Two tasks for each worker even out cores of different speed; each streams all the rows, so
    // more would cost bandwidth.
    let fewest = workers.count * (blocks >= workers.count * 16 ? 2 : 1)
    let tasks = min(blocks, max(fewest, (queries.count + perTask - 1) / perTask))
    try workers.run(tasks) { task throws(TesseraError) in
      let first = blocks * task / tasks * block
      let last = min(blocks * (task + 1) / tasks * block, queries.count)
      var search = try SearchTask(
        queries, first..<last, in: scope, k: k, probes: probes, kernels: kernels)
      try body(&search, first..<last)
    }
  }

  /// Returns the number of queries that a task takes on. Its lists stay in the cache where the rows
  /// do too; where the rows come from memory each time, more queries have to be served by one pass.
  private static func queriesPerTask(_ bytesPerQuery: Int, _ residentBytes: Int) -> Int {
    max(16, (residentBytes <= 4 << 20 ? 1 << 20 : 16 << 20) / bytesPerQuery)
  }

  /// Packs the centroids and searches them with k = 1 for all points.
  public func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, metric: Metric,
    into labels: Matrix<Int32>, _ scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.assignNearest(points, to: centroids, into: labels, scores)
    let labels = try labels.hostElements("assignNearest")
    let best = try scores.hostElements("assignNearest")
    let set = try packed(
      centroids.hostVectors("assignNearest"),
      in: RowLists(one: .consecutive(count: centroids.rows)), metric: metric,
      as: "assignNearest: centroids")
    let queries = try PreparedQueries(
      points.hostVectors("assignNearest"), "assignNearest: points", kernels: kernels,
      workers: workers)
    let found = try nearest(queries, in: SearchScope(set, k: 1), within: .k(1))
    for point in 0..<points.rows {
      labels[point] = Int32(found.ids[point])
      best[point] = found.scores[point]
    }
  }
}

extension Neighbors {
  /// The score of each query's last hit, of those that have as many as are sought; NaN for the others.
  fileprivate func lastScores(within limit: Limit) -> [Float]? {
    guard case .k(let k) = limit, k > 0 else { return nil }
    return (0..<queryCount).map { query in
      let end = starts[query + 1]
      return end - starts[query] >= k ? scores[end - 1] : .nan
    }
  }

  /// The hits of each query up to where they end.
  fileprivate func cut(to ends: [Int]) -> Neighbors {
    var kept = [0]
    var (ids, scores): ([Int64], [Float]) = ([], [])
    for query in 0..<queryCount {
      ids += self.ids[starts[query]..<ends[query]]
      scores += self.scores[starts[query]..<ends[query]]
      kept.append(ids.count)
    }
    return Neighbors(starts: kept, ids: ids, scores: scores, statistics: statistics)
  }
}

extension Matrix<Float> {
  /// The rows as host vectors, without copying.
  func hostVectors(_ operation: String) throws(TesseraError) -> Vectors {
    let elements = try hostElements(operation)
    let storage = storage
    // The closure keeps the memory alive for as long as the vectors are.
    let memory = HostMemory(UnsafeRawBufferPointer(elements)) { _ in
      withExtendedLifetime(storage) {}
    }
    return try Vectors(memory, element: .float32, count: rows, dimension: columns)
  }
}
