import TesseraCPU
import TesseraCompute
import TestSupport
import TesseraIndex
import Testing

@testable import TesseraQuantization

@Suite("search among codes")
struct CodeSearchTests {
  static let dimension = 10
  static let points = QuantizerSamples.points(700, dimension: dimension)

  @Test(
    "finds what sorting all scores finds, on every device",
    arguments: QuantizerSamples.specifications, Metric.allCases)
  func hits(_ specification: String, _ metric: Metric) throws {
    let cpu = try CPUDevice()
    let vectors = try Vectors(Self.points, dimension: Self.dimension)
    let quantizer = try QuantizerSamples.train(specification, vectors, on: cpu).quantizer
    let codes = try quantizer.encode(vectors, on: cpu)
    let queries = vectors.rows(30..<35)
    let scores = try quantizer.scores(of: queries, against: codes, metric: metric, on: cpu)
    for (name, device) in try EveryDevice.named() {
      let search = try IndexSearch(codes, of: quantizer, metric: metric, on: device)
      for k in [1, 12, 800] {
        let report = try search.nearest(queries, k: k)
        let found = report.neighbors
        #expect(report.residentBytes > 0)
        #expect(found.queryCount == 5 && found.hitCount == min(k, 700))
        for query in 0..<5 {
          let sorted = (0..<700)
            .map { (score: scores[query * 700 + $0], id: Int64($0)) }
            .sorted { metric.order.ranks($0, ahead: $1) }.prefix(k)
          let places = query * found.hitCount..<(query + 1) * found.hitCount
          #expect(Array(found.ids[places]) == sorted.map(\.id), "\(name) \(k)")
          #expect(Array(found.scores[places]) == sorted.map(\.score), "\(name) \(k)")
        }
      }
    }
  }

  @Test("a selector limits what is searched", arguments: QuantizerSamples.specifications)
  func selected(_ specification: String) throws {
    let cpu = try CPUDevice()
    let vectors = try Vectors(Self.points, dimension: Self.dimension)
    let quantizer = try QuantizerSamples.train(specification, vectors, on: cpu).quantizer
    let codes = try quantizer.encode(vectors, on: cpu)
    let queries = vectors.rows(30..<33)
    let selectors: [(IDSelector, (Int) -> Bool)] = [
      (.range(100..<300), { (100..<300).contains($0) }),
      (.range(-50..<9000), { _ in true }),
      (.flags((0..<700).map { $0 % 37 == 5 }), { $0 % 37 == 5 }),
      (
        try .ids([699, 0, 33, 32, 31, 9999, -4] as [Int64]), { [0, 31, 32, 33, 699].contains($0) }
      ),
      (.range(5..<5), { _ in false }),
    ]
    for metric in Metric.allCases {
      let all = try quantizer.scores(of: queries, against: codes, metric: metric, on: cpu)
      for (name, device) in try EveryDevice.named() {
        let search = try IndexSearch(codes, of: quantizer, metric: metric, on: device)
        for (number, (selector, isSelected)) in selectors.enumerated() {
          let found = try search.nearest(queries, k: 9, only: selector).neighbors
          for query in 0..<3 {
            let sorted = (0..<700).filter(isSelected)
              .map { (score: all[query * 700 + $0], id: Int64($0)) }
              .sorted { metric.order.ranks($0, ahead: $1) }.prefix(9)
            let own = query * found.hitCount..<(query + 1) * found.hitCount
            #expect(Array(found.ids[own]) == sorted.map(\.id), "\(name) \(metric) \(number)")
            #expect(Array(found.scores[own]) == sorted.map(\.score))
          }
        }
      }
    }
  }

  @Test("no queries and no codes give no hits")
  func nothing() throws {
    let cpu = try CPUDevice()
    let vectors = try Vectors(Self.points, dimension: Self.dimension)
    for specification in ["PQ2x4", "SQ8"] {
      let quantizer = try QuantizerSamples.train(specification, vectors, on: cpu).quantizer
      let codes = try quantizer.encode(vectors.rows(0..<4), on: cpu)
      let none = try Codes([], byteCount: codes.byteCount)
      let search = try IndexSearch(codes, of: quantizer, metric: .squaredL2, on: cpu)
      let noQueries = try search.nearest(vectors.rows(0..<0), k: 3).neighbors
      #expect(noQueries == .none(queryCount: 0, hitCount: 3))
      let empty = try IndexSearch(none, of: quantizer, metric: .squaredL2, on: cpu)
      #expect(
        try empty.nearest(vectors.rows(0..<2), k: 3).neighbors == .none(queryCount: 2))
    }
  }

  @Test("refuses what does not fit")
  func refusals() throws {
    let cpu = try CPUDevice()
    let vectors = try Vectors(Self.points, dimension: Self.dimension)
    let quantizer = try QuantizerSamples.train("PQ2x4", vectors, on: cpu).quantizer
    let codes = try quantizer.encode(vectors, on: cpu)
    let longer = try Codes([1, 2, 3, 4], byteCount: 2)
    #expect(
      refusal { try IndexSearch(longer, of: quantizer, metric: .squaredL2, on: cpu) }?.code
        == .invalidShape)
    let search = try IndexSearch(codes, of: quantizer, metric: .squaredL2, on: cpu)
    let narrow = try Vectors([1, 2], dimension: 2)
    #expect(refusal { try search.nearest(narrow, k: 1) }?.code == .invalidShape)
    #expect(refusal { try search.nearest(vectors, k: 0) }?.code == .invalidArgument)
    let bad = try Vectors([Float](repeating: .nan, count: 10), dimension: 10)
    #expect(refusal { try search.nearest(bad, k: 1) }?.code == .nonFinite)
  }

  @Test("a fast scan is what codes of 4 bits get, by FAISS's name or not")
  func names() throws {
    #expect(try QuantizerFactory.recipe("PQ48x4fs").specification == "PQ48x4")
    #expect(try QuantizerFactory.recipe("OPQ8,PQ8x4fs").specification == "OPQ8,PQ8x4")
    #expect(try QuantizerFactory.recipe("PQ48x4fsr").specification == "PQ48x4")
    let error = refusal { try QuantizerFactory.recipe("PQ48x8fs") }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("PQ48x4fs") == true, "\(error?.message ?? "")")
    #expect(refusal { try QuantizerFactory.recipe("PQ48x4fast") }?.code == .invalidArgument)
  }
}
