import TestSupport
import Testing

@testable import TesseraCompute
@testable import TesseraIndex

@Suite("Shards")
struct ShardTests {
  /// Rows that repeat, so that ids break ties in and between shards.
  private static let rows: [Float] = {
    var random = SplitMix64(seed: 11)
    let some = (0..<40 * 4).map { _ in Float(Int(random.next() % 9)) - 4 }
    return some + some
  }()

  private static func search(
    _ range: Range<Int>, _ metric: Metric, k: Int
  ) throws -> Neighbors {
    let part = Array(rows[range.lowerBound * 4..<range.upperBound * 4])
    let index = try Index(
      shard: Vectors(part, dimension: 4), firstID: Int64(range.lowerBound), metric: metric)
    return try IndexSearch(index, on: ReferenceDevice.shared).nearest(
      Vectors(Array(rows.prefix(5 * 4)), dimension: 4), k: k
    ).neighbors
  }

  @Test("merged in any grouping and order give the bytes of the whole", arguments: Metric.allCases)
  func areTheWhole(_ metric: Metric) throws {
    let k = 6
    let whole = try Self.search(0..<80, metric, k: k)
    var random = SplitMix64(seed: 5)
    for _ in 0..<40 {
      // Shards may be empty, and shorter than k.
      let cuts = (0..<5).map { _ in Int(random.next() % 81) }.sorted()
      var parts = try zip([0] + cuts, cuts + [80]).map {
        try Self.search($0..<$1, metric, k: k)
      }
      while parts.count > 1 {
        parts.shuffle(using: &random)
        let some = 2 + Int(random.next() % UInt64(parts.count - 1))
        parts =
          [try Neighbors.mergingTopK(Array(parts[..<some]), k: k, order: metric.order)]
          + parts[some...]
      }
      #expect(parts[0].ids == whole.ids)
      #expect(parts[0].scores.map(\.bitPattern) == whole.scores.map(\.bitPattern))
      #expect(parts[0].starts == whole.starts)
    }
  }

  @Test("refuse ids and parts that do not fit")
  func refuse() throws {
    let rows = try Vectors([1, 2, 3, 4], dimension: 2)
    for firstID in [-1, Int64.max - 1] {
      #expect(throws: TesseraError.self) {
        try Index(shard: rows, firstID: firstID, metric: .squaredL2)
      }
    }
    let one = try Self.search(0..<9, .squaredL2, k: 2)
    let none = Neighbors.none(queryCount: 3)
    #expect(throws: TesseraError.self) {
      try Neighbors.mergingTopK([one, none], k: 2, order: .smallestFirst)
    }
    #expect(throws: TesseraError.self) {
      try Neighbors.mergingTopK([one], k: 0, order: .smallestFirst)
    }
    #expect(try Neighbors.mergingTopK([], k: 3, order: .smallestFirst).queryCount == 0)
  }

  @Test("an index in memory changes, and is compacted there")
  func changesInMemory() throws {
    let device = ReferenceDevice.shared
    let all = try Vectors(Self.rows, dimension: 4)
    let index = try Index.build("IVF4,Flat", all, metric: .squaredL2, on: device).index
    let living = LivingIndex(inMemory: try index.emptied(on: device))
    let search = try LivingSearch(living, on: device)
    #expect(living.isWritable && living.snapshot.count == 0)
    #expect(try living.add(all).count == 80)
    let found = try search.nearest(all.rows(0..<9), k: 3, effort: .all).neighbors
    #expect(try living.compact(on: device) && !living.snapshot.isChanged)
    #expect(try search.nearest(all.rows(0..<9), k: 3, effort: .all).neighbors.ids == found.ids)
    // It is what building makes of the same rows.
    #expect(living.snapshot.base.lists == index.lists)
    #expect(try living.remove(0..<40) == 40)
    #expect(try living.compact(on: device))
    let renumbered = try living.snapshot.base.renumbered()
    #expect(try living.snapshot.reconstruct([47], on: device) == all.row(47))
    #expect(try renumbered.reconstruct(7, on: device) == all.row(47))
    #expect(try !living.compact(on: device))
    try living.verify()
    try living.refresh()
  }
}
