import TesseraCompute
import TestSupport
import Testing

@Suite("nearest")
struct NearestTests {
  /// Searches for one hit, some, all but one, all, and more than there are.
  private func expectExact(
    _ subject: Subject, _ input: SearchCase, k counts: Set<Int>? = nil
  ) throws {
    let device = try subject.device
    let rows = try input.makeRows()
    let queries = try input.makeQueries(rows)
    let truth = Oracle.neighbors(queries, in: rows, metric: input.metric)
    let set = try device.prepare(rows.vectors, metric: input.metric)
    let all: Set = [1, 10, 1000, rows.count - 1, rows.count, rows.count + 7]
    for k in counts ?? all where k > 0 {
      let found = try device.nearest(queries.vectors, in: set, k: k)
      #expect(found.difference(from: truth.best(k)) == nil, "\(input), k = \(k)")
    }
  }

  @Test(
    "finds what Float64 brute force finds", arguments: Subject.trials(.nearest, SearchCase.grid))
  func grid(_ trial: Trial<SearchCase>) throws {
    try expectExact(trial.subject, trial.input)
  }

  @Test(
    "is exact whatever the numbers are", arguments: Subject.trials(.nearest, SearchCase.contents))
  func contents(_ trial: Trial<SearchCase>) throws {
    try expectExact(trial.subject, trial.input)
  }

  @Test(
    "is exact when the threshold rises from chunk to chunk",
    arguments: Subject.trials(.nearest, SearchCase.severalChunks))
  func severalChunks(_ trial: Trial<SearchCase>) throws {
    try expectExact(trial.subject, trial.input, k: [1, 10, 100])
  }

  @Test(
    "is exact where rows are rounded for the filter",
    arguments: Subject.trials(.nearest, SearchCase.rounded))
  func rounded(_ trial: Trial<SearchCase>) throws {
    try expectExact(trial.subject, trial.input, k: [1, 10, 100])
  }

  // Products of bytes that are added in 16 bits would reach their limit in the last row, which is
  // the best, but not in the others.
  @Test(
    "is exact where sums of products are as large as they get", arguments: Subject.present,
    [ElementType.uint8, .int8, .float32])
  func largestProducts(_ subject: Subject, _ element: ElementType) throws {
    let (most, half): (Float, Float) = element == .uint8 ? (255, 128) : (127, 0)
    for dimension in [32, 36] {
      let query = (0..<dimension).map { Float($0 < 16 || $0 % 2 == 0 ? 127 : -127) }
      let good = (0..<dimension).map { $0 < 16 ? half : $0 % 2 == 0 && $0 < 30 ? most : 0 }
      let best = (0..<dimension).map { $0 < 16 ? most : 0 }
      let rows = try Sample(
        Array(repeatElement(good, count: 999).joined()) + best, dimension: dimension,
        element: element)
      let queries = try Sample(query + query.map { -$0 }, dimension: dimension, element: .float32)
      let truth = Oracle.neighbors(queries, in: rows, metric: .innerProduct)
      #expect(truth.best(1).ids.first == 999)
      let set = try subject.device.prepare(rows.vectors, metric: .innerProduct)
      let found = try subject.device.nearest(queries.vectors, in: set, k: 1)
      #expect(found.difference(from: truth.best(1)) == nil, "\(dimension) dimensions")
    }
  }

  @Test(
    "is exact for random cases", arguments: Subject.trials(.nearest, SearchCase.random(1...500)))
  func random(_ trial: Trial<SearchCase>) throws {
    let rows = trial.input.rows
    var generator = RepeatableGenerator(seed: ~trial.input.seed)
    let drawn = [10, 100, 1000, rows + 8].map { 1 + generator.below($0) }
    let extremes = rows < 1000 ? [1, rows - 1, rows, rows + 7] : []
    try expectExact(trial.subject, trial.input, k: Set(drawn + extremes))
  }

  @Test(
    "is exact in every dimension around a lane count", arguments: Subject.present,
    SearchCase.every(rows: 19, dimension: 1, queries: 3))
  func dimensions(_ subject: Subject, _ input: SearchCase) throws {
    for dimension in 1...17 {
      var input = input
      input.dimension = dimension
      try expectExact(subject, input)
    }
  }

  @Test(
    "reads rows with headers, gaps and odd addresses",
    arguments: Subject.trials(
      .nearest,
      Sample.Layout.allCases.flatMap {
        SearchCase.every(rows: 43, dimension: 19, queries: 5, layout: $0)
      }))
  func layouts(_ trial: Trial<SearchCase>) throws {
    try expectExact(trial.subject, trial.input)
  }

  @Test(
    "breaks thousands of ties by id",
    arguments: Subject.trials(
      .nearest,
      Metric.allCases.flatMap { metric in
        [1009, 20_000].map {
          SearchCase(metric, .float32, rows: $0, dimension: 5, queries: 3, content: .allEqual)
        }
      }))
  func manyTies(_ trial: Trial<SearchCase>) throws {
    try expectExact(trial.subject, trial.input)
  }

  @Test(
    "gives each query the same answer alone, in any batch and from a slice",
    arguments: Subject.trials(
      .nearest, SearchCase.every(rows: 61, dimension: 17, queries: 12, content: .clustered)))
  func batches(_ trial: Trial<SearchCase>) throws {
    let device = try trial.subject.device
    let rows = try trial.input.makeRows()
    let queries = try trial.input.makeQueries(rows).vectors
    let set = try device.prepare(rows.vectors, metric: trial.input.metric)
    let together = try device.nearest(queries, in: set, k: 9)
    for batchSize in [1, 5] {
      var joined = Neighbors.none(queryCount: 0)
      for start in stride(from: 0, to: queries.count, by: batchSize) {
        let batch = queries.rows(start..<min(start + batchSize, queries.count))
        joined.append(try device.nearest(batch, in: set, k: 9))
      }
      #expect(joined.difference(from: together) == nil, "batches of \(batchSize)")
    }
  }

  @Test(
    "merging the chunks of a set equals searching it whole, with ids from firstID on",
    arguments: Subject.trials(
      .nearest,
      [Content.clustered, .duplicates].flatMap {
        SearchCase.every(rows: 83, dimension: 13, queries: 5, content: $0)
      }))
  func chunks(_ trial: Trial<SearchCase>) throws {
    let device = try trial.subject.device
    let metric = trial.input.metric
    let rows = try trial.input.makeRows()
    let queries = try trial.input.makeQueries(rows)
    // Beyond 32 bits: ids are 64 bits wide everywhere.
    let firstID: Int64 = 5_000_000_000
    let truth = Oracle.neighbors(queries, in: rows, metric: metric, firstID: firstID)
    for k in [1, 10, 83] {
      var merged = Neighbors.none(queryCount: queries.count)
      for chunk in [0..<40, 40..<41, 41..<41, 41..<83] {
        let set = try device.prepare(
          rows.vectors.rows(chunk), metric: metric, firstID: firstID + Int64(chunk.lowerBound))
        let hits = try device.nearest(queries.vectors, in: set, k: k)
        merged = merged.merged(with: hits, k: k, order: metric.order)
      }
      #expect(merged.difference(from: truth.best(k)) == nil, "k = \(k)")
    }
  }

  @Test(
    "answers several threads at once as it answers one",
    arguments: Subject.trials(
      .nearest,
      [60, 3000].map {
        SearchCase(.squaredL2, .float32, rows: $0, dimension: 32, queries: 6, content: .clustered)
      }))
  func threads(_ trial: Trial<SearchCase>) async throws {
    let device = try trial.subject.device
    let input = trial.input
    let rows = try input.makeRows()
    let queries = try input.makeQueries(rows)
    let truth = Oracle.neighbors(queries, in: rows, metric: input.metric).best(20)
    let set = try device.prepare(rows.vectors, metric: input.metric)
    try await withThrowingTaskGroup(of: [Neighbors].self) { group in
      for _ in 0..<4 {
        group.addTask {
          try (0..<5).map { _ in try device.nearest(queries.vectors, in: set, k: 20) }
        }
      }
      for try await answers in group {
        for found in answers { #expect(found.difference(from: truth) == nil) }
      }
    }
  }

  @Test("refuses queries of another dimension, and k below 1", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    let set = try device.prepare(Vectors([1, 2, 3, 4, 5, 6], dimension: 3), metric: .cosine)
    let narrow = try Vectors([1, 2], dimension: 2)
    let shape = refusal { try device.nearest(narrow, in: set, k: 1) }
    #expect(shape?.code == .invalidShape)
    #expect(
      shape?.message == "nearest: queries have 2 dimensions, vectors have 3")
    let query = try Vectors([1, 2, 3], dimension: 3)
    for k in [0, -1, .min] {
      let error = refusal { try device.nearest(query, in: set, k: k) }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message.contains("k is \(k)") == true)
    }
    #expect(try device.nearest(query, in: set, k: .max).ids.count == 2, "works after refusing")
  }

  @Test(
    "refuses NaN and infinity in queries and names the rows",
    arguments: Subject.present, NonFinite.cases)
  func nonFinite(_ subject: Subject, _ bad: NonFinite) throws {
    let device = try subject.device
    for metric in Metric.allCases {
      let set = try device.prepare(Vectors([1, 2, 3, 4, 5], dimension: 5), metric: metric)
      let queries = try bad.rows(count: 9, dimension: 5, at: [2, 7])
      let error = refusal { try device.nearest(queries, in: set, k: 1) }
      #expect(error?.code == .nonFinite)
      #expect(error?.message.contains("rows 2, 7") == true, "\(error?.message ?? "none")")
      #expect(try device.nearest(queries.rows(3..<7), in: set, k: 1).queryCount == 4)
    }
  }

  @Test("a set of another device is refused or searched, never misread", arguments: Subject.present)
  func foreignSet(_ subject: Subject) throws {
    let device = try subject.device
    let input = SearchCase(.squaredL2, .float32, rows: 20, dimension: 7, queries: 3)
    let rows = try input.makeRows()
    let queries = try input.makeQueries(rows)
    let set = VectorSet(
      rows.vectors, in: RowLists(one: .consecutive(count: rows.count)), metric: .squaredL2)
    do throws(TesseraError) {
      let truth = Oracle.neighbors(queries, in: rows, metric: .squaredL2).best(4)
      let found = try device.nearest(queries.vectors, in: set, k: 4)
      #expect(found.difference(from: truth) == nil)
    } catch {
      #expect(error.code == .wrongDevice)
    }
  }
}
