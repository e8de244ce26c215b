import TesseraCompute

/// Holds the hits that the last call of a search found.
final class LastHits {
  var neighbors = Neighbors.none(queryCount: 0)
}

extension Workload {
  /// Checks that the hits of the first and last query are in order, the largest scores first, that
  /// they have their scores, and that no row of a sample should have been among them. Returns how
  /// many numbers were compared.
  static func check(
    _ found: Neighbors, _ task: BenchmarkTask, queries: Int, rows: Int, k: Int,
    on device: any Device, score: (_ query: Int, _ row: Int) -> Float
  ) throws(TesseraError) -> Int {
    guard found.hitCount == k, found.queryCount == queries else {
      throw .wrongResult(
        task, device,
        "\(found.hitCount) hits for \(found.queryCount) queries, not \(k) for \(queries)")
    }
    var checked = 0
    for query in Set([0, queries - 1]) {
      let places = query * k..<(query + 1) * k
      let hits = places.map { (score: found.scores[$0], id: found.ids[$0]) }
      for (place, hit) in hits.enumerated() {
        guard rows > hit.id, hit.id >= 0, score(query, Int(hit.id)) == hit.score else {
          throw .wrongResult(
            task, device, "query \(query) has row \(hit.id) with score \(hit.score)")
        }
        guard place == 0 || ScoreOrder.largestFirst.ranks(hits[place - 1], ahead: hit) else {
          throw .wrongResult(task, device, "hits of query \(query) are out of order")
        }
      }
      let ids = Set(hits.map(\.id))
      let worst = hits[hits.count - 1]
      for row in stride(from: 0, to: rows, by: max(1, rows / 5000))
      where !ids.contains(Int64(row)) {
        guard ScoreOrder.largestFirst.ranks(worst, ahead: (score(query, row), Int64(row))) else {
          throw .wrongResult(task, device, "query \(query) lacks row \(row)")
        }
        checked += 1
      }
      checked += hits.count
    }
    return checked
  }
}
