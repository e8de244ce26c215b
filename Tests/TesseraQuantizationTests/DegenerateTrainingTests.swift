import TesseraCPU
import TesseraCompute
import Testing

@testable import TesseraQuantization

/// Points that make quantizers crash elsewhere: a defined result or a typed error, always.
enum Degenerate: String, CaseIterable, CustomTestStringConvertible {
  case none, one, two, fewerThanCodewords, asManyAsCodewords, oneMore, duplicates, constant, zeros
  case nan, infinite, huge, tiny, oneDimension, oddDimensions

  var testDescription: String { rawValue }

  var dimension: Int { self == .oneDimension ? 1 : self == .oddDimensions ? 13 : 12 }

  func points() throws -> Vectors {
    let values: [Float] =
      switch self {
      case .none: []
      case .one: sample(1)
      case .two: sample(2)
      case .fewerThanCodewords: sample(15)
      case .asManyAsCodewords: sample(16)
      case .oneMore: sample(17)
      case .duplicates: (0..<100).flatMap { _ in sample(3) }
      case .constant: [Float](repeating: -3.25, count: 300 * dimension)
      case .zeros: [Float](repeating: 0, count: 300 * dimension)
      case .nan: spoilt(.nan)
      case .infinite: spoilt(-.infinity)
      case .huge: sample(300).map { $0 < 0 ? -3e38 : 3e38 }
      case .tiny: sample(300).map { $0 * 0x1p-139 }
      case .oneDimension, .oddDimensions: sample(300)
      }
    return try Vectors(values, dimension: dimension)
  }

  private func sample(_ count: Int) -> [Float] {
    QuantizerSamples.points(count, dimension: dimension)
  }

  private func spoilt(_ bad: Float) -> [Float] {
    var values = sample(300)
    values[200 * dimension + 3] = bad
    return values
  }
}

@Suite("degenerate training")
struct DegenerateTrainingTests {
  @Test(
    "ends in a defined result or a typed error", arguments: QuantizerSamples.specifications,
    Degenerate.allCases)
  func defined(_ specification: String, _ degenerate: Degenerate) throws {
    let device = try CPUDevice(threads: 1)
    let points = try degenerate.points()
    let training: TrainedQuantizer
    do {
      training = try QuantizerSamples.train(specification, points, on: device)
    } catch let error as TesseraError {
      let allowed: Set<TesseraError.Code> = [.invalidArgument, .nonFinite, .invalidShape]
      #expect(allowed.contains(error.code), "\(error)")
      #expect(!error.message.contains { $0.isNewline })
      return
    }
    #expect(degenerate != .nan && degenerate != .infinite && degenerate != .none)
    #expect(training.meanSquaredError >= 0 && !training.meanSquaredError.isNaN)
    let codes = try training.quantizer.encode(points, on: device)
    let decoded = try training.quantizer.decode(codes, on: device)
    #expect(codes.count == points.count && decoded.count == points.count * points.dimension)
    #expect(decoded.allSatisfy { $0.isFinite })
    for array in training.quantizer.arrays.values where array.scalar == .float32 {
      #expect(try array.values(Float.self).allSatisfy { $0.isFinite })
    }
  }

  @Test("NaN and infinity name their rows", arguments: QuantizerSamples.specifications)
  func nonFinite(_ specification: String) throws {
    let device = try CPUDevice(threads: 1)
    // Enough rows for every codebook here, and more than are trained on.
    var values = QuantizerSamples.points(600, dimension: 12)
    values[444 * 12] = .nan
    let error = #expect(throws: TesseraError.self) {
      try QuantizerSamples.train(specification, values, dimension: 12, on: device)
    }
    #expect(error?.code == .nonFinite)
    #expect(error?.message.contains("row 444;") == true, "\(error?.message ?? "")")
  }

  @Test("as many codewords as points stand for them exactly")
  func exact() throws {
    let device = ReferenceDevice.shared
    let points = QuantizerSamples.points(16, dimension: 12)
    let training = try QuantizerSamples.train("PQ3x4", points, dimension: 12, on: device)
    #expect(training.meanSquaredError == 0)
    #expect(training.notes.count == 1 && training.notes[0].quantizer == "PQ3x4")
    for copies in ["PQ3x4", "SQ8", "RQ2x4"] {
      let constant = [Float](repeating: -3.25, count: 300 * 12)
      let training = try QuantizerSamples.train(copies, constant, dimension: 12, on: device)
      #expect(training.meanSquaredError == 0, "\(copies)")
    }
  }

  @Test("too few points name the numbers and the remedy")
  func fewPoints() throws {
    let error = #expect(throws: TesseraError.self) {
      try QuantizerSamples.train(
        "PQ2x8", QuantizerSamples.points(255, dimension: 4), dimension: 4)
    }
    #expect(error?.code == .invalidArgument)
    #expect(
      error?.message
        == "\"PQ2x8\": 255 training points are fewer than the 256 codewords; give more points or use "
        + "fewer bits")
  }
}
