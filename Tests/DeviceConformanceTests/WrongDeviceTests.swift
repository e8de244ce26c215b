import TesseraCompute
import TestSupport
import Testing

@Suite("matrices of another device")
struct WrongDeviceTests {
  private func foreign<Element>(_ matrix: Matrix<Element>) -> Matrix<Element> {
    Matrix(Storage(byteCount: matrix.byteCount), rows: matrix.rows, columns: matrix.columns)
  }

  private func expectRefused(_ place: String, _ call: () throws -> Void) {
    #expect(refusal(call)?.code == .wrongDevice, "\(place)")
  }

  /// Zeros, which are valid numbers, labels, codes and rows alike, so that the device is all that
  /// is wrong.
  private func zeros<Element: DeviceScalar & AdditiveArithmetic>(
    _: Element.Type, _ columns: Int, on device: any Device
  ) throws -> Matrix<Element> {
    try device.upload([Element](repeating: .zero, count: 2 * columns), rows: 2, columns: columns)
  }

  @Test("innerProducts and multiply refuse them", arguments: Subject.present)
  func products(_ subject: Subject) throws {
    let device = try subject.device
    let a = try zeros(Float.self, 2, on: device)
    let b = try zeros(Float.self, 2, on: device)
    let out = try zeros(Float.self, 2, on: device)
    expectRefused("queries") { try device.innerProducts(foreign(a), b, into: out) }
    expectRefused("vectors") { try device.innerProducts(a, foreign(b), into: out) }
    expectRefused("scores") { try device.innerProducts(a, b, into: foreign(out)) }
    for (place, x, y, z) in [
      ("a", foreign(a), b, out), ("b", a, foreign(b), out), ("result", a, b, foreign(out)),
    ] {
      expectRefused(place) {
        try device.multiply(x, transposed: false, y, transposed: false, alpha: 1, beta: 0, into: z)
      }
    }
  }

  @Test("topK and gather refuse them", arguments: Subject.present)
  func selection(_ subject: Subject) throws {
    let device = try subject.device
    let scores = try zeros(Float.self, 3, on: device)
    let values = try zeros(Float.self, 2, on: device)
    let columns = try zeros(Int32.self, 2, on: device)
    for (place, x, y, z) in [
      ("scores", foreign(scores), values, columns), ("values", scores, foreign(values), columns),
      ("columns", scores, values, foreign(columns)),
    ] {
      expectRefused(place) { try device.topK(x, order: .largestFirst, into: y, z) }
    }
    let rows = try zeros(Int32.self, 1, on: device)
    let target = try zeros(Float.self, 3, on: device)
    expectRefused("source") { try device.gather(foreign(scores), rows: rows, into: target) }
    expectRefused("rows") { try device.gather(scores, rows: foreign(rows), into: target) }
    expectRefused("target") { try device.gather(scores, rows: rows, into: foreign(target)) }
  }

  @Test("assignNearest and accumulateClusters refuse them", arguments: Subject.present)
  func clustering(_ subject: Subject) throws {
    let device = try subject.device
    let points = try zeros(Float.self, 3, on: device)
    let centroids = try zeros(Float.self, 3, on: device)
    let labels = try zeros(Int32.self, 1, on: device)
    let scores = try zeros(Float.self, 1, on: device)
    for (place, p, c, l, s) in [
      ("points", foreign(points), centroids, labels, scores),
      ("centroids", points, foreign(centroids), labels, scores),
      ("labels", points, centroids, foreign(labels), scores),
      ("scores", points, centroids, labels, foreign(scores)),
    ] {
      expectRefused(place) {
        try device.assignNearest(p, to: c, metric: .squaredL2, into: l, s)
      }
    }
    let sums = try zeros(Double.self, 3, on: device)
    let counts = try zeros(Int32.self, 1, on: device)
    for (place, p, l, s, c) in [
      ("points", foreign(points), labels, sums, counts),
      ("labels", points, foreign(labels), sums, counts),
      ("sums", points, labels, foreign(sums), counts),
      ("counts", points, labels, sums, foreign(counts)),
    ] {
      expectRefused(place) { try device.accumulateClusters(p, l, into: s, c) }
    }
  }

  @Test("encode and lookupScores refuse them", arguments: Subject.present)
  func quantization(_ subject: Subject) throws {
    let device = try subject.device
    let points = try zeros(Float.self, 4, on: device)
    let codewords = try zeros(Float.self, 4, on: device)
    let codes = try zeros(UInt8.self, 1, on: device)
    let codebook = try ProductCodebook(codewords, subspaceCount: 1)
    let foreignCodebook = try ProductCodebook(foreign(codewords), subspaceCount: 1)
    expectRefused("points") { try device.encode(foreign(points), codebook, into: codes) }
    expectRefused("codebook") { try device.encode(points, foreignCodebook, into: codes) }
    expectRefused("codes") { try device.encode(points, codebook, into: foreign(codes)) }
    let tables = try zeros(Float.self, 4, on: device)
    let scores = try zeros(Float.self, 2, on: device)
    expectRefused("tables") { try device.lookupScores(foreign(tables), codes, into: scores) }
    expectRefused("codes") { try device.lookupScores(tables, foreign(codes), into: scores) }
    expectRefused("scores") { try device.lookupScores(tables, codes, into: foreign(scores)) }
  }
}
