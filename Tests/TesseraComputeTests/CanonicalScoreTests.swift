import TesseraCompute
import TestSupport
import Testing

@Suite("CanonicalScore")
struct CanonicalScoreTests {
  @Test(
    "agrees with the oracle to the last bit", arguments: Metric.allCases, Content.allCases)
  func oracle(_ metric: Metric, _ content: Content) throws {
    for dimension in Array(1...34) + [100, 1021] {
      let rows = try Sample(
        content, count: 8, dimension: dimension, element: .float32, seed: UInt64(dimension))
      let (queries, vectors) = (rows.vectors.rows(0..<2), rows.vectors.rows(2..<8))
      let expected = Oracle.scores(
        metric, queries.widened(), vectors.widened(), dimension: dimension)
      let found = (0..<2).flatMap { query in
        (0..<6).map { CanonicalScore.score(metric, queries.row(query), vectors.row($0)) }
      }
      #expect(difference(found, expected, columns: 6) == nil, "dimension \(dimension)")
    }
  }

  @Test("squared L2 is fused")
  func fused() {
    // Lane 0 adds 1 and then (1 + 2^-27)^2 = 1 + 2^-26 + 2^-54. The square alone rounds 2^-54 away;
    // the fused sum, just above the middle of two numbers, rounds up.
    let query = [1] + [Float](repeating: 0, count: 15) + [1]
    let vector = [0] + [Float](repeating: 0, count: 15) + [-0x1p-27]
    let sum = CanonicalScore.sum(.squaredL2, query, vector, count: 17)
    #expect(sum == (1.0).addingProduct(1 + 0x1p-27, 1 + 0x1p-27))
  }

  @Test("a zero score is positive, and vectors without length score 0")
  func zeros() {
    #expect(CanonicalScore.score(.innerProduct, [-0.0], [1]).bitPattern == 0)
    #expect(
      CanonicalScore.score(.innerProduct, [-Float.leastNonzeroMagnitude], [.leastNonzeroMagnitude])
        .bitPattern == 0)
    #expect(CanonicalScore.score(.cosine, [0, 0], [-1, 2]).bitPattern == 0)
    #expect(CanonicalScore.score(.cosine, [-1, 2], [0, -0.0]).bitPattern == 0)
    #expect(CanonicalScore.score(.squaredL2, [1], [1]).bitPattern == 0)
    for metric in Metric.allCases {
      #expect(CanonicalScore.score(metric, [], []).bitPattern == 0)
    }
  }

  @Test(
    "known values",
    arguments: [
      (Metric.innerProduct, Float(-5)), (.squaredL2, 26), (.cosine, -0.6454972),
    ])
  func known(_ metric: Metric, _ expected: Float) {
    let score = CanonicalScore.score(metric, [1, 2, -1], [0, -1, 3])
    #expect(score == expected)
  }

  @Test("overflows to infinity and nothing else")
  func overflow() {
    let huge: [Float] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude]
    let opposite = huge.map { -$0 }
    #expect(CanonicalScore.score(.innerProduct, huge, huge) == .infinity)
    #expect(CanonicalScore.score(.innerProduct, huge, opposite) == -.infinity)
    #expect(CanonicalScore.score(.squaredL2, huge, opposite) == .infinity)
    #expect(CanonicalScore.score(.cosine, huge, opposite) == -1)
    #expect(CanonicalScore.score(.innerProduct, huge, huge.reversed()) == -.infinity)
  }
}
