import CSIMD
import TesseraCompute
import TestSupport
import Testing

@testable import TesseraCPU

/// Whatever the CPU device's filters leave out or guess, on every instruction set of this machine.
@Suite("filters of the CPU device")
struct CPUFilterTests {
  @Test("all give the same bytes, which are right", arguments: SearchCase.large)
  func policies(_ input: SearchCase) throws {
    let search = try Search(input)
    for device in try devices(threads: [1]) {
      try search.expectExact(on: device, k: [1, 10, 64, 700])
    }
  }

  @Test(
    "drop no row at its own score, and estimate within the tolerance",
    arguments: SearchCase.large + SearchCase.narrowAndWide)
  func certificates(_ input: SearchCase) throws {
    let search = try Search(input)
    for device in try devices(threads: [1]) where device.filterPolicy == .auto {
      for filter in try search.filters(on: device) {
        let scope = try search.scope(filter, on: device)
        let dropped = try search.droppedAtTheirOwnScore(in: scope, on: device)
        #expect(dropped == [], "(query, row) of \(device.info.variant), \(filter)")
        guard case .float32 = filter else { continue }
        let off = try search.estimatedOutsideTolerance(in: scope, on: device)
        #expect(off == [], "(query, row) of \(device.info.variant)")
      }
    }
  }

  @Test("find out that a guessed threshold was too high", arguments: Metric.allCases)
  func wrongGuess(_ metric: Metric) throws {
    let search = try Search(
      SearchCase(
        metric, .float32, rows: 20_000, dimension: 64, queries: 30, content: .biasedSample))
    // The rows that the guess is made from hold all the hits.
    #expect(search.truth.best(64).ids.allSatisfy { $0 / 32 % 16 == 0 })
    for device in try devices(threads: [1, 2]) { try search.expectExact(on: device, k: [64]) }
  }

  @Test(
    "keep thousands of ties apart by id", arguments: Metric.allCases,
    [Content.crowd, .duplicates, .allEqual])
  func ties(_ metric: Metric, _ content: Content) throws {
    let search = try Search(
      SearchCase(
        metric, .float32, rows: 12_000, dimension: 64, queries: 3, content: content))
    // Fewer and more than there are equal rows: 10,000, 2,400 of each of five, and all.
    for device in try devices(threads: [1]) where device.filterPolicy == .auto {
      try search.expectExact(on: device, k: [50, 2000, 3000, 11_500])
    }
  }

  @Test(
    "take whole rows and queries that are not whole", arguments: Metric.allCases,
    [ElementType.uint8, .int8])
  func fractionalQueries(_ metric: Metric, _ element: ElementType) throws {
    let input = SearchCase(
      metric, element, rows: 8200, dimension: 70, queries: 4, content: .clustered)
    let rows = try input.makeRows()
    let whole = try input.makeQueries(rows)
    // Float32 all of them: of whole numbers, of halves, of any, and beyond what bytes hold.
    for (factor, shift) in [(1, 0), (1, 0.5), (0.37, 0.1), (40, -3)] as [(Float, Float)] {
      let queries = try Sample(
        whole.values.map { $0 * factor + shift }, dimension: 70, element: .float32)
      let search = Search(input, rows, queries)
      for device in try devices(threads: [1]) {
        try search.expectExact(on: device, k: [1, 100])
      }
    }
  }

  /// A device for every instruction set, filter policy and number of threads.
  private func devices(threads: [Int]) throws -> [CPUDevice] {
    try CPUDevice.variants.flatMap { variant in
      try FilterPolicy.allCases.flatMap { policy in
        try threads.map { try CPUDevice(variant: variant, threads: $0, filter: policy) }
      }
    }
  }
}

/// Rows, queries and the truth about them.
private struct Search {
  let input: SearchCase
  let rows: Sample
  let queries: Sample
  let truth: Neighbors

  init(_ input: SearchCase) throws {
    let rows = try input.makeRows()
    self.init(input, rows, try input.makeQueries(rows))
  }

  init(_ input: SearchCase, _ rows: Sample, _ queries: Sample) {
    self.input = input
    self.rows = rows
    self.queries = queries
    truth = Oracle.neighbors(queries, in: rows, metric: input.metric)
  }

  func expectExact(on device: CPUDevice, k counts: [Int]) throws {
    let set = try device.prepare(rows.vectors, metric: input.metric)
    for k in counts {
      let found = try device.nearest(queries.vectors, in: set, k: k)
      #expect(
        found.difference(from: truth.best(k)) == nil,
        "\(input), k = \(k), \(device.info.variant), \(device.filterPolicy)")
    }
  }

  /// The canonical score of every query with every row, larger being better.
  private var merits: [Float] {
    let sign: Float = input.metric == .squaredL2 ? -1 : 1
    return Oracle.scores(
      input.metric, queries.values, rows.values, dimension: input.dimension
    ).map { sign * $0 }
  }

  /// Every filter there is for these rows. Leading directions are tried that suit the rows and
  /// that do not: a bound has to hold for both.
  func filters(on device: CPUDevice) throws -> [Filter] {
    let plain = FilterChoice.candidate(
      input.element, dimension: input.dimension, device.kernels)
    guard case .quantized = plain else { return [.float32] }
    var filters = [Filter.float32, plain]
    guard 2 * panelWidth...256 ~= input.dimension else { return filters }
    let strangers = try Sample(
      .uniform, count: 300, dimension: input.dimension, element: .float32, seed: 9)
    for sample in [rows, strangers] {
      guard
        let directions = try PrincipalDirections(
          sample.values, rowCount: 300, dimension: input.dimension, count: 2 * panelWidth,
          products: device.products)
      else { continue }
      for width in [panelWidth, 2 * panelWidth] {
        filters.append(.leading(try directions.leading(width, on: device)))
      }
    }
    return filters
  }

  /// All rows, packed for one filter.
  func scope(_ filter: Filter, on device: CPUDevice) throws -> SearchScope {
    let set = try CPUVectorSet(
      rows.vectors, in: RowLists(one: .consecutive(count: rows.count)), metric: input.metric,
      filters: ChosenFilters(main: filter), as: "rows", kernels: device.kernels,
      workers: device.workers)
    return SearchScope(set, k: 1)
  }

  private func withPackedQueries(
    for scope: SearchScope, on device: CPUDevice, _ body: (PackedQueries) throws -> Void
  ) throws {
    let prepared = try PreparedQueries(
      queries.vectors, "queries", kernels: device.kernels, workers: device.workers)
    let packed = try PackedQueries(
      prepared, 0..<queries.count, for: scope, passing: panelWidth, kernels: device.kernels)
    // Kernels are given pointers into all three.
    try withExtendedLifetime((prepared, packed, scope)) { try body(packed) }
  }

  /// The queries and rows for which a filter drops a row where the threshold is that row's own
  /// score. Looks at some rows of every panel.
  func droppedAtTheirOwnScore(in scope: SearchScope, on device: CPUDevice) throws -> [[Int]] {
    let merits = merits
    var dropped: [[Int]] = []
    try withPackedQueries(for: scope, on: device) { packed in
      var panels = scope.kernelPanels
      for row in stride(from: 0, to: rows.count, by: rows.count > 1000 ? 13 : 1) {
        let panel = row / panelWidth
        for query in 0..<queries.count {
          packed.raise(query, merit: merits[query * rows.count + row])
        }
        packed.filter(&panels, 0..<queries.count, panel..<panel + 1, with: device.kernels)
        for query in 0..<queries.count {
          let passed = packed.queries[query]
          if !(0..<passed.count).contains(where: { passed.rows[$0] == Int32(row) }) {
            dropped.append([query, row])
          }
          packed.queries[query].count = 0
        }
      }
    }
    return Array(dropped.prefix(5))
  }

  /// The queries and rows for which the estimate and the merit it stands for are further apart than
  /// the tolerance says.
  func estimatedOutsideTolerance(
    in scope: SearchScope, on device: CPUDevice
  ) throws -> [[Int]] {
    let lists = try HitLists(queries.count, capacity: rows.count, atMost: rows.count)
    let merits = merits
    let all = (0..<rows.count).map { Int32($0) }
    var off: [[Int]] = []
    try withPackedQueries(for: scope, on: device) { packed in
      for query in 0..<queries.count where packed.scorers[query].exact == 0 {
        let scorer = packed.scorers[query]
        device.kernels.table.pointee.score(
          packed.scorers + query, all, rows.count, lists.hits + query)
        // As `surely` of hits.h has it.
        func surely(_ value: Float) -> Float {
          let slack =
            input.metric == .squaredL2 ? -value * scorer.tolerance + 0x1p-100 : scorer.tolerance
          return (value - slack).nextDown
        }
        for row in 0..<rows.count {
          let estimate = lists.hits[query].merits[row]
          let merit = merits[query * rows.count + row]
          if merit < surely(estimate) || estimate < surely(merit) { off.append([query, row]) }
        }
      }
    }
    withExtendedLifetime(lists) {}
    return Array(off.prefix(5))
  }
}
