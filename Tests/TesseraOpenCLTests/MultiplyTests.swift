import TesseraCompute
import Testing

@testable import TesseraOpenCL

struct ProductShape: Sendable, CustomTestStringConvertible {
  let rows: Int
  let inner: Int
  let columns: Int
  var testDescription: String { "\(rows) x \(inner) x \(columns)" }

  /// Nothing, one, a prime, around the widths of panels (32) and row blocks (8), more than one
  /// block of dimensions (512), more than one item of rows (256).
  static let all = [
    (0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (7, 13, 31), (8, 16, 32), (9, 17, 33),
    (15, 5, 64), (37, 512, 65), (5, 513, 40), (300, 20, 150), (65, 1030, 129),
  ].map { ProductShape(rows: $0.0, inner: $0.1, columns: $0.2) }
}

@Suite struct MultiplyTests {
  @Test("a product is within its bound of the exact one", arguments: Subject.all, ProductShape.all)
  func multiplies(_ subject: Subject, _ shape: ProductShape) throws {
    for (aTransposed, bTransposed, alpha, beta) in [
      (false, true, Float(1), Float(0)), (false, false, 0.5, 1), (true, false, -2, 0.25),
      (true, true, 1, 1),
    ] {
      var numbers = Numbers(seed: 11)
      let a = numbers.floats(shape.rows * shape.inner)
      let b = numbers.floats(shape.inner * shape.columns)
      // With beta 0 the old result must not be read: NaN would spread.
      let old =
        beta == 0
        ? [Float](repeating: .nan, count: shape.rows * shape.columns)
        : numbers.floats(shape.rows * shape.columns)
      func product(on device: some Device) throws -> [Float] {
        let left = try device.upload(
          a, rows: aTransposed ? shape.inner : shape.rows,
          columns: aTransposed ? shape.rows : shape.inner)
        let right = try device.upload(
          b, rows: bTransposed ? shape.columns : shape.inner,
          columns: bTransposed ? shape.inner : shape.columns)
        let result = try device.upload(old, rows: shape.rows, columns: shape.columns)
        try device.multiply(
          left, transposed: aTransposed, right, transposed: bTransposed, alpha: alpha, beta: beta,
          into: result)
        return try device.download(result)
      }
      let got = try product(on: subject.device)
      let want = try product(on: ReferenceDevice.shared)
      // |a||b| <= inner for entries of at most 1.
      let bound = Float(shape.inner * shape.inner) * 0x1p-23 * abs(alpha) + 0x1p-22
      for (index, (got, want)) in zip(got, want).enumerated() {
        try #require(abs(got - want) <= bound, "seed 11, element \(index): \(got), not \(want)")
      }
    }
  }

  @Test("views into larger matrices are read and written in place", arguments: Subject.all)
  func views(_ subject: Subject) throws {
    let device = subject.device
    var numbers = Numbers(seed: 5)
    let queries = numbers.floats(20 * 12)
    let vectors = numbers.floats(50 * 12)
    func scores(on device: some Device) throws -> [Float] {
      let all = try device.upload([Float](repeating: 9, count: 20 * 33), rows: 20, columns: 33)
      try device.innerProducts(
        device.upload(queries, rows: 20, columns: 12).rows(3..<14),
        device.upload(vectors, rows: 50, columns: 12).rows(7..<40), into: all.rows(5..<16))
      return try device.download(all)
    }
    let got = try scores(on: device)
    let want = try scores(on: ReferenceDevice.shared)
    for (got, want) in zip(got, want) { #expect(abs(got - want) <= 12 * 12 * 0x1p-23) }
    #expect(got.prefix(5 * 33).allSatisfy { $0 == 9 } && got.suffix(4 * 33).allSatisfy { $0 == 9 })
  }

  @Test("NaN and infinity reach only the scores they belong to", arguments: Subject.all)
  func nonFinite(_ subject: Subject) throws {
    let device = subject.device
    var vectors = [Float](repeating: 1, count: 35 * 3)
    vectors[33 * 3] = .nan
    vectors[34 * 3] = .infinity
    let scores = try device.allocate(Float.self, rows: 2, columns: 35)
    try device.innerProducts(
      device.upload([Float(1), 1, 1, 2, 2, 2], rows: 2, columns: 3),
      device.upload(vectors, rows: 35, columns: 3), into: scores)
    let got = try device.download(scores)
    for query in 0..<2 {
      let row = got[query * 35..<(query + 1) * 35]
      #expect(row.dropLast(2).allSatisfy { $0 == Float(3 * (query + 1)) })
      #expect(got[query * 35 + 33].isNaN && got[query * 35 + 34] == .infinity)
    }
  }

  @Test("memory of another device is refused", arguments: Subject.all)
  func otherDevice(_ subject: Subject) throws {
    let device = subject.device
    let mine = try device.upload([Float(1), 2], rows: 1, columns: 2)
    let theirs = try ReferenceDevice.shared.upload([Float(1), 2], rows: 1, columns: 2)
    let scores = try device.allocate(Float.self, rows: 1, columns: 1)
    let error = #expect(throws: TesseraError.self) {
      try device.innerProducts(mine, theirs, into: scores)
    }
    #expect(error?.code == .wrongDevice)
  }
}
