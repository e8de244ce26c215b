import TesseraCPU
import TesseraCompute
import TesseraHost
import TesseraIndex
import TestSupport
import Testing

@Suite("Indexes")
struct IndexSearchTests {
  /// The squared length of such a row is beyond Float32.
  @Test(
    "finds the near rows beside one that is very far away",
    arguments: ["RaBitQ4", "IVF4,RaBitQ4", "IVF4,RaBitQ"], [Metric.squaredL2, .innerProduct])
  func farAway(_ specification: String, _ metric: Metric) throws {
    var values = (0..<200 * 8).map { Float($0 * 7 % 23) - 11 }
    values[199 * 8] = metric == .squaredL2 ? 1e20 : -1e20
    let rows = try Vectors(values, dimension: 8)
    let device = try Subject.cpu()
    let index = try Index.build(specification, rows, metric: metric, on: device).index
    let query = try Vectors([1, 2, 3, 4, 5, 6, 7, 8], dimension: 8)
    let found = try IndexSearch(index, on: device).nearest(query, k: 150, effort: .all).neighbors
    #expect(found.ids.count == 150 && !found.ids.contains(199))
  }

  @Test("find nearly all with the probes that a recall asks for", arguments: Metric.allCases)
  func recall(_ metric: Metric) throws {
    let input = try IndexCase(metric, rows: 4000, queries: 200)
    let device = try Subject.cpu()
    let index = try input.build("IVF50,Flat", on: device)
    let search = try IndexSearch(index, on: device)
    let truth = try input.exact(.k(10))
    var before = 0
    for target in [0.5, 0.9, 0.99, 1] {
      let report = try search.nearest(input.queries, k: 10, effort: .recall(target))
      #expect(report.neighbors.recall(of: truth) > target - 0.03, "\(target)")
      #expect(report.probes >= before && report.probes == index.probes(forRecall: target))
      before = report.probes
    }
  }

  @Test("prove hits only where no list left out holds a better row", arguments: Metric.allCases)
  func certificates(_ metric: Metric) throws {
    let input = try IndexCase(metric, queries: 100)
    let device = try Subject.cpu()
    let search = try IndexSearch(input.build("IVF24,Flat", on: device), on: device)
    for k in [1, 3, 10] {
      let truth = try input.exact(.k(k))
      for probes in [1, 3, 8, 16] {
        var certified = 0
        for query in 0..<100 {
          let report = try search.nearest(
            input.queries.rows(query..<query + 1), k: k, effort: .probes(probes))
          guard report.certifiedShare == 1 else { continue }
          certified += 1
          #expect(report.neighbors[0].elementsEqual(truth[query]))
        }
        // Distances prove something here; inner products of long queries need all lists.
        if metric == .squaredL2, probes == 16 { #expect(certified > 0) }
      }
    }
  }

  @Test("search the rows that are selected", arguments: Metric.allCases)
  func selected(_ metric: Metric) throws {
    let input = try IndexCase(metric)
    let device = try Subject.cpu()
    let index = try input.build("IVF24,Flat", on: device)
    let search = try IndexSearch(index, on: device)
    let few = try IDSelector.ids(input.ids.filter { $0 % 40 == 0 })
    let report = try search.nearest(input.queries, k: 5, effort: .probes(3), only: few)
    #expect(report.path == .selected)
    #expect(report.neighbors.difference(from: try input.exact(.k(5), only: few)) == nil)
    let many = try IDSelector.ids(input.ids.filter { $0 % 3 != 0 })
    let other = try search.nearest(input.queries, k: 5, effort: .probes(3), only: many)
    #expect(other.path == .lists)
    #expect(other.neighbors.ids.allSatisfy { many.contains($0) })
  }

  @Test("search rows of its own for each query", arguments: ["Flat", "IVF24,Flat", "IVF24,SQ8"])
  func selectedEach(_ specification: String) throws {
    let input = try IndexCase(.innerProduct)
    let device = try Subject.cpu()
    let search = try IndexSearch(input.build(specification, on: device), on: device)
    let selectors = try (0..<3).map { rest in
      try IDSelector.ids(input.ids.filter { $0 % 3 == rest })
    }
    let choices = (0..<input.queries.count).map { $0 * 7 % 3 }
    let report = try search.nearest(
      input.queries, within: .k(6), effort: .all, onlyEach: selectors, choices: choices)
    for query in 0..<input.queries.count {
      let alone = try search.nearest(
        input.queries.rows(query..<query + 1), k: 6, effort: .all, only: selectors[choices[query]])
      #expect(report.neighbors[query].elementsEqual(alone.neighbors[0]), "\(query)")
    }
    #expect(report.neighbors.queryCount == input.queries.count && report.rowsPerQuery == 1500)
    let each = try search.nearest(
      input.queries.rows(0..<3), within: .k(6), effort: .all,
      onlyEach: choices[..<3].map { selectors[$0] })
    #expect(each.neighbors[1].elementsEqual(report.neighbors[1]))
    for (choices, code) in [
      ([0], TesseraError.Code.invalidShape), (choices.map { $0 + 1 }, .invalidArgument),
    ] {
      let error = refusal {
        try search.nearest(input.queries, within: .k(1), onlyEach: selectors, choices: choices)
      }
      #expect(error?.code == code)
    }
  }

  @Test("of more rows than lists would hold find k of the selected ones all the same")
  func selectedFew() throws {
    let input = try IndexCase(.squaredL2)
    let device = try Subject.cpu()
    let search = try IndexSearch(input.build("IVF24,Flat", on: device), on: device)
    // Half as many again as the rows of a list, of which a list would hold four.
    let some = try IDSelector.ids(Array(input.ids.prefix(150)))
    let report = try search.nearest(input.queries, k: 10, effort: .probes(1), only: some)
    #expect(report.path == .selected)
    #expect(report.neighbors.difference(from: try input.exact(.k(10), only: some)) == nil)
  }

  @Test(
    "with scores beyond Float32 say so and name the query",
    arguments: [Metric.squaredL2, .innerProduct])
  func huge(_ metric: Metric) throws {
    let device = try Subject.cpu()
    let rows = try Vectors((0..<400).map { [Float($0) * 1e28, 3e30] })
    let index = try Index.build("IVF4,Flat", rows, metric: metric, on: device).index
    let queries = try Vectors([[1, 1], [2e30, 2e30]])
    let search = try IndexSearch(index, on: device)
    let error = refusal { try search.nearest(queries.rows(1..<2), k: 3) }
    #expect(error?.code == .nonFinite)
    #expect(error?.message.contains("row 0 ") == true, "\(error.debugDescription)")
    if metric == .innerProduct {
      #expect(refusal { try search.nearest(queries, k: 3) }?.message.contains("row 1 ") == true)
    }
  }

  @Test(
    "of rows of every type score hits again alike on every device",
    arguments: Metric.allCases, ElementType.allCases)
  func elements(_ metric: Metric, _ element: ElementType) throws {
    let sample = SearchCase(metric, element, rows: 300, dimension: 19, queries: 9)
    let rows = try sample.makeRows()
    let queries = try sample.makeQueries(rows).vectors
    var expected: Neighbors?
    for subject in Subject.present {
      let device = try subject.device
      let index = try Index.build("PQ4x4,RFlat", rows.vectors, metric: metric, on: device).index
      let found = try IndexSearch(index, on: device).nearest(queries, k: 5).neighbors
      if let expected { #expect(found.difference(from: expected) == nil, "\(subject)") }
      expected = found
      let hit = found[0][0]
      #expect(
        hit.score
          == CanonicalScore.score(metric, queries.row(0), rows.vectors.row(Int(hit.id))))
    }
  }

  @Test(
    "larger than their memory give the same hits",
    arguments: ["Flat", "IVF24,Flat", "IVF24,SQ8", "RR,IVF24,SQ8"])
  func memory(_ specification: String) throws {
    let input = try IndexCase(.innerProduct)
    let device = try Subject.cpu()
    let index = try input.build(specification, on: device)
    let whole = try IndexSearch(index, on: device)
    let small = try IndexSearch(
      index, on: device, options: .init(memoryBudget: 40_000, batchSize: 7))
    for effort in [IndexSearch.Effort.all, .probes(4)] {
      let want = try whole.nearest(input.queries, k: 10, effort: effort).neighbors
      let found = try small.nearest(input.queries, k: 10, effort: effort).neighbors
      #expect(found.difference(from: want) == nil)
    }
    #expect(
      refusal {
        try IndexSearch(index, on: device, options: .init(memoryBudget: 100))
          .nearest(input.queries, k: 1)
      }?.code == .invalidArgument)
  }

  @Test("of equal rows, and of fewer rows than neighbors, work")
  func degenerate() throws {
    let device = try Subject.cpu()
    let equal = try Vectors([Float](repeating: 1, count: 3 * 40), dimension: 3)
    let index = try Index.build("IVF4,Flat", equal, metric: .squaredL2, on: device).index
    let found = try IndexSearch(index, on: device).nearest(equal.rows(0..<2), k: 50, effort: .all)
    #expect(found.neighbors[0].map(\.id) == Array(0..<40))
    let one = try Index.build("IVF1,Flat", equal.rows(0..<1), metric: .cosine, on: device).index
    #expect(
      try IndexSearch(one, on: device).nearest(equal.rows(0..<1), k: 3).neighbors.ids == [0])
  }

  @Test("take any number of hits, of which some are scored again")
  func anyNumber() throws {
    let input = try IndexCase(.squaredL2, rows: 100)
    let device = try Subject.cpu()
    let search = try IndexSearch(input.build("IVF4,SQ8,RFlat", on: device), on: device)
    let found = try search.nearest(input.queries, k: .max, effort: .all).neighbors
    #expect(found.difference(from: try input.exact(.k(100))) == nil)
  }

  @Test("give rows back")
  func reconstruct() throws {
    let input = try IndexCase(.squaredL2)
    let device = try Subject.cpu()
    let rows = try input.build("IVF24,Flat", on: device)
    let codes = try input.build("IVF24,SQ8", on: device)
    for row in [0, 700, 1499] {
      let id = input.ids[row]
      #expect(try rows.reconstruct(id, on: device) == input.rows.row(row))
      let near = try codes.reconstruct(id, on: device)
      #expect(zip(near, input.rows.row(row)).allSatisfy { abs($0 - $1) < 0.05 })
    }
    #expect(refusal { try rows.reconstruct(2, on: device) }?.code == .invalidArgument)
  }

  @Test("refuse what cannot be built or searched, by name")
  func refusals() throws {
    let input = try IndexCase(.squaredL2, rows: 20)
    let device = try Subject.cpu()
    for (specification, code, text) in [
      ("IVF21,Flat", TesseraError.Code.invalidShape, "IVF21"),
      ("IVF0,Flat", .invalidArgument, "IVF0"),
      ("IVF4", .invalidArgument, "IVF4,Flat"),
      ("IVF4,XY7", .invalidArgument, "XY7"), ("", .invalidArgument, "Flat"),
    ] {
      let error = refusal {
        try Index.build(specification, input.rows, metric: .squaredL2, on: device)
      }
      #expect(error?.code == code && error?.message.contains(text) == true, "\(specification)")
    }
    #expect(
      refusal {
        try Index.build(
          "Flat", input.rows, metric: .squaredL2, ids: Array(repeating: 5, count: 20), on: device)
      }?.message.contains("id 5") == true)
    let search = try IndexSearch(input.build("IVF4,Flat", on: device), on: device)
    for effort in [IndexSearch.Effort.probes(0), .recall(0), .recall(1.5)] {
      #expect(
        refusal { try search.nearest(input.queries, k: 1, effort: effort) }?.code
          == .invalidArgument)
    }
    #expect(refusal { try search.nearest(input.queries, k: 0) }?.code == .invalidArgument)
    let wrong = try Vectors([1, 2], dimension: 2)
    #expect(refusal { try search.nearest(wrong, k: 1) }?.code == .invalidShape)
  }
}

extension Subject {
  /// The CPU as users get it.
  static func cpu() throws -> any Device { try sharedCPU.get() }
  private static let sharedCPU = Result { try CPUDevice(threads: 2) }
}
