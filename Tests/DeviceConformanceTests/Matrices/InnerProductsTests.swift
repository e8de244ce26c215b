import TesseraCompute
import TestSupport
import Testing

@Suite("innerProducts")
struct InnerProductsTests {
  struct Input: Workload, CustomStringConvertible {
    var queries: Int
    var vectors: Int
    var dimension: Int
    var content: Content
    var work: Int { queries * vectors * dimension }
    var description: String { "\(content), \(queries) x \(vectors) x \(dimension), seed 51" }

    static let cases =
      [
        (0, 3, 4), (3, 0, 4), (3, 4, 0),  // nothing to multiply; empty sums are 0
        (1, 1, 1),  // the smallest
        (7, 13, 5),  // primes
        (15, 17, 16), (16, 16, 17), (17, 15, 15),  // around a vector width
        (31, 33, 32), (33, 31, 48), (32, 32, 33),  // around a sub-group
        (2, 3, 4096),  // long sums
        (129, 1025, 67),  // one past several tiles
      ].map { Input(queries: $0.0, vectors: $0.1, dimension: $0.2, content: .uniform) }
      + [Content.wildNorms, .farAway, .outlierDimension, .signedZeros, .tiny].map {
        Input(queries: 9, vectors: 21, dimension: 35, content: $0)
      }
  }

  @Test("stays within the bound of Float64", arguments: Subject.trials(.innerProducts, Input.cases))
  func bound(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    let dimension = input.dimension
    let queries = input.content.matrix(rows: input.queries, columns: dimension, seed: 51)
    let vectors = input.content.matrix(rows: input.vectors, columns: dimension, seed: 52)
    let queryMatrix = try Framed(
      queries, rows: input.queries, columns: dimension, filler: .nan, on: device)
    let vectorMatrix = try Framed(
      vectors, rows: input.vectors, columns: dimension, filler: .nan, on: device)
    let scores = try Framed(
      rows: input.queries, columns: input.vectors, filler: Float(-7), on: device)
    try device.innerProducts(queryMatrix.matrix, vectorMatrix.matrix, into: scores.matrix)
    let found = try #require(try scores.contents())
    var failure: String?
    for query in 0..<input.queries where failure == nil {
      for vector in 0..<input.vectors {
        let exact = Oracle.innerProduct(
          queries, from: query * dimension, by: 1, vectors, from: vector * dimension, by: 1,
          count: dimension)
        let score = found[query * input.vectors + vector]
        if !ProductBound.holds(score, exact.sum, magnitude: exact.magnitude, count: dimension) {
          failure = "\(score), expected \(exact.sum) at query \(query), vector \(vector)"
        }
      }
    }
    #expect(failure == nil)
  }

  @Test("NaN and infinity reach only the scores they belong to", arguments: Subject.present)
  func nonFinite(_ subject: Subject) throws {
    let device = try subject.device
    var vectors = [Float](repeating: 1, count: 35 * 3)
    vectors[33 * 3] = .nan
    vectors[34 * 3] = .infinity
    let scores = try device.allocate(Float.self, rows: 2, columns: 35)
    try device.innerProducts(
      device.upload([Float(1), 1, 1, 2, 2, 2], rows: 2, columns: 3),
      device.upload(vectors, rows: 35, columns: 3), into: scores)
    let found = try device.download(scores)
    for query in 0..<2 {
      let row = found[query * 35..<(query + 1) * 35]
      #expect(row.dropLast(2).allSatisfy { $0 == Float(3 * (query + 1)) })
      #expect(found[query * 35 + 33].isNaN && found[query * 35 + 34] == .infinity)
    }
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    for (queries, vectors, scores, text) in [
      ((2, 128), (3, 96), (2, 3), "innerProducts: queries have 128 columns, vectors have 96"),
      ((2, 4), (3, 4), (3, 2), "innerProducts: scores is 3 x 2, expected 2 x 3"),
    ] {
      let queries = try device.allocate(Float.self, rows: queries.0, columns: queries.1)
      let vectors = try device.allocate(Float.self, rows: vectors.0, columns: vectors.1)
      let scores = try device.allocate(Float.self, rows: scores.0, columns: scores.1)
      let error = refusal {
        try device.innerProducts(queries, vectors, into: scores)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
