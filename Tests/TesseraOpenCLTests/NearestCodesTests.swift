import TesseraCompute
import Testing

@testable import TesseraOpenCL

@Suite struct NearestCodesTests {
  /// Codes and tables that the reference device finishes.
  struct Input: Sendable {
    var count: Int
    var subspaceCount: Int
    var bits: Int
    var queries: Int
    var k: Int
    var order = ScoreOrder.smallestFirst
    /// The number of values an entry can have; few make ties.
    var kinds = Int.max
    /// Queries whose tables have an entry that bytes cannot hold.
    var wild: Set<Int> = []

    var columns: Int { subspaceCount << bits }

    func codes(seed: UInt64) throws -> ProductCodes {
      var numbers = Numbers(seed: seed)
      let bytes = (0..<count * ((subspaceCount * bits + 7) / 8)).map { _ in
        UInt8(truncatingIfNeeded: numbers.next())
      }
      return try ProductCodes(bytes, subspaceCount: subspaceCount, bits: bits)
    }

    func tables(seed: UInt64) -> [Float] {
      var numbers = Numbers(seed: seed)
      var entries = numbers.floats(queries * columns)
      if kinds < .max { entries = entries.map { ($0 * Float(kinds) / 2).rounded(.down) } }
      for (place, query) in wild.sorted().enumerated() {
        entries[query * columns + 3] = [.nan, .infinity, 2e38][place % 3]
      }
      return entries
    }

    @discardableResult
    func expectReference(
      _ device: OpenCLDevice, _ limits: SearchLimits = SearchLimits(),
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> SearchStatistics {
      func hits(
        _ device: any Device, _ nearest: (Matrix<Float>, ProductCodes) throws -> Neighbors
      ) throws -> Neighbors {
        try nearest(
          device.upload(tables(seed: 2), rows: queries, columns: columns), codes(seed: 1))
      }
      let got = try hits(device) {
        try device.nearestCodes(
          CodeQueries($0), in: device.prepare($1, limits: limits), order: order, k: k,
          limits: limits)
      }
      let reference = ReferenceDevice.shared
      let want = try hits(reference) {
        try reference.nearestCodes($0, in: reference.prepare($1), order: order, k: k)
      }
      #expect(got.queryCount == want.queryCount && got.hitCount == want.hitCount)
      #expect(got.ids == want.ids, "seeds 1 and 2", sourceLocation: sourceLocation)
      let scores = zip(got.scores, want.scores)
      #expect(
        scores.allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN },
        "seeds 1 and 2", sourceLocation: sourceLocation)
      #expect(got.statistics.certified)
      return got.statistics
    }
  }

  @Test("segments, staging and batches leave no trace", arguments: Subject.all)
  func segments(_ subject: Subject) throws {
    for bits in [4, 8] {
      for order in ScoreOrder.allCases {
        var limits = SearchLimits()
        limits.segmentBytes = 5 * 64 * 7
        limits.stagingBytes = 2 * 64 * 7
        limits.batchBytes = 1
        let input = Input(
          count: 4500, subspaceCount: 7, bits: bits, queries: 21, k: 30, order: order)
        try input.expectReference(subject.device, limits)
        limits.capacity = 64
        try input.expectReference(subject.device, limits)
      }
    }
  }

  @Test("a list that overflows is searched again", arguments: Subject.all, [1, 7, 40])
  func overflow(_ subject: Subject, _ k: Int) throws {
    var limits = SearchLimits()
    limits.capacity = 64
    for bits in [4, 8] {
      for order in ScoreOrder.allCases {
        // So few values that hundreds of rows tie.
        let input = Input(
          count: 1500, subspaceCount: 2, bits: bits, queries: 9, k: k, order: order, kinds: 2)
        let counted = try input.expectReference(subject.device, limits)
        #expect(counted.rescored >= 9 * 64)
      }
    }
  }

  @Test(
    "tables that bytes cannot hold are scored in full, the others are not", arguments: Subject.all)
  func wild(_ subject: Subject) throws {
    for (bits, queries, wild) in [
      (4, 1, [0]), (4, 9, [0, 3, 4, 8]), (4, 20, Array(0..<20)), (4, 11, [10]),
      (8, 1, [0]), (8, 70, [0, 32, 33, 69]), (8, 3, Array(0..<3)),
    ] {
      for order in ScoreOrder.allCases {
        let input = Input(
          count: 300, subspaceCount: 5, bits: bits, queries: queries, k: 6, order: order,
          wild: Set(wild))
        let counted = try input.expectReference(subject.device)
        #expect(counted.rescored >= 300 * wild.count)
        #expect(counted.candidates < 300 * wild.count + 300 * (queries - wild.count) + 1)
      }
    }
  }

  @Test(
    "more subspaces than local memory holds at a time, or than can be rounded",
    arguments: Subject.all)
  func manySubspaces(_ subject: Subject) throws {
    for subspaceCount in [63, 64, 65, 130, 512, 513] {
      try Input(count: 150, subspaceCount: subspaceCount, bits: 4, queries: 5, k: 4)
        .expectReference(subject.device)
    }
    for subspaceCount in [1, 7, 8, 9, 16, 130, 513] {
      try Input(count: 150, subspaceCount: subspaceCount, bits: 8, queries: 5, k: 4)
        .expectReference(subject.device)
    }
  }

  @Test("counts around a panel, a group, a slice and a tile", arguments: Subject.all)
  func edges(_ subject: Subject) throws {
    for count in [1, 31, 32, 33, 63, 64, 65, 96, 127, 129, 511, 513, 4095, 4097] {
      for (queries, k) in [(1, 1), (31, 5), (33, 10)] {
        let input = Input(
          count: count, subspaceCount: 3, bits: 8, queries: queries, k: k, order: .largestFirst)
        try input.expectReference(subject.device)
      }
    }
  }

  @Test("more codewords than a number can name", arguments: Subject.all)
  func spareCodewords(_ subject: Subject) throws {
    let device = subject.device
    for (bits, codewords) in [(4, 16), (4, 17), (4, 300), (8, 248), (8, 256), (8, 257)] {
      let codes = try ProductCodes(
        [0x21, 0xF3, 0x07, 0xF7, 0x00, 0x80], subspaceCount: 2, bits: bits)
      let entries = (0..<2 * codewords).map { Float($0 % 29) }
      let found = try device.nearestCodes(
        device.upload(entries, rows: 1, columns: 2 * codewords), in: device.prepare(codes),
        order: .largestFirst, k: 5)
      let want = try ReferenceDevice.shared.nearestCodes(
        ReferenceDevice.shared.upload(entries, rows: 1, columns: 2 * codewords),
        in: ReferenceDevice.shared.prepare(codes), order: .largestFirst, k: 5)
      #expect(found.ids == want.ids && found.scores == want.scores)
    }
  }

  @Test(
    "the filter spares most rows the exact sum", arguments: Subject.all,
    [
      // 16 bytes a group and subspace, and two lengths a group.
      (bits: 4, subspaceCount: 24, residentBytes: 625 * (24 * 16 + 8)),
      // 64 bytes a group of 64 rows and subspace, and two lengths for each 32 rows.
      (bits: 8, subspaceCount: 12, residentBytes: 313 * 12 * 64 + 625 * 8),
    ])
  func statistics(
    _ subject: Subject, _ codes: (bits: Int, subspaceCount: Int, residentBytes: Int)
  ) throws {
    let device = subject.device
    let input = Input(
      count: 20_000, subspaceCount: codes.subspaceCount, bits: codes.bits, queries: 16, k: 10)
    let set = try device.prepare(input.codes(seed: 1))
    let found = try device.nearestCodes(
      device.upload(input.tables(seed: 2), rows: 16, columns: input.columns), in: set,
      order: .smallestFirst, k: 10)
    #expect(found.statistics.candidates < 16 * 1000)
    #expect(found.statistics.rescored >= 16 * 10 && found.statistics.rescored < 16 * 60)
    #expect(set.residentBytes == codes.residentBytes)
    #expect(found.ids.count == 160)
  }

  @Test("a set of another device is refused", arguments: Subject.all)
  func otherDevice(_ subject: Subject) throws {
    let device = subject.device
    let codes = try ProductCodes([1, 2, 3], subspaceCount: 2, bits: 4)
    let tables = try device.upload([Float](repeating: 1, count: 32), rows: 1, columns: 32)
    var sets = [try ReferenceDevice.shared.prepare(codes)]
    for other in Subject.all where other.device !== device {
      sets.append(try other.device.prepare(codes))
    }
    for set in sets {
      let error = #expect(throws: TesseraError.self) {
        try device.nearestCodes(tables, in: set, order: .largestFirst, k: 1)
      }
      #expect(error?.code == .wrongDevice)
    }
  }

  @Test(
    "the filter's value is as near the score as its bound says", arguments: ScoreOrder.allCases,
    [[Float(1)], [0x1p-149], [0x1p-130], [1e-20, 1], [1, 3e5, 1e-3], [1e30], [4e36], [0]])
  func bound(_ order: ScoreOrder, _ scales: [Float]) {
    var numbers = Numbers(seed: 51)
    for (bits, blockQueries, subspaceCount) in [
      (4, 4, 1), (4, 4, 5), (4, 4, 24), (8, 4, 5), (8, 32, 1), (8, 32, 24),
    ] {
      let codewords = 1 << bits
      let columns = subspaceCount * codewords
      let tables = (0..<9 * columns).map { place in
        Float.random(in: -1...1, using: &numbers) * scales[place / codewords % scales.count]
      }
      let rounded = CodeTables(
        tables[...], subspaceCount: subspaceCount, codewords: codewords, order: order, bits: bits,
        blockQueries: blockQueries)
      #expect(rounded.queryCount == 9)
      let width = CodeGroups.tableBytes(subspaceCount: subspaceCount, bits: bits)
      for query in 0..<9 {
        let (block, place) = query.quotientAndRemainder(dividingBy: blockQueries)
        for _ in 0..<100 {
          var (score, sum) = (Float(0), 0)
          for subspace in 0..<subspaceCount {
            let entry = subspace * codewords + Int.random(in: 0..<codewords, using: &numbers)
            score += tables[query * columns + entry]
            sum += Int(rounded.bytes[(block * width + entry) * blockQueries + place])
          }
          let value = rounded.lines[2 * query + 1]
            .addingProduct(Float(sum), rounded.lines[2 * query])
          let exact = order == .largestFirst ? Double(score) : -Double(score) / 2
          #expect(abs(Double(value) - exact) <= Double(rounded.bounds[4 * query + 1]), "seed 51")
        }
      }
    }
  }
}
