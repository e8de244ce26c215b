import TesseraCompute
import TesseraIndex
import TestSupport
import Testing

/// An index of generated rows, and what it is compared with.
struct IndexCase {
  let rows: Vectors
  let queries: Vectors
  let ids: [Int64]
  let metric: Metric

  /// Rows around some centres, and queries near them; ids in no order.
  init(
    _ metric: Metric, rows count: Int = 1500, dimension: Int = 12, queries queryCount: Int = 30,
    seed: UInt64 = 1
  ) throws {
    var generator = RepeatableGenerator(seed: seed)
    func number() -> Float { Float(generator.below(2001)) / 1000 - 1 }
    let centres = (0..<20).map { _ in (0..<dimension).map { _ in 4 * number() } }
    func row() -> [Float] { centres[generator.below(20)].map { $0 + number() } }
    rows = try Vectors((0..<count).map { _ in row() })
    queries = try Vectors((0..<queryCount).map { _ in row() })
    ids = Self.ids(count, &generator)
    self.metric = metric
  }

  /// Rows and queries that are there already; ids in no order.
  init(_ metric: Metric, _ rows: Vectors, queries: Vectors, seed: UInt64) {
    var generator = RepeatableGenerator(seed: seed)
    self.rows = rows
    self.queries = queries
    ids = Self.ids(rows.count, &generator)
    self.metric = metric
  }

  private static func ids(_ count: Int, _ generator: inout RepeatableGenerator) -> [Int64] {
    var order = Array(0..<count)
    for last in order.indices.dropFirst().reversed() {
      order.swapAt(last, generator.below(last + 1))
    }
    return order.map { 7 * Int64($0) - 300 }
  }

  /// The hits of an exact search of all rows.
  func exact(_ limit: Limit, only selector: IDSelector? = nil) throws -> Neighbors {
    let device = ReferenceDevice.shared
    let set = try device.prepare(rows, in: RowLists(one: IDMap(ids)), metric: metric)
    return try device.nearest(queries, in: set, probing: nil, within: limit, only: selector)
  }

  func build(_ specification: String, on device: any Device) throws -> Index {
    try Index.build(specification, rows, metric: metric, ids: ids, on: device).index
  }
}

extension Neighbors {
  /// The share of the hits of `truth` that are among these.
  func recall(of truth: Neighbors) -> Double {
    var found = 0
    for query in 0..<queryCount {
      found += Set(truth[query].map(\.id)).intersection(self[query].map(\.id)).count
    }
    return Double(found) / Double(max(1, truth.ids.count))
  }
}
