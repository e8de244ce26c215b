import TesseraCompute
import TestSupport

/// Rows in lists, the lists that queries look at, and ids in any order.
struct Grouping {
  let ids: [Int64]
  let lists: RowLists
  let probes: Probes

  /// Cuts `count` rows into lists of the sizes given, again and again, and lets each query look at
  /// some of them.
  init(
    _ count: Int, sizes: [Int], queries: Int, ids: [Int64]? = nil, share: Double = 0.4,
    seed: UInt64
  ) throws {
    var generator = RepeatableGenerator(seed: seed)
    var starts = [0]
    var next = 0
    while starts[starts.count - 1] < count {
      starts.append(min(count, starts[starts.count - 1] + sizes[next % sizes.count]))
      next += 1
    }
    if starts.count == 1 { starts.append(count) }
    let all = ids ?? generator.shuffled(Array(0..<count)).map { 3 * Int64($0) - 50 }
    self.ids = all
    lists = try RowLists(starts: starts, ids: IDMap(all))
    var entries: [Int32] = []
    var ends = [0]
    for _ in 0..<queries {
      let order = generator.shuffled(Array(0..<Int32(starts.count - 1)))
      entries += order.prefix(generator.below(Int(Double(order.count) * 2 * share) + 2))
      ends.append(entries.count)
    }
    probes = try Probes(starts: ends, lists: entries)
  }

  /// The hits that a search has to find, out of the oracle's order of all rows.
  func expected(
    _ truth: Neighbors, _ metric: Metric, within limit: Limit, probing probes: Probes?,
    only selects: (Int64) -> Bool = { _ in true }
  ) -> Neighbors {
    var listOfRow: [Int32] = []
    for list in 0..<lists.count { listOfRow += lists[list].map { _ in Int32(list) } }
    let none = Neighbors.none(
      queryCount: 0, hitCount: probes == nil ? limit.hitCount(of: ids.count(where: selects)) : 0)
    return (0..<truth.queryCount).reduce(into: none) { all, query in
      var hits = truth[query].filter { hit in
        (probes?[query].contains(listOfRow[Int(hit.id)]) ?? true) && selects(ids[Int(hit.id)])
      }.map { Hit(id: ids[Int($0.id)], score: $0.score) }
      hits.sort { metric.order.ranks(($0.score, $0.id), ahead: ($1.score, $1.id)) }
      switch limit {
      case .k(let k): hits = Array(hits.prefix(k))
      case .score(let score): hits = hits.filter { metric.order.ranks($0.score, ahead: score) }
      }
      all.append(
        Neighbors(
          queryCount: 1, hitCount: hits.count, ids: hits.map(\.id), scores: hits.map(\.score),
          statistics: truth.statistics))
    }
  }
}

extension Limit {
  /// The hits of every query that looks at `count` rows, if that is known beforehand.
  fileprivate func hitCount(of count: Int) -> Int {
    if case .k(let k) = self { min(k, count) } else { 0 }
  }
}

extension RepeatableGenerator {
  mutating func shuffled<Element>(_ values: [Element]) -> [Element] {
    var values = values
    for last in values.indices.dropFirst().reversed() { values.swapAt(last, below(last + 1)) }
    return values
  }
}
