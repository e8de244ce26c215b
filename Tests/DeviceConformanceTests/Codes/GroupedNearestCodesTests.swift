import TesseraCompute
import TestSupport
import Testing

@Suite("nearestCodes over lists")
struct GroupedNearestCodesTests {
  /// Codes, queries and lists, all made from one seed.
  struct Input: Workload, CustomStringConvertible {
    var rows: Int
    var subspaceCount: Int
    var bits: Int
    var queries = 7
    var order = ScoreOrder.smallestFirst
    /// What codes have besides numbers, and queries besides tables.
    var scales = false
    var offsets = false
    var weights = false
    var terms = false
    /// The values that an entry can have; few make ties.
    var kinds = 1 << 20
    var sizes = [0, 1, 31, 32, 33, 0, 64, 65, 2]
    var seed: UInt64 = 3

    var work: Int { queries * rows * subspaceCount }
    var description: String {
      "\(queries) queries, \(rows) codes of \(subspaceCount) x \(bits) bits, \(order), "
        + "scales \(scales), offsets \(offsets), weights \(weights), terms \(terms), "
        + "\(kinds) kinds, seed \(seed)"
    }

    static let named: [Input] = [4, 8].flatMap { bits in
      ScoreOrder.allCases.flatMap { order in
        [
          Input(rows: 300, subspaceCount: 5, bits: bits, order: order),
          Input(rows: 300, subspaceCount: 12, bits: bits, order: order, terms: true),
          Input(rows: 300, subspaceCount: 12, bits: bits, order: order, scales: true),
          Input(
            rows: 700, subspaceCount: 8, bits: bits, order: order, scales: true, offsets: true,
            weights: true, terms: true),
          Input(rows: 500, subspaceCount: 2, bits: bits, order: order, terms: true, kinds: 2),
          Input(rows: 400, subspaceCount: 96, bits: bits, queries: 3, order: order, offsets: true),
        ]
      }
    }

    static let random: [Input] = (UInt64(1)...120).map { seed in
      var generator = RepeatableGenerator(seed: seed)
      func flip() -> Bool { generator.below(2) == 1 }
      return Input(
        rows: generator.below(400), subspaceCount: 1 + generator.below(20), bits: flip() ? 4 : 8,
        queries: 1 + generator.below(9), order: flip() ? .smallestFirst : .largestFirst,
        scales: flip(), offsets: flip(), weights: flip(), terms: flip(),
        kinds: flip() ? 3 : 1 << 16,
        sizes: (0...generator.below(4)).map { _ in generator.below(90) } + [1], seed: seed)
    }
  }

  /// What an input says, ready to be searched on any device.
  private struct Content {
    let codes: ProductCodes
    let tables: [Float]
    let weights: [Float]?
    let grouping: Grouping
    let probes: Probes

    init(_ input: Input) throws {
      var generator = RepeatableGenerator(seed: input.seed)
      func numbers(_ count: Int, least: Float = -1) -> [Float] {
        (0..<count).map { _ in
          let number = Float(generator.below(input.kinds)) / Float(input.kinds - 1)
          return least + number * (1 - least)
        }
      }
      let byteCount = (input.subspaceCount * input.bits + 7) / 8
      codes = try ProductCodes(
        (0..<input.rows * byteCount).map { place in
          let byte = UInt8(generator.below(256))
          // Bits past the last number are 0.
          return input.bits == 4 && input.subspaceCount % 2 == 1
            && place % byteCount == byteCount - 1 ? byte & 15 : byte
        }, subspaceCount: input.subspaceCount, bits: input.bits,
        scales: input.scales ? numbers(input.rows, least: 0) : nil,
        offsets: input.offsets ? numbers(input.rows) : nil)
      tables = numbers(input.queries * input.subspaceCount << input.bits)
      weights = input.weights ? numbers(input.queries) : nil
      grouping = try Grouping(
        input.rows, sizes: input.sizes, queries: input.queries, seed: input.seed)
      let bare = grouping.probes
      probes = try Probes(
        starts: bare.starts, lists: bare.lists,
        terms: input.terms ? numbers(bare.lists.count) : nil)
    }

    func nearest(
      on device: any Device, probing probes: Probes?, _ order: ScoreOrder, _ limit: Limit,
      only selector: IDSelector? = nil
    ) throws -> Neighbors {
      let queryCount = self.probes.queryCount
      return try device.nearestCodes(
        CodeQueries(
          device.upload(tables, rows: queryCount, columns: tables.count / queryCount),
          offsetWeights: weights), in: device.prepare(codes, in: grouping.lists), probing: probes,
        order: order, within: limit, only: selector)
    }
  }

  private func expectReference(
    _ trial: Trial<Input>, k: [Int], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let content = try Content(trial.input)
    let device = try trial.subject.device
    let reference = ReferenceDevice.shared
    let order = trial.input.order
    let third = try IDSelector.ids(Set(content.grouping.ids.filter { $0 % 3 == 0 }))
    for probes in [content.probes, nil] {
      let all = try content.nearest(on: reference, probing: probes, order, .k(1000))
      let middle = all.scores.isEmpty ? 0 : all.scores[all.scores.count / 2]
      for limit in k.map({ Limit.k($0) }) + [.score(middle)] {
        for selector in [nil, third] {
          let want = try content.nearest(
            on: reference, probing: probes, order, limit, only: selector)
          let found = try content.nearest(
            on: device, probing: probes, order, limit, only: selector)
          #expect(
            found.difference(from: want) == nil,
            "\(trial.input), \(limit), \(probes == nil ? "all lists" : "some lists")",
            sourceLocation: sourceLocation)
          #expect(found.statistics.certified)
        }
      }
    }
  }

  @Test(
    "finds what the formula says, in lists of every size, ids in any order",
    arguments: Subject.trials(.nearestCodes, Input.named))
  func named(_ trial: Trial<Input>) throws { try expectReference(trial, k: [1, 10, 900]) }

  @Test(
    "finds what the formula says in random cases",
    arguments: Subject.trials(.nearestCodes, Input.random))
  func random(_ trial: Trial<Input>) throws {
    try expectReference(trial, k: [1 + Int(trial.input.seed % 40)])
  }

  @Test(
    "scores that leave Float32 are ranked as the formula says",
    arguments: Subject.trials(
      .nearestCodes, [4, 8].map { Input(rows: 200, subspaceCount: 3, bits: $0, terms: true) }))
  func huge(_ trial: Trial<Input>) throws {
    let content = try Content(trial.input)
    let bare = content.probes
    let device = try trial.subject.device
    for terms: [Float] in [[.infinity, 1, -.infinity], [3e38, -3e38], [.nan, 0]] {
      let probes = try Probes(
        starts: bare.starts, lists: bare.lists,
        terms: bare.lists.indices.map { terms[$0 % terms.count] })
      let want = try content.nearest(
        on: ReferenceDevice.shared, probing: probes, .largestFirst, .k(20))
      let found = try content.nearest(on: device, probing: probes, .largestFirst, .k(20))
      #expect(found.ids == want.ids)
      #expect(
        zip(found.scores, want.scores).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
    }
  }

  @Test("refuses what does not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    let codes = try ProductCodes([1, 2, 3], subspaceCount: 1, bits: 8)
    let tables = try device.upload([Float](repeating: 0, count: 512), rows: 2, columns: 256)
    let set = try device.prepare(
      codes, in: RowLists(starts: [0, 1, 3], ids: .consecutive(count: 3)))
    func code(_ probes: Probes?, _ limit: Limit) -> TesseraError.Code? {
      refusal {
        try device.nearestCodes(
          CodeQueries(tables), in: set, probing: probes, order: .largestFirst, within: limit,
          only: nil)
      }?.code
    }
    #expect(code(.all(of: 2, queryCount: 2), .k(1)) == nil)
    #expect(code(.all(of: 3, queryCount: 2), .k(1)) == .invalidArgument)
    #expect(code(.all(of: 2, queryCount: 1), .k(1)) == .invalidShape)
    #expect(code(nil, .score(.nan)) == .invalidArgument)
    #expect(
      refusal { try device.prepare(codes, in: RowLists(one: .consecutive(count: 2))) }?.code
        == .invalidShape)
  }

  @Test("refuses factors that are no factors")
  func malformed() throws {
    func code(_ scales: [Float]?, _ offsets: [Float]?) -> TesseraError.Code? {
      refusal {
        try ProductCodes([1, 2], subspaceCount: 1, bits: 8, scales: scales, offsets: offsets)
      }?.code
    }
    #expect(code([1, 0], [-3, 3]) == nil)
    #expect(code([1], nil) == .invalidShape)
    #expect(code(nil, [1, 2, 3]) == .invalidShape)
    #expect(code([1, -1], nil) == .invalidArgument)
    #expect(code([1, .infinity], nil) == .invalidArgument)
    #expect(code(nil, [.nan, 1]) == .invalidArgument)
    let tables = try ReferenceDevice.shared.upload([Float(0)], rows: 1, columns: 1)
    #expect(refusal { try CodeQueries(tables, offsetWeights: [1, 2]) }?.code == .invalidShape)
    #expect(refusal { try CodeQueries(tables, offsetWeights: [.nan]) }?.code == .nonFinite)
  }
}
