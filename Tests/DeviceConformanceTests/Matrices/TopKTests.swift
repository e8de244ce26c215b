import TesseraCompute
import TestSupport
import Testing

@Suite("topK")
struct TopKTests {
  struct Input: Workload, CustomStringConvertible {
    enum Scores: String, CaseIterable {
      case uniform
      /// Few different values: many ties.
      case tied
      case allEqual
      /// Best last, the worst order for a running threshold.
      case rising
      case falling
      /// NaN of both signs, infinities, zeros of both signs, denormals.
      case special
    }

    var scores: Scores
    var rows: Int
    var columns: Int
    var k: Int
    var work: Int { rows * columns }
    var description: String { "\(scores), \(rows) x \(columns), k = \(k), seed 11" }

    func values() -> [Float] {
      var generator = RepeatableGenerator(seed: 11)
      let special: [Float] = [
        .nan, -.nan, .infinity, -.infinity, 0, -0.0, 1, -1, 0x1p-149, -0x1p-149, 3.4e38, -3.4e38,
      ]
      return (0..<rows * columns).map { place in
        switch scores {
        case .uniform: generator.unit()
        case .tied: Float(generator.below(7))
        case .allEqual: 0.5
        case .rising: Float(place)
        case .falling: Float(-place)
        case .special: generator.pick(special)
        }
      }
    }

    static let small = Scores.allCases.flatMap { scores in
      [
        (0, 4, 2), (3, 0, 0), (3, 5, 0),  // nothing to do
        (1, 1, 1),  // the smallest
        (5, 13, 13), (4, 13, 1),  // all of a prime, and one
        (2, 15, 7), (2, 16, 16), (2, 17, 16),  // around a vector width
        (3, 31, 31), (3, 32, 10), (3, 33, 33),  // around a sub-group
        (7, 257, 100), (2, 1000, 999),  // more than a work-group; k of the order of the row
      ].map { Input(scores: scores, rows: $0.0, columns: $0.1, k: $0.2) }
    }
    // The sizes at which a selection outgrows registers, local memory and one work-group.
    static let large = Scores.allCases.flatMap { scores in
      [
        (2, 100_000, 1), (2, 100_000, 100), (2, 100_000, 5000), (1, 70_001, 100),
        (2, 4099, 2048), (2, 4099, 2049), (1, 5000, 5000),  // around what local memory sorts
      ].map { Input(scores: scores, rows: $0.0, columns: $0.1, k: $0.2) }
    }
  }

  @Test(
    "ranks as sorting does", arguments: Subject.trials(.topK, Input.small + Input.large),
    ScoreOrder.allCases)
  func ranks(_ trial: Trial<Input>, _ order: ScoreOrder) throws {
    let device = try trial.subject.device
    let input = trial.input
    let scores = input.values()
    var bestValues: [Float] = []
    var bestColumns: [Int32] = []
    for row in 0..<input.rows {
      let row = Array(scores[row * input.columns..<(row + 1) * input.columns])
      for place in Oracle.rank(row, order).prefix(input.k) {
        bestValues.append(row[Int(place)])
        bestColumns.append(Int32(place))
      }
    }
    let source = try Framed(
      scores, rows: input.rows, columns: input.columns, filler: .infinity, on: device)
    let values = try Framed(rows: input.rows, columns: input.k, filler: Float(7), on: device)
    let columns = try Framed(rows: input.rows, columns: input.k, filler: Int32(-7), on: device)
    try device.topK(source.matrix, order: order, into: values.matrix, columns.matrix)
    let found = try #require(try columns.contents())
    #expect(difference(found, bestColumns, columns: input.k) == nil)
    let foundValues = try #require(try values.contents())
    #expect(difference(foundValues, bestValues, columns: input.k) == nil)
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    let scores = try device.allocate(Float.self, rows: 2, columns: 3)
    for (values, columns, text) in [
      ((2, 4), (2, 4), "topK: k is 4, and each row has only 3 scores"),
      ((1, 2), (2, 2), "topK: values is 1 x 2, expected 2 x 2"),
      ((2, 2), (2, 1), "topK: columns is 2 x 1, expected 2 x 2"),
    ] {
      let values = try device.allocate(Float.self, rows: values.0, columns: values.1)
      let columns = try device.allocate(Int32.self, rows: columns.0, columns: columns.1)
      let error = refusal {
        try device.topK(scores, order: .largestFirst, into: values, columns)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
