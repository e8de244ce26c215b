import Synchronization
import TesseraCompute
import TesseraIndex
import Testing

@Suite struct WholeSearchTests {
  static func vectors(_ count: Int, dimension: Int = 6, seed: UInt64) throws -> Vectors {
    var random = SplitMix64(seed: seed)
    // Coarse values, so that equal scores are common and ties are put to the test.
    return try Vectors(
      (0..<count * dimension).map { _ in Float(random.nextIndex(below: 5)) - 2 },
      dimension: dimension)
  }

  static func whole(
    _ base: Vectors, _ queries: Vectors, _ metric: Metric, k: Int
  ) throws -> Neighbors {
    let device = ReferenceDevice.shared
    return try device.nearest(queries, in: device.prepare(base, metric: metric), k: k)
  }

  /// Hears what a search has to say.
  final class Notes: Sendable {
    private let notes = Mutex<[String]>([])
    var all: [String] { notes.withLock { $0 } }
    func add(_ note: String) { notes.withLock { $0.append(note) } }
  }

  @Test(
    "cut anyhow, the hits are the same bytes",
    arguments: Metric.allCases, [(1 << 40, nil), (5000, 3), (1111, 1), (777, 20), (310, nil)])
  func chunks(_ metric: Metric, _ cut: (memory: Int, batch: Int?)) throws {
    let (base, queries) = try (Self.vectors(97, seed: 1), Self.vectors(20, seed: 2))
    for k in [1, 10, 97, 200] {
      let device = FaultyDevice()
      let search = try IndexSearch(
        base, metric: metric, on: device,
        options: .init(memoryBudget: cut.memory, batchSize: cut.batch))
      let report = try search.nearest(queries, k: k)
      let whole = try Self.whole(base, queries, metric, k: k)
      #expect(report.neighbors.ids == whole.ids)
      #expect(report.neighbors.scores.map(\.bitPattern) == whole.scores.map(\.bitPattern))
      #expect(report.neighbors.hitCount == min(k, 97) && report.neighbors.queryCount == 20)
      #expect(report.neighbors.statistics == whole.statistics)
      #expect(report.peakBytes <= cut.memory)
      #expect(device.prepared.reduce(0, +) == 97 && device.prepared.count == report.chunkCount)
      #expect((report.chunkCount > 1) == (cut.memory < 9700))
    }
  }

  @Test("rows that fit are prepared once, rows that do not are prepared every time")
  func reuse() throws {
    let (base, queries) = try (Self.vectors(50, seed: 1), Self.vectors(4, seed: 2))
    for (memory, prepared) in [(1 << 30, [50]), (2540, [25, 25, 25, 25])] {
      let device = FaultyDevice()
      let search = try IndexSearch(
        base, metric: .squaredL2, on: device, options: .init(memoryBudget: memory))
      let first = try search.nearest(queries, k: 3)
      let second = try search.nearest(queries, k: 3)
      #expect(first.neighbors == second.neighbors)
      #expect(device.prepared == prepared)
    }
  }

  @Test("the device's own limits cut too: its memory, its largest allocation")
  func deviceLimits() throws {
    let (base, queries) = try (Self.vectors(50, seed: 1), Self.vectors(4, seed: 2))
    for device in [
      FaultyDevice(memoryBytes: 2000), FaultyDevice(maxAllocationBytes: 1999),
    ] {
      let report = try IndexSearch(base, metric: .cosine, on: device).nearest(queries, k: 5)
      #expect(report.chunkCount == 3)
      #expect(try report.neighbors.ids == Self.whole(base, queries, .cosine, k: 5).ids)
    }
  }

  @Test("batches shrink where memory is short, unless their size was asked for")
  func batches() throws {
    let (base, queries) = try (Self.vectors(9, seed: 1), Self.vectors(40, seed: 2))
    let device = FaultyDevice()
    let report = try IndexSearch(
      base, metric: .squaredL2, on: device, options: .init(memoryBudget: 250)
    ).nearest(queries, k: 2)
    #expect(report.batchSize == 10 && report.chunkCount == 9)
    #expect(try report.neighbors.ids == Self.whole(base, queries, .squaredL2, k: 2).ids)
    let error = #expect(throws: TesseraError.self) {
      try IndexSearch(
        base, metric: .squaredL2, on: device,
        options: .init(memoryBudget: 250, batchSize: 40)
      ).nearest(queries, k: 2)
    }
    // The user allowed too little; no device ran short.
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("500 bytes for a single row") == true)
  }

  @Test(
    "a device that fails is replaced, with the same hits and a word about it",
    arguments: [TesseraError.Code.deviceFailure, .buildFailure])
  func fallback(_ code: TesseraError.Code) throws {
    let (base, queries) = try (Self.vectors(40, seed: 1), Self.vectors(10, seed: 2))
    let notes = Notes()
    let device = FaultyDevice(failures: [nil, nil, code])
    let search = try IndexSearch(
      base, metric: .innerProduct, on: device,
      options: .init(memoryBudget: 2000, batchSize: 5))
    let control = RunControl(fallback: ReferenceDevice.shared, note: notes.add)
    let report = try search.nearest(queries, k: 7, control: control)
    #expect(report.neighbors == (try Self.whole(base, queries, .innerProduct, k: 7)))
    #expect(report.device.identifier == "reference")
    #expect(notes.all.count == 1)
    #expect(notes.all.first?.contains("reference takes over") == true)
    // It stays replaced.
    #expect(try search.nearest(queries, k: 7).neighbors == report.neighbors)
    #expect(device.batches.count == 3)
  }

  @Test("a device short of memory is first asked for less")
  func shrink() throws {
    let (base, queries) = try (Self.vectors(40, seed: 1), Self.vectors(10, seed: 2))
    let notes = Notes()
    let device = FaultyDevice(failures: [.outOfMemory, .outOfMemory])
    let report = try IndexSearch(base, metric: .innerProduct, on: device)
      .nearest(queries, k: 7, control: RunControl(note: notes.add))
    #expect(report.neighbors == (try Self.whole(base, queries, .innerProduct, k: 7)))
    #expect(report.device.identifier == "faulty:0" && report.chunkCount > 2)
    #expect(notes.all.count == 2)
    // It does not try for ever.
    let exhausted = FaultyDevice(failures: [TesseraError.Code?](repeating: .outOfMemory, count: 9))
    #expect(throws: TesseraError.self) {
      try IndexSearch(base, metric: .innerProduct, on: exhausted).nearest(queries, k: 7)
    }
    #expect(exhausted.batches.count == 4)
  }

  @Test("a device that lost its rows is given them again, once")
  func lost() throws {
    let (base, queries) = try (Self.vectors(40, seed: 1), Self.vectors(10, seed: 2))
    let options = IndexSearch.Options(batchSize: 5)
    let device = FaultyDevice(failures: [nil, .deviceLost])
    let report = try IndexSearch(base, metric: .innerProduct, on: device, options: options)
      .nearest(queries, k: 7)
    #expect(report.neighbors == (try Self.whole(base, queries, .innerProduct, k: 7)))
    #expect(report.device.identifier == "faulty:0" && device.prepared == [40, 40])
    #expect(device.batches.count == 4)
    let again = FaultyDevice(failures: [.deviceLost, .deviceLost])
    let error = #expect(throws: TesseraError.self) {
      try IndexSearch(base, metric: .innerProduct, on: again).nearest(queries, k: 7)
    }
    #expect(error?.code == .deviceLost && again.prepared == [40, 40])
  }

  @Test("without a fallback a failure is thrown, and the next search starts afresh")
  func noFallback() throws {
    let (base, queries) = try (Self.vectors(40, seed: 1), Self.vectors(10, seed: 2))
    let search = try IndexSearch(
      base, metric: .innerProduct, on: FaultyDevice(failures: [.deviceFailure]))
    let error = #expect(throws: TesseraError.self) { try search.nearest(queries, k: 7) }
    #expect(error?.code == .deviceFailure)
    #expect(try search.nearest(queries, k: 7).neighbors.queryCount == 10)
  }

  @Test("rows that are not finite are named as the file counts them")
  func nonFinite() throws {
    var values = [Float](repeating: 1, count: 200)
    values[2 * 77] = .nan
    let (base, clean) = try (
      Vectors(values, dimension: 2), Vectors([Float](repeating: 1, count: 200), dimension: 2)
    )
    let options = IndexSearch.Options(
      memoryBudget: 1110, batchSize: 10, vectorsName: "base.npy", queriesName: "queries.npy")
    for (vectors, queries, name) in [(base, clean, "base.npy"), (clean, base, "queries.npy")] {
      let error = #expect(throws: TesseraError.self) {
        try IndexSearch(
          vectors.rows(7..<vectors.count), metric: .squaredL2, on: FaultyDevice(),
          options: options
        ).nearest(queries.rows(7..<queries.count), k: 1)
      }
      #expect(error?.code == .nonFinite)
      #expect(error?.message.hasPrefix("\(name): NaN or infinity in row 70") == true)
    }
  }

  @Test("nothing to search and nothing to ask are answered with nothing")
  func empty() throws {
    let some = try Self.vectors(5, seed: 1)
    let none = some.rows(0..<0)
    let device = ReferenceDevice.shared
    let noRows = try IndexSearch(none, metric: .cosine, on: device).nearest(some, k: 3).neighbors
    #expect(noRows.queryCount == 5 && noRows.hitCount == 0)
    let noQueries = try IndexSearch(some, metric: .cosine, on: device).nearest(none, k: 3).neighbors
    #expect(noQueries.queryCount == 0 && noQueries.hitCount == 3)
    let selected = try IndexSearch(some, metric: .cosine, on: device)
      .nearest(none, k: 3, only: .range(0..<2)).neighbors
    #expect(selected.queryCount == 0 && selected.hitCount == 2)
  }

  @Test(
    "selected rows: cut anyhow, the hits are those of the whole set",
    arguments: Metric.allCases, [1 << 40, 5000, 1111, 310])
  func selected(_ metric: Metric, _ memory: Int) throws {
    let (base, queries) = try (Self.vectors(97, seed: 1), Self.vectors(20, seed: 2))
    let device = ReferenceDevice.shared
    let set = try device.prepare(base, metric: metric)
    for selector in [
      IDSelector.range(30..<60), .range(0..<1), .range(96..<500), .range(-5..<97),
      .flags((0..<97).map { $0 % 3 == 1 }), try .ids([0, 40, 41, 96]),
    ] {
      for k in [1, 10, 200] {
        let whole = try device.nearest(queries, in: set, k: k, only: selector)
        let faulty = FaultyDevice()
        let search = try IndexSearch(
          base, metric: metric, on: faulty, options: .init(memoryBudget: memory))
        let report = try search.nearest(queries, k: k, only: selector)
        #expect(report.neighbors == whole)
        let plan = try search.plan(queryCount: 20, k: k, only: selector)
        #expect(faulty.prepared == plan.chunkRows.map(\.count))
        #expect(report.chunkCount == plan.chunkRows.count && report.batchSize == plan.batchSize)
        #expect(report.workingBytes == plan.cost.workingBytes)
      }
    }
  }

  @Test("chunks without a selected row are not prepared, others only where rows are selected")
  func skippedChunks() throws {
    let (base, queries) = try (Self.vectors(50, seed: 1), Self.vectors(4, seed: 2))
    // Chunks of 10 rows.
    let options = IndexSearch.Options(memoryBudget: 1040)
    for (selector, prepared) in [
      (IDSelector.range(15..<25), [5, 5]), (.range(20..<30), [10]), (.range(50..<70), []),
      (.range(7..<7), []), (try .ids([3, 48]), [10, 10]), (.flags([]), []),
    ] {
      let device = FaultyDevice()
      let search = try IndexSearch(base, metric: .squaredL2, on: device, options: options)
      let report = try search.nearest(queries, k: 3, only: selector)
      #expect(device.prepared == prepared)
      #expect(report.chunkCount == prepared.count)
      #expect(report.neighbors.queryCount == 4)
      #expect((report.neighbors.hitCount == 0) == prepared.isEmpty)
    }
  }

  @Test("rows that fit are prepared whole, so that another selection finds them ready")
  func reuseBySelections() throws {
    let (base, queries) = try (Self.vectors(50, seed: 1), Self.vectors(4, seed: 2))
    let device = FaultyDevice()
    let search = try IndexSearch(base, metric: .squaredL2, on: device)
    let none = try search.nearest(queries, k: 3, only: .range(60..<70))
    #expect(none.neighbors.hitCount == 0 && device.prepared.isEmpty)
    #expect(try search.nearest(queries, k: 3, only: .range(0..<5)).neighbors.ids.max() ?? 9 < 5)
    #expect(try search.nearest(queries, k: 3, only: .range(5..<9)).neighbors.ids.min() ?? 0 >= 5)
    let all = try search.nearest(queries, k: 3).neighbors
    #expect(try all.ids == Self.whole(base, queries, .squaredL2, k: 3).ids)
    #expect(device.prepared == [50])
  }

  @Test("queries that are not finite are refused though no row is selected")
  func nonFiniteWithoutRows() throws {
    let bad = try Vectors([1, .nan], dimension: 2)
    let search = try IndexSearch(
      Vectors([1, 2], dimension: 2), metric: .cosine, on: ReferenceDevice.shared)
    let error = #expect(throws: TesseraError.self) {
      try search.nearest(bad, k: 1, only: .range(1..<2))
    }
    #expect(error?.code == .nonFinite && error?.message.hasPrefix("queries: ") == true)
  }

  @Test("a plan says what a search will hold, and moves to the fallback as the search does")
  func plans() throws {
    let (base, queries) = try (Self.vectors(50, seed: 1), Self.vectors(4, seed: 2))
    let search = try IndexSearch(
      base, metric: .cosine, on: FaultyDevice(), options: .init(memoryBudget: 2540))
    let plan = try search.plan(queryCount: 4, k: 3)
    #expect(plan.chunkRows == [0..<25, 25..<50] && plan.rowsPerChunk == 25 && plan.streams)
    #expect(plan.cost.residentBytes == 2500 && plan.cost.workingBytes == 40)
    let report = try search.nearest(queries, k: 3)
    #expect(report.workingBytes == 40 && report.peakBytes == 2540)
    let small = FaultyDevice(memoryBytes: 99)
    let alone = try IndexSearch(base, metric: .cosine, on: small)
    #expect(throws: TesseraError.self) { try alone.plan(queryCount: 4, k: 3) }
    let control = RunControl(fallback: ReferenceDevice.shared)
    let backed = try IndexSearch(base, metric: .cosine, on: small)
    #expect(
      try backed.plan(queryCount: 4, k: 3, control: control).device.identifier == "reference")
    #expect(
      try backed.nearest(queries, k: 3, control: control).device.identifier == "reference")
    #expect(plan.resultBytes == 4 * 3 * 24)
  }

  @Test("progress rises to the whole")
  func progress() throws {
    let (base, queries) = try (Self.vectors(40, seed: 1), Self.vectors(10, seed: 2))
    let steps = Mutex<[Double]>([])
    let control = RunControl(progress: { step in steps.withLock { $0.append(step.done) } })
    _ = try IndexSearch(
      base, metric: .cosine, on: FaultyDevice(),
      options: .init(memoryBudget: 1500, batchSize: 4)
    ).nearest(queries, k: 2, control: control)
    let seen = steps.withLock(\.self)
    #expect(seen.last == 1)
    #expect(zip(seen, seen.dropFirst()).allSatisfy { $0 < $1 })
    #expect(seen.count == 9)
    steps.withLock { $0 = [] }
    _ = try IndexSearch(
      base, metric: .cosine, on: FaultyDevice(),
      options: .init(memoryBudget: 1500, batchSize: 4)
    ).nearest(queries, k: 2, only: .range(10..<20), control: control)
    #expect(steps.withLock(\.last) == 1)
  }

  @Test("what has no meaning is refused")
  func refusals() throws {
    let base = try Self.vectors(4, seed: 1)
    let device = ReferenceDevice.shared
    let narrow = try Self.vectors(4, dimension: 5, seed: 1)
    let search = try IndexSearch(base, metric: .cosine, on: device)
    #expect(throws: TesseraError.self) { try search.nearest(narrow, k: 1) }
    #expect(throws: TesseraError.self) { try search.nearest(base, k: 0) }
    for options in [IndexSearch.Options(batchSize: 0), .init(memoryBudget: 0)] {
      let error = #expect(throws: TesseraError.self) {
        try IndexSearch(base, metric: .cosine, on: device, options: options)
      }
      #expect(error?.code == .invalidArgument)
    }
    #expect(throws: TesseraError.self) {
      try IndexSearch(Vectors([], dimension: 0), metric: .cosine, on: device)
    }
  }
}
