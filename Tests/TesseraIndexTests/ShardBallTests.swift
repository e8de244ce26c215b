import TestSupport
import Testing

@testable import TesseraCompute
@testable import TesseraIndex

@Suite("Balls of shards")
struct ShardBallTests {
  private static let dimension = 5

  /// Rows of some clusters, cluster after cluster, and queries near some of them.
  private static func made(
    _ seed: UInt64, clusters: Int, each: Int, spread: Float
  ) throws -> (rows: Vectors, queries: Vectors) {
    var random = SplitMix64(seed: seed)
    let centers = (0..<clusters * dimension).map { _ in 10 * random.nextGaussian() }
    func rows(_ cluster: Int, _ count: Int) -> [Float] {
      (0..<count).flatMap { _ in
        (0..<dimension).map { centers[cluster * dimension + $0] + spread * random.nextGaussian() }
      }
    }
    let all = (0..<clusters).flatMap { rows($0, each) }
    return (
      try Vectors(all, dimension: dimension),
      try Vectors((0..<clusters).flatMap { rows($0, 2) } + [0, 0, 0, 0, 0], dimension: dimension)
    )
  }

  @Test("no row is better than the bound of its ball", arguments: Metric.allCases)
  func bounds(_ metric: Metric) throws {
    for (seed, spread) in [(1, 0), (2, 1e-3), (3, 1), (4, 40)] as [(UInt64, Float)] {
      let (rows, queries) = try Self.made(seed, clusters: 6, each: 20, spread: spread)
      let ranges = (0..<6).map { $0 * 20..<($0 + 1) * 20 } + [0..<120, 5..<6]
      let balls = try ranges.map { try ShardBall(of: rows.rows($0), metric: metric) }
      let bounds = try ShardBall.bounds(balls, of: queries)
      for query in 0..<queries.count {
        for (shard, range) in ranges.enumerated() {
          let bound = bounds[query * ranges.count + shard]
          for row in range {
            let score = CanonicalScore.score(metric, queries.row(query), rows.row(row))
            #expect(!metric.order.ranks(score, ahead: bound), "\(score), \(bound)")
          }
        }
      }
      // A ball without room is no looser than rounding.
      if metric == .squaredL2, spread == 0 {
        let score = CanonicalScore.score(metric, queries.row(3), rows.row(0))
        #expect(bounds[3 * ranges.count] > score * 0.99999)
      }
    }
  }

  @Test("a search that leaves shards out finds the bytes of all", arguments: Metric.allCases)
  func search(_ metric: Metric) throws {
    let (rows, queries) = try Self.made(5, clusters: 8, each: 25, spread: 0.5)
    let device = ReferenceDevice.shared
    let k = 4
    let ranges = (0..<8).map { $0 * 25..<($0 + 1) * 25 }
    let balls = try ranges.map { try ShardBall(of: rows.rows($0), metric: metric) }
    let bounds = try ShardBall.bounds(balls, of: queries)
    let want = try IndexSearch(rows, metric: metric, on: device).nearest(queries, k: k).neighbors
    var leftOut = 0
    for query in 0..<queries.count {
      let asked = queries.rows(query..<query + 1)
      let own = Array(bounds[query * 8..<(query + 1) * 8])
      var found = Neighbors.none(queryCount: 1)
      var searched = [Bool](repeating: false, count: 8)
      while true {
        let left = try ShardBall.left(
          own, after: found, k: k, order: metric.order, searched: searched)
        // The best of those that are left.
        guard
          let shard = left.indices.filter({ left[$0] }).min(by: {
            metric.order.ranks(own[$0], ahead: own[$1])
          })
        else { break }
        let index = try Index(
          shard: rows.rows(ranges[shard]), firstID: Int64(ranges[shard].lowerBound), metric: metric)
        let hits = try IndexSearch(index, on: device).nearest(asked, k: k).neighbors
        found = try .mergingTopK([found, hits], k: k, order: metric.order)
        searched[shard] = true
      }
      #expect(found.ids == want[query].map(\.id))
      #expect(found.scores.map(\.bitPattern) == want[query].map(\.score.bitPattern))
      leftOut += searched.count { !$0 }
    }
    // The query without length can tell nothing apart, but by L2.
    #expect(leftOut > 40, "\(leftOut) of \(queries.count * 8) were left out")
  }

  @Test("ties between shards are looked at")
  func ties() throws {
    // Two shards of one and the same row: the later has the lower id.
    let rows = try Vectors([1, 2], dimension: 2)
    let ball = try ShardBall(of: rows, metric: .squaredL2)
    let bounds = try ShardBall.bounds([ball, ball], of: rows)
    let found = Neighbors(
      queryCount: 1, hitCount: 1, ids: [7], scores: [0], statistics: .none)
    #expect(
      try ShardBall.left(
        bounds, after: found, k: 1, order: .smallestFirst, searched: [true, false])
        == [false, true])
    #expect(
      try ShardBall.left(bounds, after: found, k: 2, order: .smallestFirst) == [true, true])
  }

  @Test("numbers beyond reason are refused, or rule nothing out")
  func extremes() throws {
    for scale: Float in [1e-30, 1e18, 3e38] {
      let rows = try Vectors([1, 0, 0.5, 0.25, 1, 0.5].map { $0 * scale }, dimension: 2)
      for metric in Metric.allCases {
        guard let ball = try? ShardBall(of: rows, metric: metric) else {
          #expect(scale > 1e38)
          continue
        }
        let bounds = try ShardBall.bounds([ball], of: rows)
        for query in 0..<3 {
          for row in 0..<3 {
            let score = CanonicalScore.score(metric, rows.row(query), rows.row(row))
            #expect(!metric.order.ranks(score, ahead: bounds[query]))
          }
        }
      }
    }
    let none = try ShardBall(of: Vectors([], dimension: 3), metric: .cosine)
    #expect(none.radius == 0 && none.center == [0, 0, 0])
    let bad: [() throws -> Void] = [
      { _ = try ShardBall(of: Vectors([1, .nan], dimension: 2), metric: .cosine) },
      { _ = try ShardBall(metric: .cosine, center: [], radius: 1) },
      { _ = try ShardBall(metric: .cosine, center: [1], radius: -1) },
      { _ = try ShardBall(metric: .cosine, center: [1], radius: .infinity) },
      { _ = try ShardBall.bounds([none], of: Vectors([1, 2], dimension: 2)) },
      { _ = try ShardBall.bounds([none], of: Vectors([1, 2, .nan], dimension: 3)) },
      {
        _ = try ShardBall.bounds(
          [none, ShardBall(metric: .squaredL2, center: [1, 2, 3], radius: 1)],
          of: Vectors([1, 2, 3], dimension: 3))
      },
      {
        _ = try ShardBall.left(
          [1, 2, 3], after: .none(queryCount: 2), k: 1, order: .smallestFirst)
      },
      {
        _ = try ShardBall.left(
          [1, 2], after: .none(queryCount: 2), k: 1, order: .smallestFirst, searched: [true])
      },
    ]
    for refuse in bad { #expect(throws: TesseraError.self) { try refuse() } }
  }
}
