import TesseraCompute
import TestSupport
import Testing

@Suite("multiply")
struct MultiplyTests {
  struct Input: Workload, CustomStringConvertible {
    var rows: Int
    var columns: Int
    var inner: Int
    var alpha: Float
    var beta: Float
    var work: Int { rows * columns * inner }
    var description: String {
      "\(rows) x \(columns) x \(inner), alpha \(alpha), beta \(beta), seed 61"
    }

    static let cases = [(1, 0), (-0.5, 0), (1, 1), (2, -0.75)].flatMap {
      (alpha: Float, beta: Float) in
      [
        (0, 3, 4), (3, 0, 4), (3, 4, 0),  // nothing to multiply; empty sums are 0
        (1, 1, 1),  // the smallest
        (7, 13, 5),  // primes
        (15, 17, 16), (16, 16, 17), (17, 15, 15),  // around a vector width
        (31, 33, 32), (33, 31, 48), (2, 3, 1021),  // around a sub-group; a long sum
        (129, 130, 131),  // one past several tiles
        (37, 65, 512), (5, 40, 513), (65, 129, 1030),  // around a block of 512 dimensions
        (300, 150, 20),  // more rows than a work item has
        (230, 33, 519),  // one past a block of rows, and several runs of terms
      ].map {
        Input(rows: $0.0, columns: $0.1, inner: $0.2, alpha: alpha, beta: beta)
      }
    }
  }

  @Test(
    "stays within the bound of Float64, transposed or not",
    arguments: Subject.trials(.multiply, Input.cases))
  func bound(_ trial: Trial<Input>) throws {
    for aTransposed in [false, true] {
      for bTransposed in [false, true] {
        try expectClose(trial, aTransposed, bTransposed)
      }
    }
  }

  private func expectClose(
    _ trial: Trial<Input>, _ aTransposed: Bool, _ bTransposed: Bool
  ) throws {
    let device = try trial.subject.device
    let input = trial.input
    let (rows, columns, inner) = (input.rows, input.columns, input.inner)
    var generator = RepeatableGenerator(seed: 61)
    let a = generator.units(rows * inner)
    let b = generator.units(inner * columns)
    let old = generator.units(rows * columns)
    let aMatrix = try Framed(
      a, rows: aTransposed ? inner : rows, columns: aTransposed ? rows : inner, filler: .infinity,
      on: device)
    let bMatrix = try Framed(
      b, rows: bTransposed ? columns : inner, columns: bTransposed ? inner : columns,
      filler: .infinity, on: device)
    // With beta 0 the old result is not read, so NaN there must not come through.
    let result = try Framed(
      input.beta == 0 ? old.map { _ in .nan } : old, rows: rows, columns: columns, filler: 7,
      on: device)
    try device.multiply(
      aMatrix.matrix, transposed: aTransposed, bMatrix.matrix, transposed: bTransposed,
      alpha: input.alpha, beta: input.beta, into: result.matrix)

    let found = try #require(try result.contents())
    var failure: String?
    for row in 0..<rows where failure == nil {
      for column in 0..<columns {
        let exact = Oracle.innerProduct(
          a, from: aTransposed ? row : row * inner, by: aTransposed ? rows : 1, b,
          from: bTransposed ? column * inner : column, by: bTransposed ? 1 : columns, count: inner)
        let place = row * columns + column
        let kept = Double(input.beta) * Double(old[place])
        let expected = Double(input.alpha) * exact.sum + kept
        // alpha, beta and their sum round once more each.
        let magnitude = abs(Double(input.alpha)) * exact.magnitude + abs(kept)
        if !ProductBound.holds(
          found[place], expected, magnitude: magnitude, count: inner, extraRoundings: 2)
        {
          failure = "\(found[place]), expected \(expected) at row \(row), column \(column)"
        }
      }
    }
    #expect(failure == nil, "transposed: \(aTransposed), \(bTransposed)")
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    for (a, aTransposed, b, bTransposed, result, text) in [
      ((2, 3), false, (4, 5), false, (2, 5), "multiply: A is 2 x 3 and B is 4 x 5 as multiplied"),
      ((3, 2), true, (5, 4), true, (2, 5), "multiply: A is 2 x 3 and B is 4 x 5 as multiplied"),
      ((2, 3), false, (3, 5), false, (5, 2), "multiply: result is 5 x 2, expected 2 x 5"),
    ] {
      let a = try device.allocate(Float.self, rows: a.0, columns: a.1)
      let b = try device.allocate(Float.self, rows: b.0, columns: b.1)
      let result = try device.allocate(Float.self, rows: result.0, columns: result.1)
      let error = refusal {
        try device.multiply(
          a, transposed: aTransposed, b, transposed: bTransposed, alpha: 1, beta: 0, into: result)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
