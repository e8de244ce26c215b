import TesseraCompute
import Testing

@testable import TesseraOpenCL

struct SearchSize: Sendable, CustomTestStringConvertible {
  let rows: Int
  let dimension: Int
  let queries: Int
  let k: Int
  var testDescription: String { "\(rows) x \(dimension), \(queries) queries, k \(k)" }

  /// Nothing, one, primes, around the widths of panels (32), query blocks (8), lanes (16) and tiles
  /// (64 and 128); k of 1, one less than, as many as and more than there are rows.
  static let all = [
    (0, 3, 2, 5), (5, 3, 0, 2), (1, 1, 1, 1), (31, 15, 7, 30), (32, 16, 8, 32), (33, 17, 9, 38),
    (97, 31, 3, 1), (257, 8, 65, 10), (300, 33, 130, 7), (1030, 5, 11, 2000),
  ].map { SearchSize(rows: $0.0, dimension: $0.1, queries: $0.2, k: $0.3) }
}

@Suite struct SearchTests {
  @Test(
    "hits are the reference's, bit for bit", arguments: SearchSubject.all, SearchSize.all)
  func matchesReference(_ subject: SearchSubject, _ size: SearchSize) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 3)
      try SearchInput(
        numbers.floats(size.rows * size.dimension), numbers.floats(size.queries * size.dimension),
        dimension: size.dimension, metric: metric, k: size.k
      ).expectReference(subject, firstID: 1 << 40, comment: "\(metric), seed 3")
    }
  }

  @Test("every element type is widened exactly", arguments: SearchSubject.all, ElementType.allCases)
  func elements(_ subject: SearchSubject, _ element: ElementType) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 8)
      var rows = numbers.floats(150 * 19)
      // Numbers that are subnormal as halves.
      for i in 0..<100 { rows[i * 7] *= 0x1p-16 }
      try SearchInput(
        rows, numbers.floats(10 * 19), dimension: 19, metric: metric, k: 12, element: element
      ).expectReference(subject, comment: "\(metric), seed 8")
    }
  }

  @Test("rows with gaps between them are read where they are", arguments: SearchSubject.all)
  func gaps(_ subject: SearchSubject) throws {
    var numbers = Numbers(seed: 4)
    let memory = HostMemory(copying: numbers.floats(70 * 9))
    let wide = try Vectors(
      memory, byteOffset: 4, element: .float32, count: 70, dimension: 7, rowStride: 36)
    var input = try SearchInput([], [], dimension: 7, metric: .squaredL2, k: 9)
    (input.rows, input.queries) = (wide, wide.rows(3..<20))
    try input.expectReference(subject)
  }

  @Test("ties go to the lower id", arguments: SearchSubject.all, [1, 10, 499, 500])
  func ties(_ subject: SearchSubject, _ k: Int) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 6)
      let few = (0..<4).map { _ in numbers.floats(6) }
      let rows = (0..<500).flatMap { _ in few[Int.random(in: 0..<4, using: &numbers)] }
      let queries = few.joined() + numbers.floats(6 * 4)
      try SearchInput(rows, Array(queries), dimension: 6, metric: metric, k: k)
        .expectReference(subject, comment: "\(metric), seed 6")
    }
  }

  @Test(
    "magnitudes at both ends of Float32, and mixed ones, change nothing",
    arguments: SearchSubject.all,
    [
      [Float(1e38)], [0x1p-133], [0x1p-149], [1e19], [1e-19], [1e-20, 1, 1e20],
      [0x1p-133, 1e38, 1],
      [0, 1], [0], [4.6e18, 4.7e18], [2.1e-19, 2.2e-19],
    ])
  func magnitudes(_ subject: SearchSubject, _ scales: [Float]) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 9)
      func vectors(_ count: Int) -> [Float] {
        (0..<count).flatMap { row in numbers.floats(13).map { $0 * scales[row % scales.count] } }
      }
      let rows = vectors(200)
      try SearchInput(
        rows, vectors(9) + rows.prefix(13 * 5), dimension: 13, metric: metric, k: 20
      ).expectReference(subject, comment: "\(metric), seed 9")
    }
  }

  @Test("sums that overflow on the way are not lost", arguments: SearchSubject.all)
  func cancellation(_ subject: SearchSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 10)
      // Products of 1e38 that cancel, and leave the small part to decide.
      let rows = (0..<100).flatMap { _ -> [Float] in [3e38, -3e38] + numbers.floats(3) }
      let queries = (0..<5).flatMap { _ -> [Float] in [2e38, 2e38] + numbers.floats(3) }
      try SearchInput(rows, queries, dimension: 5, metric: metric, k: 10)
        .expectReference(subject, comment: "\(metric), seed 10")
    }
  }

  @Test("near ties are told apart by the canonical score", arguments: SearchSubject.all)
  func nearTies(_ subject: SearchSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 12)
      let base = numbers.floats(40)
      let rows = (0..<400).flatMap { _ in
        base.map { $0 * (1 + Float(Int.random(in: -2...2, using: &numbers)) * 0x1p-23) }
      }
      try SearchInput(rows, base + numbers.floats(40), dimension: 40, metric: metric, k: 25)
        .expectReference(subject, comment: "\(metric), seed 12")
    }
  }

  @Test("a list that overflows is searched again", arguments: SearchSubject.all, [1, 7, 40])
  func overflow(_ subject: SearchSubject, _ k: Int) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 13)
      // Most queries see 900 equal rows; the last ones are told apart at once.
      var rows = [Float](repeating: 0.5, count: 900 * 4) + numbers.floats(300 * 4)
      rows.replaceSubrange(400..<404, with: [0.5, 0.5, 0.5, 0.75])
      let queries = [Float](repeating: 0.5, count: 9 * 4) + numbers.floats(9 * 4)
      let counted = try SearchInput(rows, queries, dimension: 4, metric: metric, k: k)
        .expectReference(subject, subject.limits(capacity: 64), comment: "\(metric), seed 13")
      // If the equal rows are the nearest, all are candidates to the end.
      if metric != .innerProduct { #expect(counted.rescored >= 9 * 900) }
    }
  }

  @Test("100,000 equal rows give the first k of them", arguments: Subject.all, [1, 10, 1000])
  func allEqual(_ subject: Subject, _ k: Int) throws {
    let device = subject.device
    let rows = try Vectors([Float](repeating: 0.3, count: 100_000 * 2), dimension: 2)
    let queries = try Vectors([0.3, 0.3, 1, 2], dimension: 2)
    for metric in Metric.allCases {
      let got = try device.nearest(queries, in: device.prepare(rows, metric: metric), k: k)
      #expect(got.ids == Array(0..<Int64(k)) + Array(0..<Int64(k)))
      let scores = (0..<2).flatMap { query in
        [Float](
          repeating: CanonicalScore.score(metric, queries.row(query), [0.3, 0.3]), count: k)
      }
      #expect(got.scores == scores)
    }
  }

  @Test("segments, staging and batches leave no trace", arguments: SearchSubject.all)
  func segments(_ subject: SearchSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 14)
      let input = try SearchInput(
        numbers.floats(1000 * 11), numbers.floats(50 * 11), dimension: 11, metric: metric, k: 30)
      var limits = subject.limits(segmentBytes: 32 * 11 * 4 * 5)
      limits.stagingBytes = 32 * 11 * 4 * 2
      limits.batchBytes = 1
      try input.expectReference(subject, limits, comment: "\(metric), seed 14")
      limits.capacity = 64
      try input.expectReference(subject, limits, comment: "\(metric), seed 14, small lists")
    }
  }

  @Test("a set's bytes and its cost are what was foretold", arguments: Subject.all)
  func cost(_ subject: Subject) throws {
    let device = subject.device
    for (rows, dimension, k) in [(1, 1, 1), (1000, 96, 10), (4099, 33, 5000)] {
      let shape = SearchShape(
        rows: rows, dimension: dimension, element: .int8, metric: .cosine, queryCount: 100, k: k)
      let vectors = try Vectors(
        [Float](repeating: 1, count: rows * dimension), dimension: dimension)
      let set = try device.prepare(vectors.stored(as: .int8), metric: .cosine)
      let cost = device.cost(of: shape)
      #expect(cost.residentBytes == set.residentBytes)
      #expect(set.residentBytes >= rows * dimension * 4)
      #expect(cost.workingBytes >= 100 * min(k, rows) * 16)
      #expect(cost.largestAllocationBytes <= cost.peakBytes)
    }
  }

  @Test("the filter spares most rows the canonical score", arguments: Subject.all)
  func statistics(_ subject: Subject) throws {
    var numbers = Numbers(seed: 15)
    let device = subject.device
    let set = try device.prepare(
      Vectors(numbers.floats(20_000 * 24), dimension: 24), metric: .innerProduct)
    let found = try device.nearest(
      Vectors(numbers.floats(16 * 24), dimension: 24), in: set, k: 10)
    #expect(found.statistics.candidates < 16 * 1000)
    #expect(found.statistics.rescored >= 16 * 10 && found.statistics.rescored < 16 * 20)
  }

  @Test("NaN and infinity are refused, naming the rows", arguments: Subject.all)
  func nonFinite(_ subject: Subject) throws {
    let device = subject.device
    for (element, bad) in [
      (ElementType.float32, Float.nan), (.float32, -.infinity), (.bfloat16, .infinity),
    ] {
      var values = [Float](repeating: 1, count: 100 * 3)
      let good = try Vectors(values, dimension: 3).stored(as: element)
      for row in [7, 40, 41, 60, 70, 80, 99] { values[row * 3 + 1] = bad }
      let vectors = try Vectors(values, dimension: 3).stored(as: element)
      let refused = #expect(throws: TesseraError.self) {
        try device.prepare(vectors, metric: .cosine)
      }
      #expect(refused?.code == .nonFinite)
      #expect(refused?.message.contains("rows 7, 40, 41, 60, 70, ...") == true)
      let set = try device.prepare(good, metric: .cosine)
      let query = #expect(throws: TesseraError.self) { try device.nearest(vectors, in: set, k: 3) }
      #expect(query == Shapes.nonFinite("nearest: queries", rows: [7, 40, 41, 60, 70, 80]))
      let empty = try device.prepare(good.rows(0..<0), metric: .cosine)
      #expect(throws: Shapes.nonFinite("nearest: queries", rows: [7, 40, 41, 60, 70, 80])) {
        try device.nearest(vectors, in: empty, k: 3)
      }
    }
  }

  @Test("sets and shapes that do not fit are refused", arguments: Subject.all)
  func refusals(_ subject: Subject) throws {
    let device = subject.device
    let vectors = try Vectors([1, 2, 3, 4], dimension: 2)
    let set = try device.prepare(vectors, metric: .innerProduct)
    func code(_ body: () throws -> Void) -> TesseraError.Code? {
      #expect(throws: TesseraError.self, performing: body)?.code
    }
    #expect(code { _ = try device.nearest(vectors, in: set, k: 0) } == .invalidArgument)
    let wide = try Vectors([1, 2, 3], dimension: 3)
    #expect(code { _ = try device.nearest(wide, in: set, k: 1) } == .invalidShape)
    let other = try ReferenceDevice.shared.prepare(vectors, metric: .innerProduct)
    #expect(code { _ = try device.nearest(vectors, in: other, k: 1) } == .wrongDevice)
  }
}
