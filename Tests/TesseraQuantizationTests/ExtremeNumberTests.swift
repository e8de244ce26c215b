import TesseraCPU
import TesseraCompute
import TestSupport
import TesseraIndex
import Testing

@testable import TesseraQuantization

/// Numbers that leave Float32, or what it resolves, on the way to a code or a score.
@Suite("extreme numbers")
struct ExtremeNumberTests {
  static func normal(_ count: Int, _ dimension: Int, seed: UInt64 = 5) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count * dimension).map { _ in random.nextGaussian() }
  }

  static func vectors(
    _ values: [Float], _ dimension: Int, times factor: Float = 1, plus offset: Float = 0
  ) throws -> Vectors {
    try Vectors(values.map { $0 * factor + offset }, dimension: dimension)
  }

  @Test(
    "an offset that all points have costs next to nothing",
    arguments: ["RQ4x6", "PRQ4x2x6", "PQ4x6", "OPQ4,PQ4x6", "LRVQ8x6", "RaBitQ4", "SQ6"])
  func offset(_ specification: String) throws {
    let device = try CPUDevice()
    let values = Self.normal(2000, 32)
    let recipe = try QuantizerFactory.recipe(specification)
    let plain = try recipe.train(Self.vectors(values, 32), on: device).meanSquaredError
    for offset: Float in [1000, 10_000] {
      let moved = try Self.vectors(values, 32, plus: offset)
      let training = try recipe.train(moved, on: device)
      #expect(training.meanSquaredError < 1.1 * plain, "\(offset): \(plain)")
      // From a file, too, where nobody knows of the offset.
      let again = try QuantizerFactory.quantizer(
        kind: type(of: training.quantizer).kind,
        specification: training.quantizer.specification, arrays: training.quantizer.arrays)
      #expect(
        try again.meanSquaredError(of: moved, on: device) == training.meanSquaredError)
    }
  }

  @Test(
    "cosine does not depend on the unit, and is never above 1",
    arguments: ["PQ4x4", "PQ2x8", "OPQ4,PQ4x4", "OPQ4_8,PQ4x4"])
  func cosine(_ specification: String) throws {
    let device = try CPUDevice()
    let values = Self.normal(300, 16)
    let queries = Array(values.prefix(3 * 16))
    let recipe = try QuantizerFactory.recipe(specification)
    // Powers of two, so that codes are the same.
    var first: [Float] = []
    for exponent in [-36, 0, 40, 55] {
      let factor = Float(sign: .plus, exponent: exponent, significand: 1)
      let points = try Self.vectors(values, 16, times: factor)
      let quantizer = try recipe.train(points, on: device).quantizer
      let codes = try quantizer.encode(points, on: device)
      let decoded = try quantizer.decode(codes, on: device)
      for queryFactor: Float in [1, 0x1p-120, 0x1p100] {
        let scaled = try Self.vectors(queries, 16, times: queryFactor)
        let scores = try quantizer.scores(
          of: scaled, against: codes, metric: .cosine, on: device)
        if first.isEmpty { first = scores }
        #expect(scores == first)
        for (index, score) in scores.enumerated() {
          let row = index % 300 * 16
          let exact = CanonicalScore.score(
            .cosine, scaled.row(index / 300), Array(decoded[row..<row + 16]))
          #expect(abs(score - exact) <= 5e-6 && score <= 1)
        }
        let hits = try IndexSearch(codes, of: quantizer, metric: .cosine, on: device)
          .nearest(scaled, k: 1).neighbors
        for query in 0..<3 {
          #expect(hits.scores[query] == scores[query * 300..<(query + 1) * 300].max())
        }
      }
    }
  }

  @Test(
    "points between which distances leave Float32 are refused, with what to do",
    arguments: ["PQ4x4", "PQ1x9", "OPQ4,PQ4x4", "RQ2x4", "PRQ2x2x4", "LRVQ4x4"])
  func unmeasurable(_ specification: String) throws {
    let device = try CPUDevice()
    let values = Self.normal(600, 16)
    let recipe = try QuantizerFactory.recipe(specification)
    for (factor, remedy) in [(5e18, "down"), (1e30, "down"), (1e-16, "up"), (1e-23, "up")] {
      let points = try Self.vectors(values, 16, times: Float(factor))
      let error = refusal { try recipe.train(points, on: device) }
      #expect(error?.code == .invalidArgument)
      #expect(
        error?.message.contains("scale the points \(remedy)") == true, "\(error.debugDescription)")
    }
    let quantizer = try recipe.train(Self.vectors(values, 16), on: device).quantizer
    var outlier = values
    outlier[77 * 16 + 3] = -1e20
    let error = refusal { try quantizer.encode(Self.vectors(outlier, 16), on: device) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("row 77 ") == true, "\(error.debugDescription)")
  }

  @Test("scores beyond Float32 name the query", arguments: ["PQ4x4", "PQ2x8", "OPQ4,PQ4x4"])
  func edge(_ specification: String) throws {
    let device = try CPUDevice()
    let values = Self.normal(300, 16)
    let points = try Self.vectors(values, 16, times: 1e10)
    let quantizer = try QuantizerFactory.recipe(specification).train(points, on: device).quantizer
    let codes = try quantizer.encode(points, on: device)
    var queries = Array(values.prefix(5 * 16))
    for d in 0..<16 { queries[3 * 16 + d] *= 1e38 }
    let bad = try Vectors(queries, dimension: 16)
    for metric in [Metric.innerProduct, .squaredL2] {
      let search = try IndexSearch(codes, of: quantizer, metric: metric, on: device)
      let errors = [
        refusal { try search.nearest(bad, k: 3) },
        refusal { try quantizer.scores(of: bad, against: codes, metric: metric, on: device) },
      ]
      for error in errors {
        #expect(error?.code == .nonFinite)
        #expect(error?.message.contains("row 3") == true, "\(error.debugDescription)")
      }
      #expect(try search.nearest(bad.rows(0..<3), k: 3).neighbors.scores.allSatisfy(\.isFinite))
    }
  }

  @Test("RaBitQ refuses vectors whose products with the center are beyond Float32")
  func rabitq() throws {
    let device = try CPUDevice()
    let far = try Self.vectors(Self.normal(300, 16), 16, times: 1e30, plus: 1e30)
    let error = refusal { try QuantizerFactory.recipe("RaBitQ").train(far, on: device) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("scale the vectors down") == true, "\(error.debugDescription)")
  }

  @Test("RaBitQ finds as many neighbors of short queries as of long ones", arguments: [1, 4, 8])
  func queryLength(_ bits: Int) throws {
    let device = try CPUDevice()
    let points = try Self.vectors(Self.normal(3000, 64), 64, plus: 0.3)
    let queries = Self.normal(30, 64, seed: 6)
    let quantizer = try RaBitQRecipe(bits: bits).train(points, on: device).quantizer
    let codes = try quantizer.encode(points, on: device)
    for metric in [Metric.innerProduct, .cosine] {
      let set = try device.prepare(points, metric: metric)
      let search = try IndexSearch(codes, of: quantizer, metric: metric, on: device)
      let recalls = try [1, 1e-4, 1e4].map { factor in
        let scaled = try Self.vectors(queries, 64, times: Float(factor))
        let truth = try device.nearest(scaled, in: set, k: 10)
        let found = try search.nearest(scaled, k: 10).neighbors
        return (0..<30).reduce(0) { sum, query in
          let range = query * 10..<(query + 1) * 10
          return sum + Set(truth.ids[range]).intersection(found.ids[range]).count
        }
      }
      #expect(recalls.allSatisfy { abs($0 - recalls[0]) <= 3 }, "\(metric) \(recalls)")
      #expect(recalls[0] > [1: 60, 4: 220, 8: 280][bits] ?? 0, "\(metric) \(recalls)")
    }
  }

  @Test("numbers that 16 bits cannot hold are said, in training and in encoding")
  func halfRange() throws {
    let device = try CPUDevice()
    let values = (0..<1000).map { Float($0) * 100 }
    let points = try Vectors(values, dimension: 8)
    let training = try QuantizerFactory.recipe("SQfp16").train(points, on: device)
    // From 65,520 on.
    let count = values.count { $0 >= 65_520 }
    #expect(training.notes.count == 1)
    #expect(training.notes.first?.effect.contains("\(count) of 1000 numbers") == true)
    let heard = Heard<String>()
    let control = RunControl(note: { heard.add($0) })
    let codes = try training.quantizer.encode(points, on: device, control: control)
    #expect(heard.values.count == 1)
    #expect(heard.values.first?.contains("\(count) of 1000 numbers") == true, "\(heard.values)")
    #expect(try training.quantizer.decode(codes, on: device).max() == 65_504)
    heard.clear()
    _ = try training.quantizer.encode(points.rows(0..<50), on: device, control: control)
    #expect(heard.values.isEmpty)
    for other in ["SQbf16", "SQ8"] {
      #expect(try QuantizerFactory.recipe(other).train(points, on: device).notes.isEmpty)
    }
  }

  @Test("numbers outside the trained range are said", arguments: ["SQ8", "SQ6", "SQ4"])
  func trainedRange(_ specification: String) throws {
    let device = try CPUDevice()
    let values = Self.normal(200, 8)
    let quantizer = try QuantizerFactory.recipe(specification).train(
      Self.vectors(values, 8), on: device
    ).quantizer
    let heard = Heard<String>()
    let control = RunControl(note: { heard.add($0) })
    _ = try quantizer.encode(Self.vectors(values, 8), on: device, control: control)
    #expect(heard.values.isEmpty)
    var outside = values
    outside[3] = 100
    outside[9] = -100
    _ = try quantizer.encode(Self.vectors(outside, 8), on: device, control: control)
    #expect(heard.values.first?.contains("2 of 1600 numbers") == true, "\(heard.values)")
  }

  @Test("options so large that sums and products of them overflow")
  func largeOptions() throws {
    let device = try CPUDevice()
    let points = try Self.vectors(Self.normal(300, 8), 8)
    for specification in ["PQ2x4", "OPQ2,PQ2x4", "RQ2x4", "LRVQ4x4"] {
      var recipe = try #require(try QuantizerFactory.recipe(specification) as? any CodewordRecipe)
      let expected = try recipe.train(points, on: device)
      recipe.options.pointsPerCodeword = 1 << 62
      #expect(
        try recipe.train(points, on: device).quantizer.arrays == expected.quantizer.arrays)
      if specification == "PQ2x4" {
        recipe.options.iterations = 1 << 62
        _ = try recipe.train(points, on: device)
      }
    }
    var residual = try ResidualRecipe(stageCount: 2, bits: 4)
    residual.refinements = .max
    #expect(refusal { try residual.train(points, on: device) }?.code == .invalidArgument)
    #expect(refusal { try LowRankRecipe(blockLength: 4, turns: .max) }?.code == .invalidArgument)
  }
}
