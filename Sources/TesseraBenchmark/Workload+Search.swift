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
    let found = Result()
    return Workload(
      shape: [
        "rows": sizes.rows, "dimension": dimension, "queries": sizes.queries, "k": sizes.k,
      ], work: sizes.work
    ) { () throws(TesseraError) in
      found.neighbors = try device.nearest(queries, in: set, k: sizes.k)
    } check: { () throws(TesseraError) in
      try check(found.neighbors, queries, rows, sizes, on: device)
    }
  }

  /// What the last call found.
  private final class Result {
    var neighbors = Neighbors.none(queryCount: 0)
  }

  /// Whether the hits of the first and last query are in order, have their canonical scores, and
  /// whether no row of a sample should have been among them.
  private static func check(
    _ found: Neighbors, _ queries: Vectors, _ rows: Vectors, _ sizes: SearchSizes,
    on device: any Device
  ) throws(TesseraError) -> Int {
    guard found.hitCount == sizes.k, found.queryCount == queries.count else {
      throw .wrongResult(
        sizes.task, device,
        "\(found.hitCount) hits for \(found.queryCount) queries, not \(sizes.k) for "
          + "\(queries.count)")
    }
    var checked = 0
    for query in Set([0, queries.count - 1]) {
      let asked = queries.row(query)
      let places = query * sizes.k..<(query + 1) * sizes.k
      let hits = places.map { (score: found.scores[$0], id: found.ids[$0]) }
      func score(_ id: Int64) -> Float {
        CanonicalScore.score(.innerProduct, asked, rows.row(Int(id)))
      }
      for (place, hit) in hits.enumerated() {
        guard rows.count > hit.id, hit.id >= 0, score(hit.id) == hit.score else {
          throw .wrongResult(
            sizes.task, device, "query \(query) has row \(hit.id) with score \(hit.score)")
        }
        guard place == 0 || ScoreOrder.largestFirst.ranks(hits[place - 1], ahead: hit) else {
          throw .wrongResult(sizes.task, device, "hits of query \(query) are out of order")
        }
      }
      let ids = Set(hits.map(\.id))
      let worst = hits[hits.count - 1]
      let step = Int64(max(1, rows.count / 5000))
      for id in stride(from: Int64(0), to: Int64(rows.count), by: Int64.Stride(step))
      where !ids.contains(id) {
        guard ScoreOrder.largestFirst.ranks(worst, ahead: (score(id), id)) else {
          throw .wrongResult(sizes.task, device, "query \(query) lacks row \(id)")
        }
        checked += 1
      }
      checked += hits.count
    }
    return checked
  }
}
