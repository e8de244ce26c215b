import TesseraCompute

/// The sizes of a search.
struct SearchSizes {
  let rows: Int
  let dimension: Int
  let queries: Int
  let k: Int
  let task: BenchmarkTask

  static func batch(_ size: BenchmarkSize) -> SearchSizes {
    let (rows, dimension, queries, k) = size.pick(
      (10_000, 64, 64, 10), (100_000, 128, 256, 10), (200_000, 128, 1000, 10),
      (4_000_000, 128, 8192, 100))
    return SearchSizes(rows: rows, dimension: dimension, queries: queries, k: k, task: .nearest)
  }

  static func read(_ size: BenchmarkSize) -> SearchSizes {
    let rows = size.pick(20_000, 100_000, 400_000, 8_000_000)
    return SearchSizes(rows: rows, dimension: 128, queries: 1, k: 10, task: .read)
  }

  /// Bytes of the rows as Float32 for a single query, operations of all products for many.
  var work: Double {
    let numbers = Double(rows) * Double(dimension)
    return task == .read ? 4 * numbers : 2 * numbers * Double(queries)
  }
}

extension Workload {
  static func nearest(
    on device: any Device, _ sizes: SearchSizes
  ) throws(TesseraError) -> Workload {
    let dimension = sizes.dimension
    let rows = try Vectors(
      BenchmarkInput.clustered(sizes.rows, dimension, seed: 31), dimension: dimension)
    let queries = try Vectors(
      BenchmarkInput.clustered(sizes.queries, dimension, seed: 32), dimension: dimension)
    let set = try device.prepare(rows, metric: .innerProduct)
    let found = LastHits()
    return Workload(
      shape: [
        "rows": sizes.rows, "dimension": dimension, "queries": sizes.queries, "k": sizes.k,
      ], work: sizes.work
    ) { () throws(TesseraError) in
      found.neighbors = try device.nearest(queries, in: set, k: sizes.k)
    } check: { () throws(TesseraError) in
      try check(
        found.neighbors, sizes.task, queries: sizes.queries, rows: sizes.rows, k: sizes.k,
        on: device
      ) { query, row in
        CanonicalScore.score(.innerProduct, queries.row(query), rows.row(row))
      }
    }
  }
}
