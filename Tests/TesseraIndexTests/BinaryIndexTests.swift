import Foundation
import TesseraCompute
import TesseraFormats
import TesseraHost
import TestSupport
import Testing

@testable import TesseraIndex

@Suite("Indexes of bits")
struct BinaryIndexTests {
  /// Rows of bits, queries, ids in no order, and the distances of all by counting bits one by one.
  struct Bits: CustomStringConvertible {
    let description: String
    let rows: [[UInt8]]
    let queries: [[UInt8]]
    let ids: [Int64]

    /// - Parameter share: Of the bits that are set.
    init(
      _ rowCount: Int, bytes: Int, queries queryCount: Int, share: Double = 0.5, kinds: Int = .max,
      seed: UInt64 = 1
    ) {
      description = "\(rowCount) rows of \(bytes) bytes, share \(share), seed \(seed)"
      var generator = RepeatableGenerator(seed: seed)
      func row() -> [UInt8] {
        (0..<bytes).map { _ in
          (0..<8).reduce(0) { byte, bit in
            Double(generator.below(1000)) < 1000 * share ? byte | 1 << UInt8(bit) : byte
          }
        }
      }
      let some = (0..<min(kinds, rowCount)).map { _ in row() }
      rows = (0..<rowCount).map { kinds < rowCount ? some[generator.below(kinds)] : some[$0] }
      queries = (0..<queryCount).map { query in
        query % 3 == 0 && rowCount > 0 ? some[query % some.count] : row()
      }
      var order = Array(0..<rowCount)
      for last in order.indices.dropFirst().reversed() {
        order.swapAt(last, generator.below(last + 1))
      }
      ids = order.map { 5 * Int64($0) - 77 }
    }

    static func vectors(_ rows: [[UInt8]], bytes: Int) throws -> Vectors {
      try Vectors(
        HostMemory(copying: Array(rows.joined())), element: .uint8, count: rows.count,
        dimension: bytes)
    }

    func build(_ specification: String, _ metric: BitMetric, on device: any Device) throws -> Index
    {
      try Index.build(
        specification, Self.vectors(rows, bytes: queries[0].count), metric: metric, ids: ids,
        on: device
      ).index
    }

    var asked: Vectors { get throws { try Self.vectors(queries, bytes: queries[0].count) } }

    static func distance(_ metric: BitMetric, _ a: [UInt8], _ b: [UInt8]) -> Float {
      var (differing, both, either) = (0, 0, 0)
      for (a, b) in zip(a, b) {
        for bit in 0..<UInt8(8) {
          switch (a >> bit & 1, b >> bit & 1) {
          case (1, 1): both += 1; either += 1
          case (0, 0): break
          default: differing += 1; either += 1
          }
        }
      }
      switch metric {
      case .hamming: return Float(differing)
      case .jaccard: return either == 0 ? 0 : Float(Double(either - both) / Double(either))
      }
    }

    /// The distance of each row from each query.
    func distances(_ metric: BitMetric) -> [[Float]] {
      queries.map { query in rows.map { Self.distance(metric, query, $0) } }
    }

    /// The hits of an exact search of the rows of some lists.
    func expected(
      _ distances: [[Float]], _ limit: Limit, in lists: (_ query: Int) -> Set<Int64>?,
      only selects: (Int64) -> Bool
    ) -> Neighbors {
      var all = Neighbors.none(queryCount: 0)
      for number in queries.indices {
        let seen = lists(number)
        var hits = rows.indices.filter {
          selects(ids[$0]) && (seen?.contains(ids[$0]) ?? true)
        }.map { (score: distances[number][$0], id: ids[$0]) }
        hits.sort { ($0.score, $0.id) < ($1.score, $1.id) }
        switch limit {
        case .k(let k): hits = Array(hits.prefix(k))
        case .score(let score): hits = hits.filter { $0.score < score }
        }
        all.append(
          Neighbors(
            queryCount: 1, hitCount: hits.count, ids: hits.map(\.id), scores: hits.map(\.score),
            statistics: SearchStatistics(certified: true, candidates: 0, rescored: 0)))
      }
      return all
    }
  }

  private func expectExact(
    _ input: Bits, _ index: Index, on device: any Device, _ comment: String,
    options: IndexSearch.Options = .init(), k: [Int] = [1, 10, 500],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let metric = try #require(index.bits)
    let search = try IndexSearch(index, on: device, options: options)
    let distances = input.distances(metric)
    let near = index.coarse == nil ? [] : try nearest(2, index, input)
    let bits = Float(8 * index.dimension)
    let beyond: [Float] = metric == .hamming ? [0, 0.4 * bits, .infinity] : [0, 0.6, 1, 2]
    let filters = try Filter.all(input.ids)
    let limits = k.map { Limit.k($0) } + beyond.map { Limit.score($0) }
    for (place, limit) in limits.enumerated() {
      for filter in [.none, filters[place % filters.count]] {
        for effort in [IndexSearch.Effort.all, .probes(2)] {
          let report = try search.nearest(
            input.asked, within: limit, effort: effort, only: filter.selector)
          let isWhole = report.path != .lists
          let want = input.expected(
            distances, limit, in: { isWhole ? nil : near[$0] }, only: filter.selects)
          #expect(
            report.neighbors.difference(from: want) == nil,
            "\(comment), \(input), \(metric), \(limit), \(filter), \(effort)",
            sourceLocation: sourceLocation)
          if isWhole { #expect(report.certifiedShare == 1) }
        }
      }
    }
  }

  /// The ids in the lists whose centroids differ in the fewest bits from each query, ties by lower list.
  private func nearest(_ count: Int, _ index: Index, _ input: Bits) throws -> [Set<Int64>] {
    let coarse = try #require(index.coarse)
    return input.queries.map { query in
      let bits = query.flatMap { byte in (0..<UInt8(8)).map { Float(byte >> $0 & 1) } }
      let distances = (0..<coarse.count).map { list in
        zip(bits, coarse.centroids.row(list)).count { $0 != $1 }
      }
      let order = distances.indices.sorted { (distances[$0], $0) < (distances[$1], $1) }
      return Set(
        order.prefix(count).flatMap { list in
          index.lists[list].map { index.lists.ids[$0] }
        })
    }
  }

  @Test(
    "find what counting bits one by one finds, on every device", arguments: BitMetric.allCases,
    ["BFlat", "BIVF8"])
  func everyDevice(_ metric: BitMetric, _ specification: String) throws {
    for input in [
      Bits(200, bytes: 8, queries: 7), Bits(120, bytes: 33, queries: 4, share: 0.1),
      Bits(150, bytes: 3, queries: 5, kinds: 6), Bits(90, bytes: 1, queries: 5, share: 0.05),
    ] {
      var expected: Index?
      for subject in Subject.present {
        let device = try subject.device
        let index = try input.build(specification, metric, on: device)
        #expect(expected?.lists ?? index.lists == index.lists, "\(subject)")
        expected = index
        try expectExact(input, index, on: device, "\(subject)", k: [1, 10])
      }
    }
  }

  @Test(
    "find the same for rows of every length, in lists of every size around a panel",
    arguments: BitMetric.allCases)
  func shapes(_ metric: BitMetric) throws {
    let device = try Subject.cpu()
    for (rows, bytes) in [(1, 1), (31, 2), (32, 15), (33, 16), (64, 17), (97, 64), (40, 362)] {
      let input = Bits(rows, bytes: bytes, queries: 3, share: 0.3, seed: UInt64(rows))
      try expectExact(
        input, input.build("BFlat", metric, on: device), on: device, "flat")
      let lists = min(rows, 7)
      let index = try input.build("BIVF\(lists)", metric, on: device)
      try expectExact(input, index, on: device, "lists")
      try expectExact(input, index.recut([0, 1, 31, 32]), on: device, "lists of every size")
    }
  }

  @Test("find the same in random cases", arguments: 1...150)
  func random(_ seed: Int) throws {
    var generator = RepeatableGenerator(seed: UInt64(seed))
    let input = Bits(
      1 + generator.below(generator.pick([5, 60, 200])), bytes: 1 + generator.below(40),
      queries: 1 + generator.below(6), share: generator.pick([0, 0.02, 0.2, 0.5, 0.95, 1]),
      kinds: generator.pick([1, 4, .max]), seed: UInt64(seed))
    let subject = generator.pick(Subject.present)
    let lists = generator.below(min(6, input.rows.count) + 1)
    let index = try input.build(
      lists == 0 ? "BFlat" : "BIVF\(lists)", generator.pick(BitMetric.allCases),
      on: Subject.cpu())
    try expectExact(
      input, index, on: subject.device, "\(subject)", options: .init(batchSize: 4),
      k: [1 + generator.below(40)])
  }

  @Test("larger than their memory give the same hits", arguments: BitMetric.allCases)
  func memory(_ metric: BitMetric) throws {
    let input = Bits(700, bytes: 16, queries: 9, share: 0.2)
    let device = try Subject.cpu()
    for specification in ["BFlat", "BIVF24"] {
      try expectExact(
        input, input.build(specification, metric, on: device), on: device, "small",
        options: .init(memoryBudget: 20_000, batchSize: 4), k: [10])
    }
  }

  @Test("take and give rows, before and after they are compacted", arguments: BitMetric.allCases)
  func changes(_ metric: BitMetric) throws {
    let input = Bits(300, bytes: 5, queries: 7)
    let device = try Subject.cpu()
    let rows = try Bits.vectors(input.rows, bytes: 5)
    let folder = try ScratchFolder()
    for specification in ["BFlat", "BIVF9"] {
      let path = folder(specification)
      let first = try Index.build(
        specification, rows.rows(0..<200), metric: metric, ids: Array(input.ids[..<200]), on: device
      )
      try IndexFile.write(first.index, to: path)
      let index = try LivingIndex(path, for: .writing)
      try index.add(rows.rows(200..<300), ids: Array(input.ids[200...]))
      let gone = stride(from: 0, to: 300, by: 3).map { input.ids[$0] }
      #expect(try index.remove(gone) == gone.count)
      let want = input.expected(input.distances(metric), .k(20), in: { _ in nil }) {
        !gone.contains($0)
      }
      for step in ["changed", "compacted"] {
        let found = try LivingSearch(index, on: device).nearest(input.asked, k: 20, effort: .all)
        #expect(found.neighbors.difference(from: want) == nil, "\(specification) \(step)")
        if step == "changed" { #expect(try index.compact(on: device)) }
      }
      #expect(
        refusal { try index.add(Vectors([0.5, 1, 2, 3, 4], dimension: 5), ids: [9_999_999]) } != nil
      )
    }
  }

  @Test("in lists find nearly all with the probes that a recall asks for, and prove what they can")
  func lists() throws {
    var generator = RepeatableGenerator(seed: 5)
    // Rows around twenty centres, a few bits away.
    let centres = (0..<20).map { _ in (0..<16).map { _ in UInt8(generator.below(256)) } }
    func row() -> [UInt8] {
      var row = generator.pick(centres)
      for _ in 0..<4 { row[generator.below(16)] ^= 1 << UInt8(generator.below(8)) }
      return row
    }
    let device = try Subject.cpu()
    let rows = try Bits.vectors((0..<2000).map { _ in row() }, bytes: 16)
    let queries = try Bits.vectors((0..<50).map { _ in row() }, bytes: 16)
    for metric in BitMetric.allCases {
      let truth = try IndexSearch(Index(whole: rows, metric: metric), on: device).nearest(
        queries, k: 10
      ).neighbors
      let index = try Index.build("BIVF60", rows, metric: metric, on: device).index
      let search = try IndexSearch(index, on: device)
      let report = try search.nearest(queries, k: 10, effort: .recall(0.9))
      #expect(report.probes < 60 && report.neighbors.recall(of: truth) > 0.85, "\(metric)")
      var certified = 0
      for query in 0..<50 {
        let one = try search.nearest(queries.rows(query..<query + 1), k: 1, effort: .probes(12))
        guard one.certifiedShare == 1 else { continue }
        certified += 1
        #expect(one.neighbors[0].first?.score == truth[query].first?.score)
      }
      #expect((certified > 0) == (metric == .hamming))
    }
  }

  @Test("are kept by files", arguments: BitMetric.allCases, ["BFlat", "BIVF8"])
  func files(_ metric: BitMetric, _ specification: String) throws {
    let input = Bits(120, bytes: 9, queries: 5)
    let device = try Subject.cpu()
    let index = try input.build(specification, metric, on: device)
    let folder = try ScratchFolder()
    try IndexFile.write(index, to: folder("bits.index"))
    let opened = try IndexFile.open(folder("bits.index"))
    #expect(opened.specification.description == specification && opened.bits == metric)
    #expect(opened.metricName == metric.rawValue && opened.dimension == 9)
    try expectExact(input, opened, on: device, "opened")
    #expect(try opened.reconstruct(input.ids[3], on: device) == input.rows[3].map { Float($0) })
    try IndexFile.write(opened, to: folder("again.index"))
    #expect(
      try Data(contentsOf: URL(filePath: folder("bits.index")))
        == Data(contentsOf: URL(filePath: folder("again.index"))))

    // Files whose parts do not belong together.
    let whole = try StoredArrayFile(folder("bits.index"))
    let damages: [(inout StoredArrayFile) throws -> Void] = [
      { $0.metadata["metric"] = "l2" }, { $0.metadata["specification"] = "IVF8,Flat" },
      { $0.metadata["dimension"] = "8" }, { $0.metadata["dimension"] = "\(Int.max)" },
      {
        $0.arrays["rows"] = try .init([Float](repeating: 0, count: 120 * 9), shape: [120, 9])
      },
    ]
    for (number, damage) in damages.enumerated() {
      var file = whole
      try damage(&file)
      try file.write(to: folder("damaged.index"))
      let error = refusal { try IndexFile.open(folder("damaged.index")) }
      #expect(error?.code == .malformedFile, "\(number): \(String(describing: error))")
    }
    if metric == .jaccard {
      #expect(refusal { try FAISSFile(index) }?.code == .unsupported)
    } else {
      try FAISSFile(index).write(to: folder("bits.faiss"))
      try expectExact(
        input, IndexFile.open(folder("bits.faiss")), on: device, "read from a FAISS file")
    }
  }

  @Test("are refused by name where rows, metrics and specifications do not belong together")
  func refusals() throws {
    let input = Bits(20, bytes: 2, queries: 2)
    let device = try Subject.cpu()
    let bytes = try Bits.vectors(input.rows, bytes: 2)
    let numbers = try Vectors([Float](repeating: 0, count: 40), dimension: 2)
    func expect(
      _ code: TesseraError.Code, _ text: String,
      sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) {
      let error = refusal { try body() }
      #expect(error?.code == code, "\(error.debugDescription)", sourceLocation: sourceLocation)
      #expect(
        error?.message.contains(text) == true, "\(error.debugDescription)",
        sourceLocation: sourceLocation)
    }
    expect(.invalidArgument, "hamming and jaccard") {
      _ = try Index.build("BFlat", bytes, metric: Metric.squaredL2, on: device)
    }
    expect(.invalidArgument, "\"BIVF4\"") {
      _ = try Index.build("IVF4,SQ8", bytes, metric: BitMetric.hamming, on: device)
    }
    expect(.invalidArgument, "uint8") {
      _ = try Index.build("BFlat", numbers, metric: BitMetric.hamming, on: device)
    }
    expect(.invalidArgument, "uint8") {
      _ = try IndexSearch(input.build("BFlat", .hamming, on: device), on: device).nearest(
        numbers, k: 1)
    }
    expect(.invalidShape, "BIVF21") { _ = try input.build("BIVF21", .hamming, on: device) }
    let long = try Bits.vectors([[UInt8](repeating: 1, count: 363)], bytes: 363)
    expect(.unsupported, "2896") { _ = try Index(whole: long, metric: .jaccard) }
    #expect(throws: Never.self) { try Index(whole: long, metric: .hamming) }
    for (specification, code, nearest) in [
      ("BHNSW32", TesseraError.Code.unsupported, "\"BFlat\""),
      ("BIVF", .invalidArgument, "BIVF1024"), ("BIVF0", .invalidArgument, "BIVF1024"),
      ("BFlat,RFlat", .invalidArgument, "\"BFlat\""), ("BIVF4,SQ8", .invalidArgument, "\"BIVF4\""),
    ] {
      expect(code, nearest) { _ = try IndexSpecification(specification) }
    }
    #expect(try IndexSpecification("IDMap,BIVF7").description == "BIVF7")
  }
}
