import TesseraCPU
import TesseraCompute
import TesseraDevices
import Testing

@testable import TesseraQuantization

@Suite("quantizers")
struct QuantizerTests {
  static let dimension = 10
  static let points = QuantizerSamples.points(700, dimension: dimension)

  @Test(
    "every family has a sample, and strings read back", arguments: QuantizerSamples.specifications)
  func strings(_ specification: String) throws {
    #expect(try QuantizerFactory.recipe(specification).specification == specification)
  }

  @Test("every family takes part in these tests")
  func families() throws {
    var kinds: Set<String> = []
    for specification in QuantizerSamples.specifications {
      for family in QuantizerFactory.families {
        if try family.recipe(specification) != nil { kinds.insert(family.quantizer.kind) }
      }
    }
    #expect(kinds == Set(QuantizerFactory.families.map { $0.quantizer.kind }))
  }

  @Test(
    "decoding gives the error that training reported, below that of the mean",
    arguments: QuantizerSamples.specifications)
  func error(_ specification: String) throws {
    let device = try CPUDevice()
    let training = try QuantizerSamples.train(
      specification, Self.points, dimension: Self.dimension, on: device)
    let quantizer = training.quantizer
    #expect(quantizer.specification == specification && quantizer.dimension == Self.dimension)
    let codes = try quantizer.encode(
      Vectors(Self.points, dimension: Self.dimension), on: device)
    #expect(codes.count == 700 && codes.byteCount == quantizer.codeByteCount)
    let decoded = try quantizer.decode(codes, on: device)
    #expect(decoded.count == Self.points.count)
    let error =
      zip(Self.points, decoded).reduce(0.0) {
        $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1))
      } / 700
    #expect(abs(error - training.meanSquaredError) <= 1e-9 * error)
    #expect(error < 0.9 * Self.variance, "the mean alone has \(Self.variance)")
  }

  /// The mean squared distance of the points from their mean.
  static let variance = {
    (0..<dimension).reduce(0.0) { sum, d in
      let column = (0..<700).map { Double(points[$0 * dimension + d]) }
      let mean = column.reduce(0, +) / 700
      return sum + column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 700
    }
  }()

  @Test(
    "every device trains, encodes, decodes and scores the same bits",
    arguments: QuantizerSamples.specifications)
  func devices(_ specification: String) throws {
    let fewer = Array(Self.points.prefix(560 * Self.dimension))
    let vectors = try Vectors(fewer, dimension: Self.dimension)
    let queries = vectors.rows(0..<3)
    let reference = ReferenceDevice.shared
    let expected = try QuantizerSamples.train(specification, vectors, on: reference)
    let codes = try expected.quantizer.encode(vectors, on: reference)
    let decoded = try expected.quantizer.decode(codes, on: reference)
    let some = try Codes(
      Array(codes.bytes.prefix(50 * codes.byteCount)), byteCount: codes.byteCount)
    var devices = Devices.all().devices
    for variant in CPUDevice.variants {
      devices.append(try CPUDevice(variant: variant, threads: 1))
    }
    #expect(devices.count >= 3)
    for device in devices {
      let name = "\(device.info.identifier) \(device.info.variant)"
      let training = try QuantizerSamples.train(specification, vectors, on: device)
      #expect(training.quantizer.arrays == expected.quantizer.arrays, "\(name)")
      #expect(training.meanSquaredError == expected.meanSquaredError, "\(name)")
      #expect(try training.quantizer.encode(vectors, on: device) == codes, "\(name)")
      #expect(try training.quantizer.decode(codes, on: device) == decoded, "\(name)")
      for metric in Metric.allCases {
        let scores = try expected.quantizer.scores(
          of: queries, against: some, metric: metric, on: reference)
        #expect(
          try training.quantizer.scores(of: queries, against: some, metric: metric, on: device)
            == scores, "\(name) \(metric)")
      }
    }
  }

  @Test(
    "scores are those of decoded vectors",
    arguments: QuantizerSamples.specifications.filter { !QuantizerSamples.estimators.contains($0) },
    Metric.allCases)
  func scores(_ specification: String, _ metric: Metric) throws {
    let device = try CPUDevice()
    let vectors = try Vectors(Self.points, dimension: Self.dimension)
    let quantizer = try QuantizerSamples.train(specification, vectors, on: device).quantizer
    let codes = try quantizer.encode(vectors.rows(100..<140), on: device)
    let decoded = try quantizer.decode(codes, on: device)
    let found = try quantizer.scores(
      of: vectors.rows(0..<5), against: codes, metric: metric, on: device)
    #expect(found.count == 5 * 40)
    for (index, score) in found.enumerated() {
      let row = index % 40 * Self.dimension
      let exact = CanonicalScore.score(
        metric, vectors.row(index / 40), Array(decoded[row..<row + Self.dimension]))
      #expect(abs(score - exact) <= 1e-4 * max(1, abs(exact)))
    }
    let symmetric = try quantizer.symmetricScores(
      of: codes, against: codes, metric: metric, on: device)
    #expect(symmetric.count == 40 * 40)
    for row in 0..<40 {
      let own = Array(decoded[row * Self.dimension..<(row + 1) * Self.dimension])
      let exact = CanonicalScore.score(metric, own, own)
      #expect(abs(symmetric[row * 41] - exact) <= 1e-4 * max(1, abs(exact)))
    }
  }

  @Test("tensors give the same quantizer back", arguments: QuantizerSamples.specifications)
  func arrays(_ specification: String) throws {
    let device = try CPUDevice()
    let quantizer = try QuantizerSamples.train(
      specification, Self.points, dimension: Self.dimension, on: device
    ).quantizer
    let again = try QuantizerFactory.quantizer(
      kind: type(of: quantizer).kind, specification: specification, arrays: quantizer.arrays)
    #expect(again.arrays == quantizer.arrays && again.specification == specification)
    let vectors = try Vectors(Self.points, dimension: Self.dimension)
    let codes = try quantizer.encode(vectors, on: device)
    #expect(try again.encode(vectors, on: device) == codes)
    #expect(try again.decode(codes, on: device) == quantizer.decode(codes, on: device))
    // Each tensor missing, cut short, of another type.
    for (name, array) in quantizer.arrays {
      var broken = quantizer.arrays
      broken[name] = nil
      let floats = try StoredArray([Double](repeating: 1, count: 2), shape: [2])
      for wrong in [nil, floats, try StoredArray(array.scalar, shape: [0], bytes: [])] {
        broken[name] = wrong
        guard broken != quantizer.arrays else { continue }
        #expect(throws: TesseraError.self, "\(name) as \(String(describing: wrong?.shape))") {
          try QuantizerFactory.quantizer(
            kind: type(of: quantizer).kind, specification: specification, arrays: broken)
        }
      }
    }
  }

  @Test("vectors and codes of another size are refused", arguments: QuantizerSamples.specifications)
  func sizes(_ specification: String) throws {
    let device = try CPUDevice()
    let quantizer = try QuantizerSamples.train(
      specification, Self.points, dimension: Self.dimension, on: device
    ).quantizer
    let narrow = try Vectors([1, 2, 3], dimension: 3)
    let longer = try Codes(
      [UInt8](repeating: 0, count: quantizer.codeByteCount + 1),
      byteCount: quantizer.codeByteCount + 1)
    let none = try Vectors([], dimension: Self.dimension)
    #expect(try quantizer.encode(none, on: device).count == 0)
    for refused in [
      { _ = try quantizer.encode(narrow, on: device) },
      { _ = try quantizer.decode(longer, on: device) },
      { _ = try quantizer.scores(of: narrow, against: longer, metric: .squaredL2, on: device) },
    ] as [() throws -> Void] {
      let error = #expect(throws: TesseraError.self) { try refused() }
      #expect(error?.code == .invalidShape)
    }
    for bad in [Float.nan, .infinity] {
      var values = Self.points
      values[57 * Self.dimension + 1] = bad
      let spoilt = try Vectors(values, dimension: Self.dimension)
      let error = #expect(throws: TesseraError.self) {
        try quantizer.encode(spoilt, on: device)
      }
      #expect(error?.code == .nonFinite)
      #expect(error?.message.contains("row 57;") == true, "\(error?.message ?? "")")
    }
  }

  @Test(
    "names that are none, and parameters out of range, are refused",
    arguments: [
      "", "PQ", "PQ0x8", "PQ4x3", "PQ4x17", "PQ4x8x", "pq4x8", "PQ4y8", "PQ99999999999x8", "SQ7",
      "SQ", "OPQ4", "OPQ4,PQ8x8", "OPQ4_,PQ4x8", "OPQ4_2,PQ4x8", "OPQ4,SQ8", "RQ0x8", "RQ4x13",
      "RQ64x8", "RQ4", "PRQ2x2", "PRQ0x2x8",
    ])
  func badNames(_ text: String) {
    let error = #expect(throws: TesseraError.self) { try QuantizerFactory.recipe(text) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("\"\(text)\"") == true, "\(error?.message ?? "")")
  }
}
