import TesseraCPU
import TesseraCompute
import TestSupport
import Testing

@Suite("nearestCodes")
struct NearestCodesTests {
  /// The kind of tables and codes.
  enum Content: String, Sendable {
    case random
    /// Every code is the same, so that all rows tie.
    case equal
    /// Scores fall from row to row, so that every row beats those before it.
    case rising
    /// Entries of wildly different sizes, so that sums round and bytes tell little.
    case uneven
    /// Entries too large, infinite or NaN for bytes.
    case huge
    /// Tables longer than numbers reach.
    case long
  }

  struct Input: Workload, CustomStringConvertible {
    var queries: Int
    var rows: Int
    var subspaceCount: Int
    var bits: Int
    var k: Int
    var order = ScoreOrder.smallestFirst
    var content = Content.random
    var codewords: Int {
      switch content {
      case .rising: 1 << bits
      case .long: (1 << bits) + 3
      default: (1 << bits) - subspaceCount % 2
      }
    }
    var work: Int { queries * rows * subspaceCount }
    var description: String {
      "\(queries) queries, \(rows) codes of \(subspaceCount) x \(bits) bits, k \(k), \(order), \(content)"
    }

    static let cases: [Input] =
      [4, 8].flatMap { bits in
        [
          Input(queries: 0, rows: 5, subspaceCount: 2, bits: bits, k: 3),
          Input(queries: 2, rows: 0, subspaceCount: 2, bits: bits, k: 3),
          Input(queries: 1, rows: 1, subspaceCount: 1, bits: bits, k: 1),
          Input(queries: 3, rows: 31, subspaceCount: 3, bits: bits, k: 7, order: .largestFirst),
          Input(queries: 4, rows: 32, subspaceCount: 4, bits: bits, k: 32),
          Input(queries: 5, rows: 33, subspaceCount: 5, bits: bits, k: 40, order: .largestFirst),
          Input(queries: 9, rows: 500, subspaceCount: 8, bits: bits, k: 100),
          Input(queries: 2, rows: 700, subspaceCount: 13, bits: bits, k: 2, content: .equal),
          Input(queries: 2, rows: 700, subspaceCount: 2, bits: bits, k: 5, content: .rising),
          Input(queries: 3, rows: 600, subspaceCount: 12, bits: bits, k: 9, content: .uneven),
          Input(queries: 3, rows: 600, subspaceCount: 7, bits: bits, k: 9, content: .long),
          Input(queries: 2, rows: 300, subspaceCount: 4, bits: bits, k: 5, content: .huge),
          Input(
            queries: 2, rows: 300, subspaceCount: 4, bits: bits, k: 5, order: .largestFirst,
            content: .huge),
          // Large: threads, several launches, lists that fill.
          Input(
            queries: 37, rows: 20_011, subspaceCount: 48, bits: bits, k: 10, order: .largestFirst),
          Input(queries: 6, rows: 30_000, subspaceCount: 16, bits: bits, k: 1000),
          Input(queries: 2, rows: 60_001, subspaceCount: 5, bits: bits, k: 17, content: .equal),
          Input(queries: 2, rows: 60_001, subspaceCount: 4, bits: bits, k: 17, content: .rising),
          Input(queries: 2, rows: 4_000, subspaceCount: 600, bits: bits, k: 3),
        ]
      }

    /// The numbers of all codes.
    func codes(_ generator: inout RepeatableGenerator) -> [UInt8] {
      switch content {
      case .equal: [UInt8](repeating: UInt8(min(9, codewords - 1)), count: rows * subspaceCount)
      case .rising:
        (0..<rows).flatMap { row in
          // The row's number, the highest digit first.
          (0..<subspaceCount).reversed().map {
            UInt8(truncatingIfNeeded: row >> ($0 * bits)) & mask
          }
        }
      default:
        (0..<rows * subspaceCount).map { _ in UInt8(generator.below(min(codewords, 1 << bits))) }
      }
    }

    private var mask: UInt8 { bits == 8 ? 255 : 15 }

    func tables(_ generator: inout RepeatableGenerator) -> [Float] {
      (0..<queries * subspaceCount * codewords).map { index in
        let subspace = index / codewords % subspaceCount
        let codeword = Float(index % codewords)
        switch content {
        case .random, .equal, .long: return generator.unit()
        case .rising:
          var weight: Float = 1
          for _ in subspace + 1..<subspaceCount { weight *= Float(codewords) }
          return -codeword * weight
        case .uneven:
          return generator.unit() * Float(1 << generator.below(24))
        case .huge:
          let kinds: [Float] = [3e37, 2.5e38, -2e38, .infinity, -.infinity, 1, 0]
          return kinds[generator.below(kinds.count)]
        }
      }
    }
  }

  @Test(
    "finds what lookupScores and topK find, bit for bit",
    arguments: Subject.trials(.nearestCodes, Input.cases))
  func finds(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    var generator = RepeatableGenerator(seed: 77)
    let numbers = input.codes(&generator)
    let tables = input.tables(&generator)
    let (columns, hitCount) = (input.subspaceCount * input.codewords, min(input.k, input.rows))

    let cpu = try Self.oracle.get()
    let scores = try cpu.allocate(Float.self, rows: input.queries, columns: input.rows)
    try cpu.lookupScores(
      cpu.upload(tables, rows: input.queries, columns: columns),
      cpu.upload(numbers, rows: input.rows, columns: input.subspaceCount), into: scores)
    let values = try cpu.allocate(Float.self, rows: input.queries, columns: hitCount)
    let places = try cpu.allocate(Int32.self, rows: input.queries, columns: hitCount)
    try cpu.topK(scores, order: input.order, into: values, places)

    let framed = try Framed(
      tables, rows: input.queries, columns: columns, filler: .nan, on: device)
    let set = try device.prepare(
      ProductCodes(packed(numbers, input), subspaceCount: input.subspaceCount, bits: input.bits))
    let hits = try device.nearestCodes(framed.matrix, in: set, order: input.order, k: input.k)
    #expect(hits.queryCount == input.queries)
    #expect(hits.hitCount == hitCount)
    #expect(hits.statistics.certified)
    let found = zip(hits.ids, hits.scores).map { Hit(id: $0, score: $1) }
    let expected = try zip(cpu.download(places), cpu.download(values)).map {
      Hit(id: Int64($0), score: $1)
    }
    #expect(found == expected)
  }

  /// Equal where the bits are, or where both are NaN, of which there are many.
  private struct Hit: Equatable, CustomStringConvertible {
    let id: Int64
    let score: Float
    var description: String { "\(id): \(score)" }
    static func == (a: Self, b: Self) -> Bool {
      a.id == b.id
        && (a.score.bitPattern == b.score.bitPattern || a.score.isNaN && b.score.isNaN)
    }
  }

  private func packed(_ numbers: [UInt8], _ input: Input) -> [UInt8] {
    guard input.bits == 4 else { return numbers }
    return (0..<input.rows).flatMap { row in
      stride(from: 0, to: input.subspaceCount, by: 2).map { subspace in
        let start = row * input.subspaceCount + subspace
        return numbers[start] | (subspace + 1 < input.subspaceCount ? numbers[start + 1] << 4 : 0)
      }
    }
  }

  /// Its `lookupScores` and `topK` are checked against the reference's, which is too slow here.
  private static let oracle = Result { () throws(TesseraError) in
    try CPUDevice(variant: "portable", threads: 2)
  }

  @Test("refuses what does not fit and says why", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    let set = try device.prepare(ProductCodes([0x21, 0x03, 0xE1, 0x0F], subspaceCount: 3, bits: 4))
    for (columns, k, code, text) in [
      (47, 1, TesseraError.Code.invalidShape, "47 table entries do not divide into 3 tables"),
      (48, 0, .invalidArgument, "k is 0, it must be at least 1"),
      (45, 1, .invalidArgument, "a code has the number 15, tables end at 15"),
    ] {
      let tables = try device.upload(
        [Float](repeating: 1, count: columns), rows: 1, columns: columns)
      let error = refusal { try device.nearestCodes(tables, in: set, order: .largestFirst, k: k) }
      #expect(error?.code == code)
      #expect(error?.message == "nearestCodes: \(text)")
    }
  }

  @Test("refuses bytes that are no codes")
  func malformed() {
    #expect(
      refusal { try ProductCodes([1, 2, 3], subspaceCount: 3, bits: 4) }?.code == .invalidShape)
    #expect(refusal { try ProductCodes([1, 2], subspaceCount: 0, bits: 8) }?.code == .invalidShape)
    #expect(refusal { try ProductCodes([1, 2], subspaceCount: 2, bits: 5) }?.code == .unsupported)
  }

  @Test("refuses codes of another device", arguments: Subject.present)
  func foreign(_ subject: Subject) throws {
    let device = try subject.device
    let tables = try device.upload([Float](repeating: 1, count: 16), rows: 1, columns: 16)
    let error = refusal {
      try device.nearestCodes(
        tables,
        in: StrangeCodes(
          ProductCodes([1, 2], subspaceCount: 1, bits: 4),
          in: RowLists(one: .consecutive(count: 2))), order: .largestFirst, k: 1)
    }
    #expect(error?.code == .wrongDevice)
  }

  private final class StrangeCodes: CodeSet, @unchecked Sendable {}
}
