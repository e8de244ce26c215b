import TesseraCompute
import TestSupport
import Testing

@Suite("encode")
struct EncodeTests {
  struct Input: Workload, CustomStringConvertible {
    var points: Int
    var subspaces: Int
    var codewords: Int
    var width: Int
    var content: Content
    /// The factor that every third point is multiplied by, so that it lies outside the codewords.
    var stretch: Float = 1
    var dimension: Int { subspaces * width }
    var work: Int { points * codewords * dimension }
    var description: String {
      "\(content), \(points) points, \(subspaces) subspaces of \(width), \(codewords) codewords, "
        + "stretched \(stretch) times, seed 21"
    }

    static let cases =
      [
        (0, 2, 3, 4),  // no points
        (1, 1, 1, 1),  // the smallest
        (7, 3, 5, 2), (13, 4, 16, 3),  // four-bit codes
        (17, 5, 17, 16), (31, 2, 33, 17),  // around a vector width
        (9, 3, 255, 1), (9, 2, 256, 2),  // the most codewords, and one fewer
        (63, 3, 7, 2), (64, 2, 9, 3), (65, 5, 33, 4),  // around the 64 points of a work item
        (20, 2, 31, 15), (20, 2, 32, 16), (20, 1, 20, 17),  // around the 16 canonical lanes
        (2003, 8, 256, 8),  // product quantization as it is used
      ].map {
        Input(
          points: $0.0, subspaces: $0.1, codewords: $0.2, width: $0.3, content: .clustered)
      }
      + Content.allCases.map {
        Input(points: 20, subspaces: 3, codewords: 19, width: 5, content: $0)
      }
      // Whole multiples of what is packed side by side.
      + Content.allCases.map {
        Input(points: 40, subspaces: 3, codewords: 24, width: 5, content: $0)
      }
      + [3, 40, 250, 1e4, 1e9].map {
        Input(points: 70, subspaces: 2, codewords: 64, width: 6, content: .clustered, stretch: $0)
      }
  }

  @Test(
    "picks the nearest codeword of each subspace", arguments: Subject.trials(.encode, Input.cases))
  func encodes(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    let width = input.width
    let points = input.content.matrix(
      rows: input.points, columns: input.dimension, seed: 21
    ).enumerated().map { $0 / input.dimension % 3 == 1 ? $1 * input.stretch : $1 }
    let codewords = input.content.matrix(
      rows: input.subspaces * input.codewords, columns: width, seed: 22)
    var expected: [UInt8] = []
    for point in 0..<input.points {
      for subspace in 0..<input.subspaces {
        let start = point * input.dimension + subspace * width
        let group = subspace * input.codewords * width
        let scores = Oracle.scores(
          .squaredL2, Array(points[start..<start + width]),
          Array(codewords[group..<group + input.codewords * width]), dimension: width)
        expected.append(UInt8(Oracle.rank(scores, .smallestFirst)[0]))
      }
    }

    let pointMatrix = try Framed(
      points, rows: input.points, columns: input.dimension, filler: .nan, on: device)
    let codewordMatrix = try Framed(
      codewords, rows: input.subspaces * input.codewords, columns: width, filler: .nan, on: device)
    let codes = try Framed(
      rows: input.points, columns: input.subspaces, filler: UInt8(0xA5), on: device)
    try device.encode(
      pointMatrix.matrix,
      ProductCodebook(codewordMatrix.matrix, subspaceCount: input.subspaces), into: codes.matrix)
    let found = try #require(try codes.contents())
    #expect(difference(found, expected, columns: input.subspaces) == nil)
  }

  @Test("refuses NaN and infinity and names the rows", arguments: Subject.present)
  func nonFinite(_ subject: Subject) throws {
    let device = try subject.device
    for bad in [Float.nan, .infinity, -.infinity] {
      let good = try device.upload([1, 2, 3, 4] as [Float], rows: 2, columns: 2)
      let spoilt = try device.upload([1, 2, bad, 4] as [Float], rows: 2, columns: 2)
      let codes = try device.allocate(UInt8.self, rows: 2, columns: 1)
      for (points, codewords, name) in [(spoilt, good, "points"), (good, spoilt, "codewords")] {
        let codebook = try ProductCodebook(codewords, subspaceCount: 1)
        let error = refusal {
          try device.encode(points, codebook, into: codes)
        }
        #expect(error?.code == .nonFinite)
        #expect(
          error?.message.hasPrefix("encode: \(name): NaN or infinity in row 1;") == true,
          "\(error?.message ?? "none")")
      }
    }
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    let codebook = try ProductCodebook(
      try device.allocate(Float.self, rows: 6, columns: 4), subspaceCount: 2)
    for (points, codes, text) in [
      ((3, 9), (3, 2), "encode: points have 9 columns, the codebook has 8"),
      ((3, 8), (3, 8), "encode: codes is 3 x 8, expected 3 x 2"),
    ] {
      let points = try device.allocate(Float.self, rows: points.0, columns: points.1)
      let codes = try device.allocate(UInt8.self, rows: codes.0, columns: codes.1)
      let error = refusal {
        try device.encode(points, codebook, into: codes)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
