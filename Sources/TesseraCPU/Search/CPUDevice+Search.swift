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
    _ vectors: Vectors, metric: Metric, firstID: Int64
  ) throws(TesseraError) -> VectorSet {
    try packed(vectors, metric: metric, firstID: firstID, as: "prepare")
  }

  private func packed(
    _ vectors: Vectors, metric: Metric, firstID: Int64, as name: String
  ) throws(TesseraError) -> CPUVectorSet {
    try Shapes.prepare(vectors)
    return try CPUVectorSet(
      vectors, metric: metric, firstID: firstID,
      filters: chooseFilters(vectors, metric: metric), as: name, kernels: kernels,
      workers: workers)
  }

  /// Filters packed rows with SIMD kernels and scores what passes canonically; queries, or rows if
  /// there are few queries, are divided among threads.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, k: Int, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearest(queries, in: set, k: k)
    guard let set = set as? CPUVectorSet else {
      throw TesseraError(.wrongDevice, "nearest: the vectors were prepared on another device")
    }
    let prepared = try PreparedQueries(
      queries, "nearest: queries", kernels: kernels, workers: workers)
    let scope =
      if let selector {
        try SearchScope(
          set, only: selector, k: k, queryCount: queries.count, workers: workers)
      } else { SearchScope(set, k: k) }
    return try nearest(prepared, in: scope, k: k)
  }

  func nearest(
    _ queries: PreparedQueries, in scope: SearchScope, k: Int
  ) throws(TesseraError) -> Neighbors {
    guard scope.count > 0, queries.count > 0 else {
      return .none(queryCount: queries.count, hitCount: min(k, scope.count))
    }
    let panels = scope.panels
    if queries.count >= workers.count * kernels.queryBlock {
      return try search(queries, in: scope, panels: panels, k: k, workers: workers)
    }
    // Few queries cannot keep every worker busy. The rows are shared out instead, and the results
    // merged, which gives the same hits.
    let runs = min(workers.count, panels.count)
    let results = Mutex<[Neighbors?]>(Array(repeating: nil, count: runs))
    try workers.run(runs) { run throws(TesseraError) in
      let first = panels.lowerBound + panels.count * run / runs
      let last = panels.lowerBound + panels.count * (run + 1) / runs
      let result = try search(
        queries, in: scope, panels: first..<last, k: k, workers: WorkerPool(count: 1))
      results.withLock { $0[run] = result }
    }
    let found = results.withLock { $0.compactMap(\.self) }
    return found.dropFirst().reduce(found[0]) {
      $0.merged(with: $1, k: k, order: scope.set.metric.order)
    }
  }

  /// Searches some of the panels, the queries shared out among `workers`.
  private func search(
    _ queries: PreparedQueries, in scope: SearchScope, panels: Range<Int>, k: Int,
    workers: WorkerPool
  ) throws(TesseraError) -> Neighbors {
    let hitCount = min(k, scope.count(in: panels))
    guard hitCount > 0 else { return .none(queryCount: queries.count) }
    let ids = try HostStorage(allocating: queries.count * hitCount * 8)
    let scores = try HostStorage(allocating: queries.count * hitCount * 4)
    let statistics = Mutex(SearchStatistics.none)

    let block = kernels.queryBlock
    let blocks = (queries.count + block - 1) / block
    let perTask = Self.queriesPerTask(
      SearchTask.bytesPerQuery(
        k: hitCount, scope.rows.filter, dimension: scope.set.dimension, rows: scope.count),
      scope.rows.residentBytes)
    // Two tasks for each worker even out cores of different speed; each streams all the rows, so
    // more would cost bandwidth.
    let fewest = workers.count * (blocks >= workers.count * 16 ? 2 : 1)
    let tasks = min(blocks, max(fewest, (queries.count + perTask - 1) / perTask))
    try workers.run(tasks) { task throws(TesseraError) in
      let first = blocks * task / tasks * block
      let last = min(blocks * (task + 1) / tasks * block, queries.count)
      var search = try SearchTask(queries, first..<last, in: scope, k: hitCount, kernels: kernels)
      let done = try search.run(
        panels, hitCount: hitCount, ids: ids.start(as: Int64.self) + first * hitCount,
        scores: scores.floats + first * hitCount)
      statistics.withLock { $0 = $0 + done }
    }
    let count = queries.count * hitCount
    return Neighbors(
      queryCount: queries.count, hitCount: hitCount,
      ids: Array(UnsafeBufferPointer(start: ids.start(as: Int64.self), count: count)),
      scores: Array(UnsafeBufferPointer(start: scores.floats, count: count)),
      statistics: statistics.withLock { $0 })
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
      centroids.hostVectors("assignNearest"), metric: metric, firstID: 0,
      as: "assignNearest: centroids")
    let queries = try PreparedQueries(
      points.hostVectors("assignNearest"), "assignNearest: points", kernels: kernels,
      workers: workers)
    let found = try nearest(queries, in: SearchScope(set, k: 1), k: 1)
    for point in 0..<points.rows {
      labels[point] = Int32(found.ids[point])
      best[point] = found.scores[point]
    }
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
