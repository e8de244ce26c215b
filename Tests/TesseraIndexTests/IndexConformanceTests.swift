import Foundation
import TesseraCompute
import TesseraHost
import TestSupport
import Testing

@testable import TesseraIndex

/// Every kind of index in every way of searching it, against the oracle. To test another kind, add one
/// of its strings to `specifications`.
@Suite("Every index")
struct IndexConformanceTests {
  /// Every code alone and in lists, every transform, hits scored again, and ids of the caller.
  static let specifications =
    [
      "Flat", "IDMap,IVF8,Flat", "SQ8", "IVF8,SQ8", "IVF8,SQ6", "IVF8,SQ4", "IVF8,SQfp16",
      "PQ6x4", "IVF8,PQ6x4fs", "PQ3x8", "IVF8,PQ3x8", "IVF8,PQ2x5", "IVF8,OPQ3,PQ3x4", "RQ2x4",
      "IVF8,RQ2x4", "IVF8,PRQ2x2x4", "IVF8,LRVQ6_3x4",
    ]
    + ["RaBitQ", "RaBitQ4"] + (1...9).map { $0 == 1 ? "IVF8,RaBitQ" : "IVF8,RaBitQ\($0)" }
    + [
      "PCA6,Flat", "PCAR6,IVF8,Flat", "RR,IVF8,SQ8", "L2norm,IVF8,Flat", "Center,IVF8,RaBitQ2",
      "OPQ3_9,PQ3x4", "Center,L2norm,PCA4,IVF8,Flat,RFlat", "OPQ6,IVF8,PQ6x4fs,RFlat",
      "RR5,Flat,RFlat", "IVF8,SQ4,RFlat", "PQ3x4,RFlat", "IVF8,RaBitQ3,RFlat",
    ]

  /// Searches `index` in many ways on a device, and compares each with the oracle.
  private func expectOracle(
    _ index: Index, _ input: IndexCase, _ oracle: IndexOracle, on device: any Device,
    _ comment: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let search = try IndexSearch(index, on: device, options: .init(batchSize: 5))
    let filters = try Filter.all(input.ids)
    let limits: [Limit] = [.k(1), .k(10), .k(2000), .score(oracle.middle)]
    let efforts: [IndexSearch.Effort] = [.all, .probes(1), .probes(3)]
    // Every filter, every limit with every effort.
    let ways = (0..<12).map {
      (limits[$0 % 4], efforts[$0 % 3], filters[($0 + $0 / 4) % filters.count])
    }
    for (limit, effort, filter) in ways {
      let report = try search.nearest(
        input.queries, within: limit, effort: effort, only: filter.selector)
      let want = oracle.hits(
        limit, probes: report.path == .lists ? report.probes : nil, only: filter.selects)
      #expect(
        report.neighbors.difference(from: want) == nil,
        "\(comment), \(limit), \(effort), \(filter)", sourceLocation: sourceLocation)
      #expect(effort != .all || report.path == .all, sourceLocation: sourceLocation)
    }
  }

  @Test(
    "finds the rows that the oracle finds, on every device", arguments: Metric.allCases,
    specifications)
  func everyDevice(_ metric: Metric, _ specification: String) throws {
    let input = try IndexCase(metric, rows: 300, queries: 7)
    let index = try input.build(specification, on: Subject.cpu())
    let oracle = try IndexOracle(index, input.queries)
    for subject in Subject.present {
      try expectOracle(index, input, oracle, on: subject.device, "\(subject)")
    }
  }

  @Test(
    "is built to the same bytes on every device", arguments: Metric.allCases, specifications)
  func sameBytes(_ metric: Metric, _ specification: String) throws {
    // As many rows as codewords, and hardly more: the reference trains slowly.
    let input = try IndexCase(metric, rows: 260, queries: 0)
    let folder = try ScratchFolder()
    var expected: Data?
    for subject in Subject.present {
      let path = folder("\(subject.description.hashValue).index")
      try IndexFile.write(input.build(specification, on: subject.device), to: path)
      let bytes = try Data(contentsOf: URL(filePath: path))
      #expect(expected ?? bytes == bytes, "\(subject)")
      expected = bytes
    }
  }

  @Test(
    "finds the same in lists of every size around a panel", arguments: Metric.allCases,
    [
      "IVF8,Flat", "IVF8,SQ8", "IVF8,PQ6x4fs", "IVF8,PQ3x8", "IVF8,RaBitQ", "IVF8,RaBitQ4",
      "Center,L2norm,PCA4,IVF8,Flat,RFlat", "OPQ6,IVF8,PQ6x4fs,RFlat",
    ])
  func listSizes(_ metric: Metric, _ specification: String) throws {
    let input = try IndexCase(metric, rows: 300, queries: 7)
    let index = try input.build(specification, on: Subject.cpu()).recut([0, 1, 31, 32, 33, 0])
    #expect((0..<6).map { index.lists[$0].count } == [0, 1, 31, 32, 33, 0])
    let oracle = try IndexOracle(index, input.queries)
    for subject in Subject.present {
      try expectOracle(index, input, oracle, on: subject.device, "\(subject)")
    }
  }

  @Test(
    "finds the same among rows of which many or all are equal", arguments: Metric.allCases,
    specifications)
  func degenerate(_ metric: Metric, _ specification: String) throws {
    for content in [Content.duplicates, .allEqual, .zeroRows] {
      let sample = SearchCase(
        metric, .float32, rows: 260, dimension: 12, queries: 3, content: content)
      let rows = try sample.makeRows()
      let input = try IndexCase(
        metric, rows.vectors, queries: sample.makeQueries(rows).vectors, seed: 4)
      let index = try input.build(specification, on: Subject.cpu())
      let oracle = try IndexOracle(index, input.queries)
      try expectOracle(index, input, oracle, on: Subject.cpu(), "\(content)")
    }
  }

  @Test("finds what flat search finds where it looks at all rows", arguments: Metric.allCases)
  func flat(_ metric: Metric) throws {
    let input = try IndexCase(metric, rows: 300, queries: 7)
    let exact = ["Flat", "IVF8,Flat"]
    // So many hits are scored again that none is left out.
    let refined = [
      "IVF8,SQ8,RFlat", "PQ6x4fs,RFlat", "IVF8,RaBitQ,RFlat", "PCA6,IVF8,Flat,RFlat",
      "Center,RR8,IVF8,Flat,RFlat", "L2norm,IVF8,SQ8,RFlat",
    ]
    for specification in exact + refined {
      let index = try input.build(specification, on: Subject.cpu())
      for subject in Subject.present {
        let search = try IndexSearch(
          index, on: subject.device, options: .init(refineFactor: 300))
        let limits =
          [Limit.k(1), .k(10), .k(400)]
          + (exact.contains(specification) ? [.score(metric == .squaredL2 ? 9 : 0.9)] : [])
        for limit in limits {
          let report = try search.nearest(input.queries, within: limit, effort: .all)
          #expect(
            report.neighbors.difference(from: try input.exact(limit)) == nil,
            "\(specification), \(subject), \(limit)")
          #expect(report.rowsPerQuery == 300)
          #expect((report.certifiedShare == 1) == exact.contains(specification))
        }
      }
    }
  }

  /// Sums of table entries are what rows as they are decoded score, but for rounding. Codes in lists are
  /// under the cosine of rows of unit length, and are not scaled to it again. RaBitQ estimates
  /// the score of the row that it coded, which is another number.
  @Test(
    "scores codes as the rows that they are decoded to", arguments: Metric.allCases,
    specifications.filter { $0.contains("PQ") })
  func decoded(_ metric: Metric, _ specification: String) throws {
    let input = try IndexCase(metric, rows: 300, queries: 7)
    let index = try input.build(specification, on: Subject.cpu())
    let plain = Index(
      index.specification, metric: metric, dimension: 12, transforms: index.transforms,
      lists: index.lists, coarse: index.coarse, content: index.content, originals: nil)
    let found = try IndexSearch(plain, on: Subject.cpu()).nearest(
      input.queries, k: 300, effort: .all
    ).neighbors
    let scores = try IndexOracle.decodedScores(
      plain, plain.transformed(input.queries, on: Subject.cpu()))
    let rows = try plain.decoded(0..<300, on: Subject.cpu())
    let lengths = (0..<300).map { row in
      metric == .cosine && index.listCount > 1
        ? rows.row(row).reduce(0) { $0 + $1 * $1 }.squareRoot() : 1
    }
    for query in 0..<7 {
      for hit in found[query] {
        let row = try #require(index.row(of: hit.id))
        let score = scores[query][row] * lengths[row]
        #expect(abs(hit.score - score) < 1e-4 * max(1, abs(score)), "\(hit)")
      }
    }
  }

  @Test(
    "finds most of what flat search finds",
    arguments: [
      ("IVF24,SQ8", 0.95), ("IVF24,SQ4", 0.7), ("SQ8", 0.95), ("IVF24,PQ6x4fs", 0.35),
      ("IVF24,PQ6x4fs,RFlat", 0.85), ("PQ6x4", 0.3), ("IVF24,PQ3x8", 0.35), ("IVF24,RQ4x4", 0.4),
      ("IVF24,LRVQ4x5", 0.3), ("IVF24,RaBitQ", 0.2), ("IVF24,RaBitQ2", 0.3),
      ("IVF24,RaBitQ4", 0.7), ("IVF24,RaBitQ8", 0.95), ("PCA10,Flat", 0.5),
      ("PCA10,IVF24,Flat,RFlat", 0.95),
    ])
  func recall(_ specification: String, _ least: Double) throws {
    for metric in Metric.allCases {
      let input = try IndexCase(metric)
      let search = try IndexSearch(input.build(specification, on: Subject.cpu()), on: Subject.cpu())
      let report = try search.nearest(input.queries, k: 10, effort: .all)
      let recall = report.neighbors.recall(of: try input.exact(.k(10)))
      #expect(recall >= least, "\(metric)")
    }
  }

  @Test("of a random kind, of random rows, finds what the oracle finds", arguments: 1...500)
  func random(_ seed: Int) throws {
    var generator = RepeatableGenerator(seed: UInt64(seed))
    let metric = generator.pick(Metric.allCases)
    // Some contents overflow what codes and transforms can hold, and are refused.
    let content = generator.pick([
      Content.uniform, .clustered, .duplicates, .allEqual, .smallIntegers, .nearTies, .farAway,
      .constantColumns, .outlierDimension, .zeroRows, .signedZeros, .crowd, .lowRank,
    ])
    let element = generator.pick(ElementType.allCases)
    let (code, least) = generator.pick([
      ("Flat", 0), ("Flat", 0), ("SQ8", 1), ("SQ4", 1), ("PQ4x4", 16), ("PQ2x5", 32), ("RQ2x4", 16),
      ("RaBitQ", 1), ("RaBitQ\(2 + generator.below(8))", 1), ("PQ1x8", 256),
    ])
    let rows = least + generator.below(generator.pick([3, 70, 200]))
    let lists = generator.below(min(rows, 9) + 1)
    let transform = generator.pick(["", "", "RR,", "L2norm,", "Center,"])
    let specification =
      (rows > 0 ? transform : "") + (lists > 0 ? "IVF\(lists)," : "") + code
      + (generator.below(3) == 0 ? ",RFlat" : "")
    let sample = SearchCase(
      metric, element, rows: rows, dimension: 4 * (1 + generator.below(6)),
      queries: 1 + generator.below(6), content: content,
      layout: generator.pick(Sample.Layout.allCases), seed: UInt64(seed))
    let base = try sample.makeRows()
    let input = try IndexCase(
      metric, base.vectors, queries: sample.makeQueries(base).vectors, seed: UInt64(seed))
    let built = try input.build(specification, on: Subject.cpu())
    let index =
      generator.below(2) == 0 ? built : try built.recut([0, generator.below(70), 1, 32])
    let subject = generator.pick(Subject.present)
    try expectOracle(
      index, input, IndexOracle(index, input.queries), on: subject.device,
      "\(subject), \(specification), \(sample)")
  }
}
