import TesseraCompute
import TestSupport
import Testing

@Suite("lookupScores")
struct LookupScoresTests {
  struct Input: Workload, CustomStringConvertible {
    var queries: Int
    var rows: Int
    var subspaces: Int
    var codewords: Int
    var work: Int { queries * rows * subspaces }
    var description: String {
      "\(queries) queries, \(rows) codes of \(subspaces) x \(codewords), seed 31"
    }

    static let cases = [
      (0, 5, 2, 3), (5, 0, 2, 3),  // no queries, no codes
      (1, 1, 1, 1),  // the smallest
      (3, 13, 7, 5), (2, 15, 16, 16), (3, 16, 17, 16), (2, 17, 15, 17),  // around a vector width
      (5, 31, 3, 255), (4, 33, 8, 256),  // the most codewords, and one fewer
      (2, 19, 4, 300),  // tables longer than a byte can reach
      (2, 4099, 19, 256), (3, 5003, 32, 256),  // large, in codes of an odd and an even width
    ].map { Input(queries: $0.0, rows: $0.1, subspaces: $0.2, codewords: $0.3) }
  }

  @Test(
    "adds the table entries in order, bit for bit",
    arguments: Subject.trials(.lookupScores, Input.cases))
  func adds(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    let (subspaces, codewords) = (input.subspaces, input.codewords)
    var generator = RepeatableGenerator(seed: 31)
    // Magnitudes that differ, so that another order of additions rounds differently.
    let tables = (0..<input.queries * subspaces * codewords).map { _ in
      generator.unit() * Float(1 << generator.below(20))
    }
    let codes = (0..<input.rows * subspaces).map { _ in
      UInt8(generator.below(min(256, codewords)))
    }
    var expected: [Float] = []
    for query in 0..<input.queries {
      for row in 0..<input.rows {
        var sum: Float = 0
        for subspace in 0..<subspaces {
          let entry = subspace * codewords + Int(codes[row * subspaces + subspace])
          sum += tables[query * subspaces * codewords + entry]
        }
        expected.append(sum)
      }
    }

    let tableMatrix = try Framed(
      tables, rows: input.queries, columns: subspaces * codewords, filler: .nan, on: device)
    let codeMatrix = try Framed(
      codes, rows: input.rows, columns: subspaces, filler: 0xFF, on: device)
    let scores = try Framed(rows: input.queries, columns: input.rows, filler: Float(-7), on: device)
    try device.lookupScores(tableMatrix.matrix, codeMatrix.matrix, into: scores.matrix)
    let found = try #require(try scores.contents())
    #expect(difference(found, expected, columns: input.rows) == nil)
  }

  @Test("refuses a code outside the table and says where", arguments: Subject.present)
  func codes(_ subject: Subject) throws {
    let device = try subject.device
    let tables = try device.upload([1, 2, 3, 4, 5, 6] as [Float], rows: 1, columns: 6)
    let scores = try device.allocate(Float.self, rows: 1, columns: 2)
    for bad in [3, 255] as [UInt8] {
      let codes = try device.upload([0, 2, 1, bad], rows: 2, columns: 2)
      let error = refusal {
        try device.lookupScores(tables, codes, into: scores)
      }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message == "lookupScores: code \(bad) at 3 is outside 0..<3")
    }
    let empty = try device.allocate(Float.self, rows: 1, columns: 0)
    let codes = try device.upload([0, 0, 0, 0] as [UInt8], rows: 2, columns: 2)
    let error = refusal { try device.lookupScores(empty, codes, into: scores) }
    #expect(error?.code == .invalidArgument, "tables without entries")
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    for (columns, subspaces, scores, text) in [
      (7, 2, (3, 5), "lookupScores: 7 table entries do not divide into 2 tables"),
      (6, 0, (3, 5), "lookupScores: 6 table entries do not divide into 0 tables"),
      (6, 2, (5, 3), "lookupScores: scores is 5 x 3, expected 3 x 5"),
    ] {
      let tables = try device.allocate(Float.self, rows: 3, columns: columns)
      let codes = try device.allocate(UInt8.self, rows: 5, columns: subspaces)
      let scores = try device.allocate(Float.self, rows: scores.0, columns: scores.1)
      let error = refusal {
        try device.lookupScores(tables, codes, into: scores)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
