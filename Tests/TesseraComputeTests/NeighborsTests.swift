import TesseraCompute
import Testing

@Suite("Neighbors")
struct NeighborsTests {
  private func hits(
    _ ids: [[Int64]], _ scores: [[Float]], certified: Bool = true
  ) -> Neighbors {
    Neighbors(
      queryCount: ids.count, hitCount: ids[0].count, ids: ids.flatMap { $0 },
      scores: scores.flatMap { $0 },
      statistics: SearchStatistics(certified: certified, candidates: 10, rescored: 4))
  }

  @Test("merging keeps the best of both, ties by lower id")
  func merging() {
    let a = hits([[7, 2], [1, 5]], [[9, 4], [3, 3]])
    let b = hits([[3, 8, 9], [0, 2, 9]], [[9, 4, 1], [3, 3, 2]])
    let best = a.merged(with: b, k: 4, order: .largestFirst)
    #expect(best.ids == [3, 7, 2, 8, 0, 1, 2, 5])
    #expect(best.scores == [9, 9, 4, 4, 3, 3, 3, 3])
    #expect(best.queryCount == 2 && best.hitCount == 4)
    #expect(b.merged(with: a, k: 4, order: .largestFirst) == best)
  }

  @Test("merging follows the order of distances too")
  func distances() {
    let a = hits([[4, 1]], [[0, 5]])
    let b = hits([[3, 0]], [[-0.0, 7]])
    #expect(a.merged(with: b, k: 3, order: .smallestFirst).ids == [3, 4, 1])
  }

  @Test("merging finds all there are when k is larger, and none for k = 0")
  func ends() {
    let a = hits([[4, 1]], [[2, 1]])
    let nothing = Neighbors.none(queryCount: 1)
    #expect(a.merged(with: nothing, k: 9, order: .largestFirst).ids == [4, 1])
    #expect(nothing.merged(with: a, k: 1, order: .largestFirst).ids == [4])
    #expect(nothing.merged(with: nothing, k: 3, order: .largestFirst).hitCount == 0)
    #expect(a.merged(with: a, k: 0, order: .largestFirst).ids == [])
  }

  @Test("merging and appending add the work and need both certificates")
  func statistics() {
    let sure = hits([[1]], [[1]])
    let unsure = hits([[2]], [[1]], certified: false)
    let merged = sure.merged(with: unsure, k: 1, order: .largestFirst).statistics
    #expect(merged == SearchStatistics(certified: false, candidates: 20, rescored: 8))
    var batches = sure
    batches.append(unsure)
    #expect(batches.statistics == merged)
    #expect(sure.merged(with: sure, k: 1, order: .largestFirst).statistics.certified)
  }

  @Test("appending puts later queries after earlier ones")
  func appending() {
    var all = Neighbors.none(queryCount: 0)
    all.append(hits([[1, 2]], [[5, 4]]))
    all.append(hits([[3, 4], [5, 6]], [[3, 2], [1, 0]]))
    #expect(all.queryCount == 3 && all.hitCount == 2)
    #expect(all.ids == [1, 2, 3, 4, 5, 6] && all.scores == [5, 4, 3, 2, 1, 0])
  }

  @Test("NaN ranks behind everything in both orders", arguments: ScoreOrder.allCases)
  func nan(_ order: ScoreOrder) {
    for score: Float in [0, -.infinity, .infinity] {
      #expect(order.ranks((score: score, id: 9), ahead: (score: .nan, id: 0)))
      #expect(!order.ranks((score: .nan, id: 0), ahead: (score: score, id: 9)))
    }
    #expect(order.ranks((score: .nan, id: 0), ahead: (score: -.nan, id: 1)))
    #expect(order.ranks((score: -0.0, id: 0), ahead: (score: 0, id: 1)))
    #expect(order.ranks((score: 0, id: 0), ahead: (score: -0.0, id: 1)))
  }
}
