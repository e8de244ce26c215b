import TesseraCompute
import TestSupport
import Testing

@Suite("canonicalScores")
struct CanonicalScoresTests {
  struct Input: Workload, CustomStringConvertible {
    var queries: Int
    var vectors: Int
    var dimension: Int
    var metric: Metric
    var content: Content
    var work: Int { 4 * queries * vectors * dimension }
    var description: String {
      "\(metric) of \(content), \(queries) x \(vectors) x \(dimension), seed 61"
    }

    static let cases = Metric.allCases.flatMap { metric in
      [
        (0, 3, 4), (3, 0, 4),  // nothing to score
        (1, 1, 1),  // the smallest
        (7, 13, 5),  // primes
        (15, 17, 16), (16, 16, 17), (17, 15, 15),  // around the sixteen lanes
        (3, 65, 31), (2, 64, 33), (2, 63, 32),  // around a group of vectors
        (129, 1025, 67),  // more than one task has
      ].map {
        Input(queries: $0.0, vectors: $0.1, dimension: $0.2, metric: metric, content: .uniform)
      }
        + Content.allCases.map {
          Input(queries: 5, vectors: 21, dimension: 35, metric: metric, content: $0)
        }
    }
  }

  @Test("are the same bits everywhere", arguments: Subject.trials(.canonicalScores, Input.cases))
  func bits(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    let queries = input.content.matrix(rows: input.queries, columns: input.dimension, seed: 61)
    let vectors = input.content.matrix(rows: input.vectors, columns: input.dimension, seed: 62)
    let queryMatrix = try Framed(
      queries, rows: input.queries, columns: input.dimension, filler: .nan, on: device)
    let vectorMatrix = try Framed(
      vectors, rows: input.vectors, columns: input.dimension, filler: .nan, on: device)
    let scores = try Framed(
      rows: input.queries, columns: input.vectors, filler: Float(-7), on: device)
    try device.canonicalScores(
      queryMatrix.matrix, vectorMatrix.matrix, metric: input.metric, into: scores.matrix)
    let found = try #require(try scores.contents())
    let expected = Oracle.scores(input.metric, queries, vectors, dimension: input.dimension)
    #expect(difference(found, expected, columns: max(1, input.vectors)) == nil)
  }

  @Test(
    "of listed rows of every type are the same bits everywhere",
    arguments: Subject.trials(
      .canonicalScores,
      Metric.allCases.flatMap { metric in
        ElementType.allCases.map {
          SearchCase(metric, $0, rows: 90, dimension: 19, queries: 5)
        }
      }))
  func listed(_ trial: Trial<SearchCase>) throws {
    let device = try trial.subject.device
    let rows = try trial.input.makeRows()
    let queries = try trial.input.makeQueries(rows).vectors
    let listed: [Int32] = [89, 0, 0, 7, 33, 32, 31, 5]
    let starts = [0, 3, 3, 7, 8, 8]
    let found = try device.canonicalScores(
      queries, with: rows.vectors, listed: listed, starts: starts, metric: trial.input.metric)
    let want = (0..<5).flatMap { query in
      listed[starts[query]..<starts[query + 1]].map {
        CanonicalScore.score(
          trial.input.metric, queries.row(query), rows.vectors.row(Int($0)))
      }
    }
    #expect(found.map(\.bitPattern) == want.map(\.bitPattern))
    for (listed, starts): ([Int32], [Int]) in [
      ([90], [0, 1, 1, 1, 1, 1]), ([-1], [0, 1, 1, 1, 1, 1]), ([1], [0, 1]),
      ([], [0, 1, 0, 0, 0, 0]),
    ] {
      #expect(
        refusal {
          try device.canonicalScores(
            queries, with: rows.vectors, listed: listed, starts: starts,
            metric: trial.input.metric)
        } != nil)
    }
  }

  @Test("refuse NaN and infinity and name the rows", arguments: Subject.present)
  func nonFinite(_ subject: Subject) throws {
    let device = try subject.device
    let scores = try device.allocate(Float.self, rows: 2, columns: 2)
    for bad in [Float.nan, .infinity, -.infinity] {
      let good = try device.upload([1, 2, 3, 4] as [Float], rows: 2, columns: 2)
      let spoilt = try device.upload([1, 2, bad, 4] as [Float], rows: 2, columns: 2)
      for (queries, vectors, name) in [(spoilt, good, "queries"), (good, spoilt, "vectors")] {
        let error = refusal {
          try device.canonicalScores(queries, vectors, metric: .innerProduct, into: scores)
        }
        #expect(error?.code == .nonFinite)
        #expect(
          error?.message.hasPrefix("canonicalScores: \(name): NaN or infinity in row 1;") == true,
          "\(error?.message ?? "none")")
      }
    }
  }

  @Test("refuse shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    for (queries, vectors, scores, text) in [
      ((2, 128), (3, 96), (2, 3), "canonicalScores: queries have 128 columns, vectors have 96"),
      ((2, 4), (3, 4), (3, 2), "canonicalScores: scores is 3 x 2, expected 2 x 3"),
    ] {
      let queries = try device.allocate(Float.self, rows: queries.0, columns: queries.1)
      let vectors = try device.allocate(Float.self, rows: vectors.0, columns: vectors.1)
      let scores = try device.allocate(Float.self, rows: scores.0, columns: scores.1)
      let error = refusal {
        try device.canonicalScores(queries, vectors, metric: .squaredL2, into: scores)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
