import TesseraCompute
import Testing

@testable import TesseraOpenCL

struct CodebookShape: Sendable, CustomTestStringConvertible {
  let points: Int
  let subspaces: Int
  let codewords: Int
  let width: Int
  var testDescription: String { "\(points) points, \(subspaces) x \(codewords) x \(width)" }

  /// Nothing, one, around the 8 codewords of an item, the 32 of a panel, the 16 canonical lanes and
  /// the 64 points of an item.
  static let all = [
    (0, 2, 4, 3), (1, 1, 1, 1), (63, 3, 7, 2), (64, 2, 9, 3), (65, 5, 33, 4), (40, 2, 256, 8),
    (20, 2, 31, 15), (20, 2, 32, 16), (20, 1, 20, 17), (10, 3, 40, 37), (500, 4, 16, 2),
  ].map { CodebookShape(points: $0.0, subspaces: $0.1, codewords: $0.2, width: $0.3) }

  var dimension: Int { subspaces * width }
}

@Suite struct QuantizationTests {
  @Test("codes are the reference's, ties included", arguments: Subject.all, CodebookShape.all)
  func encodes(_ subject: Subject, _ shape: CodebookShape) throws {
    var numbers = Numbers(seed: 23)
    let random = (
      numbers.floats(shape.points * shape.dimension),
      numbers.floats(shape.subspaces * shape.codewords * shape.width)
    )
    // Few values: many codewords at the same distance.
    let tied = (random.0.map { ($0 * 2).rounded() }, random.1.map { ($0 * 2).rounded() })
    // So far apart that Float32 distances overflow to infinity.
    let far = (random.0.map { $0 * 1e30 }, random.1.map { $0 * 1e30 })
    for (points, codewords) in [random, tied, far] {
      let got = try encode(points, codewords, shape, on: subject.device)
      let want = try encode(points, codewords, shape, on: ReferenceDevice.shared)
      #expect(got == want, "seed 23")
    }
  }

  @Test("rows that hold NaN or infinity are named", arguments: Subject.all)
  func nonFinite(_ subject: Subject) throws {
    let shape = CodebookShape(points: 9, subspaces: 2, codewords: 3, width: 2)
    let points = [Float](repeating: 1, count: 9 * 4)
    let codewords = [Float](repeating: 1, count: 6 * 2)
    var badPoints = points
    for place in [2, 7, 8, 13, 17, 21, 35] { badPoints[place] = place % 2 == 0 ? .nan : .infinity }
    var badCodewords = codewords
    badCodewords[11] = -.infinity
    for (points, codewords) in [(badPoints, codewords), (points, badCodewords)] {
      func outcome(on device: some Device) -> Outcome<[UInt8]> {
        Outcome { () throws(TesseraError) in
          try encode(points, codewords, shape, on: device)
        }
      }
      let got = outcome(on: subject.device)
      #expect(got == outcome(on: ReferenceDevice.shared))
      guard case .failure(let error) = got else { continue }
      #expect(error.code == .nonFinite)
    }
  }

  @Test("table sums have the reference's bits", arguments: Subject.all, CodebookShape.all)
  func looksUp(_ subject: Subject, _ shape: CodebookShape) throws {
    var numbers = Numbers(seed: 29)
    for queries in [0, 1, 3] {
      let tables = numbers.floats(queries * shape.subspaces * shape.codewords)
      let codes = (0..<shape.points * shape.subspaces).map { _ in
        UInt8.random(in: 0...UInt8(shape.codewords - 1), using: &numbers)
      }
      func scores(on device: some Device) throws -> [Float] {
        let scores = try device.allocate(Float.self, rows: queries, columns: shape.points)
        try device.lookupScores(
          device.upload(tables, rows: queries, columns: shape.subspaces * shape.codewords),
          device.upload(codes, rows: shape.points, columns: shape.subspaces), into: scores)
        return try device.download(scores)
      }
      #expect(
        try bits(scores(on: subject.device)) == bits(scores(on: ReferenceDevice.shared)), "seed 29")
    }
  }

  @Test("table sums of many rows have the reference's bits", arguments: Subject.all)
  func looksUpMany(_ subject: Subject) throws {
    let shape = CodebookShape(points: 4099, subspaces: 19, codewords: 256, width: 1)
    try looksUp(subject, shape)
  }

  @Test("a code outside its table is named", arguments: Subject.all)
  func codeOutside(_ subject: Subject) throws {
    func outcome(on device: some Device) -> Outcome<[Float]> {
      Outcome { () throws(TesseraError) in
        let scores = try device.allocate(Float.self, rows: 1, columns: 3)
        try device.lookupScores(
          device.upload([Float](repeating: 1, count: 10), rows: 1, columns: 10),
          device.upload([UInt8]([0, 4, 4, 5, 1, 200]), rows: 3, columns: 2), into: scores)
        return try device.download(scores)
      }
    }
    let got = outcome(on: subject.device)
    #expect(got == outcome(on: ReferenceDevice.shared))
    guard case .failure(let error) = got else {
      Issue.record("nothing was thrown")
      return
    }
    #expect(error.code == .invalidArgument)
  }

  private func encode(
    _ points: [Float], _ codewords: [Float], _ shape: CodebookShape, on device: some Device
  ) throws(TesseraError) -> [UInt8] {
    let codes = try device.allocate(UInt8.self, rows: shape.points, columns: shape.subspaces)
    let codebook = try ProductCodebook(
      device.upload(codewords, rows: shape.subspaces * shape.codewords, columns: shape.width),
      subspaceCount: shape.subspaces)
    try device.encode(
      device.upload(points, rows: shape.points, columns: shape.dimension), codebook, into: codes)
    return try device.download(codes)
  }
}
