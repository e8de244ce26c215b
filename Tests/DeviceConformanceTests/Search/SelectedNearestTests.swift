import TesseraCompute
import TestSupport
import Testing

@Suite("nearest of selected rows")
struct SelectedNearestTests {
  /// Searches for one hit, some, all but one, all, and more than are selected.
  private func expectExact(
    _ subject: Subject, _ input: SearchCase, _ selections: [Selection], firstID: Int64 = 0,
    k counts: Set<Int>? = nil
  ) throws {
    let device = try subject.device
    let rows = try input.makeRows()
    let queries = try input.makeQueries(rows)
    let truth = Oracle.neighbors(queries, in: rows, metric: input.metric, firstID: firstID)
    let set = try device.prepare(rows.vectors, metric: input.metric, firstID: firstID)
    for selection in selections {
      let flags = selection.flags(rows.count)
      let selector = try selection.selector(rows.count, firstID: firstID)
      let selected = flags.count { $0 }
      let expected = truth.only(flags, firstID: firstID)
      let all: Set = [1, 10, selected - 1, selected, selected + 7]
      for k in counts ?? all where k > 0 {
        let found = try device.nearest(queries.vectors, in: set, k: k, only: selector)
        // No query means no hits to count.
        if queries.count > 0 {
          #expect(
            found.difference(from: expected.best(k)) == nil, "\(input), \(selection), k = \(k)")
        }
        #expect(found.hitCount == min(k, selected), "\(input), \(selection), k = \(k)")
      }
    }
  }

  @Test(
    "are what Float64 brute force finds among them",
    arguments: Subject.trials(
      .nearest,
      SearchCase.every(rows: 97, dimension: 13, queries: 5, content: .clustered)
        + [(0, 3), (1, 3), (31, 2), (32, 2), (33, 2), (64, 2), (65, 9), (5, 0)].map {
          SearchCase(.squaredL2, .float32, rows: $0.0, dimension: 7, queries: $0.1)
        }))
  func selections(_ trial: Trial<SearchCase>) throws {
    try expectExact(trial.subject, trial.input, Selection.all)
  }

  @Test(
    "are exact whatever the numbers are", arguments: Subject.trials(.nearest, SearchCase.contents))
  func contents(_ trial: Trial<SearchCase>) throws {
    try expectExact(
      trial.subject, trial.input,
      [.flags("every other") { row, _ in row % 2 == 0 }, .range("the middle") { $0 / 3..<$0 / 2 }],
      k: [1, 10, 1000])
  }

  @Test(
    "are exact when the threshold rises from chunk to chunk",
    arguments: Subject.trials(.nearest, SearchCase.severalChunks))
  func severalChunks(_ trial: Trial<SearchCase>) throws {
    try expectExact(
      trial.subject, trial.input,
      [
        .random(0.5, seed: 3), .random(0.01, seed: 4), .range("late") { $0 * 3 / 4..<$0 - 1 },
      ], k: [1, 10, 100])
  }

  @Test(
    "are exact where rows are rounded for the filter",
    arguments: Subject.trials(.nearest, SearchCase.rounded))
  func rounded(_ trial: Trial<SearchCase>) throws {
    try expectExact(trial.subject, trial.input, [.random(0.3, seed: 5)], k: [1, 10, 100])
  }

  @Test(
    "are exact for random cases", arguments: Subject.trials(.nearest, SearchCase.random(1...200)))
  func random(_ trial: Trial<SearchCase>) throws {
    let seed = trial.input.seed
    var generator = RepeatableGenerator(seed: seed)
    let share = generator.pick([0.02, 0.2, 0.5, 0.9])
    try expectExact(
      trial.subject, trial.input, [.random(share, seed: seed)], firstID: Int64(generator.below(99)))
  }

  @Test(
    "have ids from firstID on, beyond 32 bits", arguments: Subject.present,
    [1, 33, 5_000_000_000, -50] as [Int64])
  func firstIDs(_ subject: Subject, _ firstID: Int64) throws {
    try expectExact(
      subject,
      SearchCase(.innerProduct, .float32, rows: 70, dimension: 5, queries: 3, content: .duplicates),
      Selection.all, firstID: firstID)
  }

  @Test(
    "break ties by id among themselves",
    arguments: Subject.trials(
      .nearest,
      Metric.allCases.map {
        SearchCase($0, .float32, rows: 2003, dimension: 3, queries: 3, content: .allEqual)
      }))
  func ties(_ trial: Trial<SearchCase>) throws {
    try expectExact(
      trial.subject, trial.input,
      [.flags("the later half") { $0 >= $1 / 2 }, .list("every fifth") { row, _ in row % 5 == 4 }])
  }

  @Test(
    "merged from the chunks of a set are those of the whole",
    arguments: Subject.trials(
      .nearest, SearchCase.every(rows: 83, dimension: 13, queries: 5, content: .duplicates)))
  func chunks(_ trial: Trial<SearchCase>) throws {
    let device = try trial.subject.device
    let metric = trial.input.metric
    let rows = try trial.input.makeRows()
    let queries = try trial.input.makeQueries(rows)
    let truth = Oracle.neighbors(queries, in: rows, metric: metric)
    for selection in [Selection.random(0.4, seed: 8), .range("40 to 60") { _ in 40..<60 }] {
      let selector = try selection.selector(83)
      var merged = Neighbors.none(queryCount: queries.count)
      for chunk in [0..<40, 40..<41, 41..<41, 41..<83] {
        let set = try device.prepare(
          rows.vectors.rows(chunk), metric: metric, firstID: Int64(chunk.lowerBound))
        let hits = try device.nearest(queries.vectors, in: set, k: 9, only: selector)
        merged = merged.merged(with: hits, k: 9, order: metric.order)
      }
      #expect(merged.difference(from: truth.only(selection.flags(83)).best(9)) == nil)
    }
  }

  @Test("leave the set as it was for the next search", arguments: Subject.present)
  func unrestrictedAfter(_ subject: Subject) throws {
    let device = try subject.device
    let input = SearchCase(.squaredL2, .float32, rows: 100, dimension: 7, queries: 3)
    let rows = try input.makeRows()
    let queries = try input.makeQueries(rows)
    let set = try device.prepare(rows.vectors, metric: .squaredL2)
    _ = try device.nearest(queries.vectors, in: set, k: 4, only: .range(3..<5))
    let truth = Oracle.neighbors(queries, in: rows, metric: .squaredL2).best(4)
    let found = try device.nearest(queries.vectors, in: set, k: 4)
    #expect(found.difference(from: truth) == nil)
  }

  @Test("are refused what all rows are refused, even if there are none", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    let set = try device.prepare(Vectors([1, 2, 3, 4, 5, 6], dimension: 3), metric: .cosine)
    let query = try Vectors([1, 2, 3], dimension: 3)
    let bad = try Vectors([1, 2, 3, .nan, 0, 0], dimension: 3)
    for selector in [IDSelector.range(0..<1), .range(7..<9), .flags([])] {
      #expect(
        refusal { try device.nearest(query, in: set, k: 0, only: selector) }?.code
          == .invalidArgument)
      #expect(
        refusal { try device.nearest(Vectors([1], dimension: 1), in: set, k: 1, only: selector) }?
          .code == .invalidShape)
      let error = refusal { try device.nearest(bad, in: set, k: 1, only: selector) }
      #expect(error?.code == .nonFinite)
      #expect(error?.message.contains("row 1") == true, "\(error?.message ?? "none")")
      #expect(try device.nearest(query, in: set, k: .max, only: selector).queryCount == 1)
    }
  }
}
