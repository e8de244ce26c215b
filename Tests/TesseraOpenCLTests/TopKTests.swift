import TesseraCompute
import Testing

@testable import TesseraOpenCL

struct SelectionShape: Sendable, CustomTestStringConvertible {
  let rows: Int
  let columns: Int
  let k: Int
  var testDescription: String { "\(k) of \(columns), \(rows) rows" }

  /// Nothing, one, primes, all of a row, around 32, sorted in local memory (k <= 2048) and in
  /// global memory (k > 2048), rows cut into segments (few rows of more than 32,768 columns).
  static let all = [
    (0, 5, 2), (3, 5, 0), (1, 1, 1), (2, 7, 3), (3, 31, 31), (3, 32, 5), (2, 33, 33),
    (17, 1009, 10), (2, 4099, 2048), (2, 4099, 2049), (1, 5000, 5000), (1, 70_001, 100),
    (2, 40_000, 1),
  ].map { SelectionShape(rows: $0.0, columns: $0.1, k: $0.2) }
}

/// Rows that make ties, signs and special values matter.
enum ScoreKind: String, CaseIterable, Sendable {
  case random, fewValues, allEqual, special

  func scores(_ count: Int) -> [Float] {
    var numbers = Numbers(seed: 3)
    let special: [Float] = [
      .nan, -.nan, .infinity, -.infinity, 0, -0.0, 1, -1, .leastNonzeroMagnitude,
      -.leastNonzeroMagnitude, .greatestFiniteMagnitude,
    ]
    return (0..<count).map { _ in
      switch self {
      case .random: Float.random(in: -1...1, using: &numbers)
      case .fewValues: Float(Int.random(in: -3...3, using: &numbers))
      case .allEqual: 2
      case .special: special.randomElement(using: &numbers) ?? 0
      }
    }
  }
}

@Suite struct TopKTests {
  @Test("picks the reference's columns", arguments: Subject.all, SelectionShape.all)
  func picks(_ subject: Subject, _ shape: SelectionShape) throws {
    for kind in ScoreKind.allCases {
      let scores = kind.scores(shape.rows * shape.columns)
      for order in ScoreOrder.allCases {
        let got = try best(of: scores, shape, order, on: subject.device)
        let want = try best(of: scores, shape, order, on: ReferenceDevice.shared)
        #expect(got.columns == want.columns, "\(kind), \(order), seed 3")
        #expect(bits(got.values) == bits(want.values), "\(kind), \(order), seed 3")
      }
    }
  }

  private func best(
    of scores: [Float], _ shape: SelectionShape, _ order: ScoreOrder, on device: some Device
  ) throws -> (values: [Float], columns: [Int32]) {
    let values = try device.allocate(Float.self, rows: shape.rows, columns: shape.k)
    let columns = try device.allocate(Int32.self, rows: shape.rows, columns: shape.k)
    try device.topK(
      device.upload(scores, rows: shape.rows, columns: shape.columns), order: order, into: values,
      columns)
    return (try device.download(values), try device.download(columns))
  }

  @Test("rows are cut only where whole segments can be dropped")
  func segments() {
    func segments(rows: Int, width: Int, k: Int) -> Int {
      Selection(rows: rows, width: width, k: k, computeUnits: 100, localBytes: 32_768).segments
    }
    #expect(segments(rows: 1, width: 10_000_000, k: 10) == 400)
    #expect(segments(rows: 400, width: 10_000_000, k: 10) == 1)
    #expect(segments(rows: 1, width: 20_000, k: 10) == 1)
    #expect(segments(rows: 1, width: 10_000_000, k: 5_000_000) == 1)
  }
}
