import TesseraCompute
import TestSupport
import Testing

/// Rows in lists, the lists that queries look at, and ids in any order.
private struct Grouping {
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
  fileprivate mutating func shuffled<Element>(_ values: [Element]) -> [Element] {
    var values = values
    for last in values.indices.dropFirst().reversed() { values.swapAt(last, below(last + 1)) }
    return values
  }
}

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
