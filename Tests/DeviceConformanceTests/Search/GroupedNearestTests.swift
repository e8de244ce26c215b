import TesseraCompute
import TestSupport
import Testing

@Suite("nearest over lists")
struct GroupedNearestTests {
  /// A score that the middle one of the best hundred has, so that about half of them are beyond it.
  private func middleScore(_ truth: Neighbors) -> Float {
    truth.queryCount == 0 || truth.hitCount == 0
      ? 0 : truth[0][min(50, truth.hitCount - 1)].score
  }

  private func expectExact(
    _ subject: Subject, _ input: SearchCase, _ grouping: Grouping, k: [Int] = [1, 10],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let device = try subject.device
    let rows = try input.makeRows()
    let queries = try input.makeQueries(rows)
    let truth = Oracle.neighbors(queries, in: rows, metric: input.metric)
    let set = try device.prepare(rows.vectors, in: grouping.lists, metric: input.metric)
    for limit in k.map({ Limit.k($0) }) + [.score(middleScore(truth))] {
      for probes in [grouping.probes, nil] {
        let found = try device.nearest(
          queries.vectors, in: set, probing: probes, within: limit, only: nil)
        let expected = grouping.expected(truth, input.metric, within: limit, probing: probes)
        #expect(
          found.difference(from: expected) == nil,
          "\(input), \(limit), \(probes == nil ? "all lists" : "some lists")",
          sourceLocation: sourceLocation)
      }
    }
  }

  @Test(
    "is exact for lists of every size around a panel, ids in any order",
    arguments: Subject.trials(
      .nearest,
      Metric.allCases.flatMap { metric in
        ElementType.allCases.map {
          SearchCase(metric, $0, rows: 300, dimension: 19, queries: 21)
        }
      }))
  func sizes(_ trial: Trial<SearchCase>) throws {
    let grouping = try Grouping(
      300, sizes: [0, 1, 31, 32, 33, 0, 64, 2], queries: 21, seed: trial.input.seed)
    try expectExact(trial.subject, trial.input, grouping, k: [1, 10, 40, 500])
  }

  @Test(
    "is exact for random cases",
    arguments: Subject.trials(.nearest, SearchCase.random(1...500)))
  func random(_ trial: Trial<SearchCase>) throws {
    var generator = RepeatableGenerator(seed: trial.input.seed)
    let sizes = (0...generator.below(5)).map { _ in generator.below(90) } + [1]
    let grouping = try Grouping(
      trial.input.rows, sizes: sizes, queries: trial.input.queries, share: 0.3,
      seed: trial.input.seed)
    try expectExact(trial.subject, trial.input, grouping, k: [1 + generator.below(60)])
  }

  /// Sets of rows whose ids lie in between each other, so that later ones hold rows that are as good as
  /// the last hit and come before it.
  private func expectSameInParts(_ trial: Trial<SearchCase>) throws {
    let (device, input) = (try trial.subject.device, trial.input)
    let rows = try input.makeRows()
    let queries = try input.makeQueries(rows).vectors
    var generator = RepeatableGenerator(seed: input.seed)
    let ids = (0..<Int64(rows.count)).shuffled(using: &generator)
    let whole = try device.prepare(
      rows.vectors, in: RowLists(one: IDMap(ids)), metric: input.metric)
    let cuts =
      [0, rows.count] + (0..<3).map { _ in Int(generator.below(rows.count + 1)) }
    let parts = zip(cuts.sorted(), cuts.sorted().dropFirst()).map { $0..<$1 }
    let sets = try parts.map {
      try device.prepare(
        rows.vectors.rows($0), in: RowLists(one: IDMap(Array(ids[$0]))), metric: input.metric)
    }
    for k in [1, 10, 40, rows.count + 1] {
      let expected = try device.nearest(queries, in: whole, k: k)
      var found: Neighbors?
      for set in sets {
        found = try device.nearest(
          queries, in: set, probing: nil, within: .k(k), only: nil, besides: found)
      }
      #expect(found?.difference(from: expected) == nil, "\(input), k = \(k), \(parts)")
    }
  }

  @Test(
    "is exact in sets that are searched one after the other",
    arguments: Subject.trials(.nearest, SearchCase.random(501...700)))
  func parts(_ trial: Trial<SearchCase>) throws { try expectSameInParts(trial) }

  @Test(
    "is exact in sets that are searched one after the other, whatever the numbers are",
    arguments: Subject.trials(.nearest, SearchCase.contents))
  func partsOfContents(_ trial: Trial<SearchCase>) throws { try expectSameInParts(trial) }

  @Test(
    "breaks ties by id, whatever the order of rows",
    arguments: Subject.trials(
      .nearest,
      Metric.allCases.flatMap { metric in
        [Content.allEqual, .duplicates].map {
          SearchCase(metric, .float32, rows: 700, dimension: 3, queries: 5, content: $0)
        }
      }))
  func ties(_ trial: Trial<SearchCase>) throws {
    let grouping = try Grouping(700, sizes: [100, 3, 250], queries: 5, share: 0.6, seed: 5)
    try expectExact(trial.subject, trial.input, grouping, k: [1, 7, 64, 700])
    // One list, rows in any order of ids.
    let one = try Grouping(700, sizes: [700], queries: 5, share: 1, seed: 6)
    try expectExact(trial.subject, trial.input, one, k: [1, 7, 64, 700])
  }

  @Test(
    "probing all lists gives the hits of one list",
    arguments: Subject.trials(
      .nearest,
      Metric.allCases.map {
        SearchCase($0, .float32, rows: 1500, dimension: 24, queries: 40, content: .duplicates)
      }))
  func all(_ trial: Trial<SearchCase>) throws {
    let device = try trial.subject.device
    let rows = try trial.input.makeRows()
    let queries = try trial.input.makeQueries(rows).vectors
    let metric = trial.input.metric
    let lists = try RowLists(
      starts: [0, 400, 400, 433, 1200, 1500], ids: .consecutive(from: 9, count: 1500))
    let flat = try device.prepare(rows.vectors, metric: metric, firstID: 9)
    let set = try device.prepare(rows.vectors, in: lists, metric: metric)
    for k in [1, 10, 100] {
      let want = try device.nearest(queries, in: flat, k: k)
      let probed = try device.nearest(
        queries, in: set, probing: .all(of: lists.count, queryCount: queries.count),
        within: .k(k), only: nil)
      #expect(probed.difference(from: want) == nil)
      #expect(try device.nearest(queries, in: set, k: k).difference(from: want) == nil)
    }
  }

  @Test(
    "searches the rows that are selected, for all queries or for each",
    arguments: Subject.trials(
      .nearest,
      Metric.allCases.map {
        SearchCase($0, .float32, rows: 500, dimension: 9, queries: 6, content: .duplicates)
      }))
  func selected(_ trial: Trial<SearchCase>) throws {
    let input = trial.input
    let device = try trial.subject.device
    let grouping = try Grouping(500, sizes: [70, 33, 5], queries: 6, seed: 8)
    let rows = try input.makeRows()
    let queries = try input.makeQueries(rows)
    let truth = Oracle.neighbors(queries, in: rows, metric: input.metric)
    let set = try device.prepare(rows.vectors, in: grouping.lists, metric: input.metric)
    let third = Set(grouping.ids.filter { $0 % 7 == 0 })
    for limit in [Limit.k(1), .k(12), .score(middleScore(truth))] {
      for probes in [grouping.probes, nil] {
        let found = try device.nearest(
          queries.vectors, in: set, probing: probes, within: limit, only: .ids(third))
        #expect(
          found.difference(
            from: grouping.expected(truth, input.metric, within: limit, probing: probes) {
              third.contains($0)
            }) == nil)
        let each = try (0..<6).map { query in
          query == 2 ? nil : try IDSelector.ids(third.filter { $0 % Int64(query + 1) == 0 })
        }
        let own = try device.nearest(
          queries.vectors, in: set, probing: probes, within: limit, onlyEach: each)
        for query in 0..<6 {
          let want = grouping.expected(truth, input.metric, within: limit, probing: probes) {
            each[query]?.contains($0) ?? true
          }
          #expect(own[query].elementsEqual(want[query]))
        }
      }
    }
  }

  @Test(
    "refuses what is no limit, no list, and probes of other queries", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    let rows = try Vectors([1, 2, 3, 4], dimension: 1)
    let lists = try RowLists(starts: [0, 1, 4], ids: IDMap([4, 9, 1, 7]))
    let set = try device.prepare(rows, in: lists, metric: .squaredL2)
    func code(_ probes: Probes?, _ limit: Limit) -> TesseraError.Code? {
      refusal {
        try device.nearest(rows, in: set, probing: probes, within: limit, only: nil)
      }?.code
    }
    #expect(code(nil, .k(0)) == .invalidArgument)
    #expect(code(nil, .score(.nan)) == .invalidArgument)
    #expect(
      code(try Probes(starts: [0, 1, 1, 1, 2], lists: [0, 2]), .k(1)) == .invalidArgument)
    #expect(code(.all(of: 2, queryCount: 3), .k(1)) == .invalidShape)
    #expect(
      code(try Probes(starts: [0, 1, 1, 1, 1], lists: [0], terms: [1]), .k(1))
        == .invalidArgument)
    #expect(
      refusal {
        try device.prepare(rows, in: RowLists(one: .consecutive(count: 3)), metric: .cosine)
      }?
      .code == .invalidShape)
    // Scores beyond which there is nothing, and everything.
    for metric in Metric.allCases {
      let set = try device.prepare(rows, in: lists, metric: metric)
      for (score, count) in [
        (metric == .squaredL2 ? -Float.infinity : .infinity, 0),
        (metric == .squaredL2 ? Float.infinity : -.infinity, 16),
        (metric == .squaredL2 ? -1 : 1e30, 0),
      ] {
        let found = try device.nearest(
          rows, in: set, probing: nil, within: .score(score), only: nil)
        #expect(found.ids.count == count)
      }
    }
  }
}
