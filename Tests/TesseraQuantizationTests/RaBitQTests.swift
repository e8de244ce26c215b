import Foundation
import TesseraCompute
import TesseraIndex
import Testing

@testable import TesseraQuantization

@Suite struct RaBitQTests {
  static let reference = ReferenceDevice.shared

  static func vectors(_ count: Int, _ dimension: Int, seed: UInt64 = 3) throws -> Vectors {
    try Vectors(
      KMeansTests.points(count, dimension: dimension, seed: seed), dimension: dimension)
  }

  static func train(_ points: Vectors, bits: Int) throws -> RaBitQ {
    let training = try RaBitQRecipe(bits: bits).train(points, on: reference)
    return try #require(training.quantizer as? RaBitQ)
  }

  @Test("the rotation keeps lengths and comes back", arguments: [1, 2, 3, 5, 64, 100, 127, 384])
  func rotation(_ dimension: Int) {
    let rotation = HadamardRotation(dimension: dimension, seed: 9)
    var random = SplitMix64(seed: 4)
    let before = (0..<dimension).map { _ in random.nextGaussian() }
    var values = before
    rotation.apply(&values)
    let length = { (row: [Float]) in row.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
    #expect(abs(length(values) - length(before)) <= 1e-5 * length(before))
    rotation.invert(&values)
    for (a, b) in zip(values, before) { #expect(abs(a - b) <= 1e-5 * Float(length(before))) }
  }

  @Test("the rotation spreads a single number over all dimensions", arguments: [64, 100, 511])
  func spread(_ dimension: Int) {
    let rotation = HadamardRotation(dimension: dimension, seed: 9)
    for axis in [0, dimension / 2, dimension - 1] {
      var values = [Float](repeating: 0, count: dimension)
      values[axis] = 1
      rotation.apply(&values)
      let largest = values.map(abs).max() ?? 0
      #expect(Double(largest) < 7 / Double(dimension).squareRoot(), "axis \(axis)")
    }
  }

  /// The nearest in direction by trying every step at which a level changes.
  static func bestCosine(_ vector: [Float], bits: Int) -> Double {
    let half = Double(1 << (bits - 1))
    let steps = vector.flatMap { value in
      (1..<max(2, 1 << (bits - 1))).map { abs(Double(value)) / Double($0) }
    }
    return steps.map { edge -> Double in
      // Just below the edge, where the level has changed.
      let step = edge * (1 - 1e-9)
      var (product, squares) = (0.0, 0.0)
      for value in vector {
        let level = min((abs(Double(value)) / step).rounded(.down), half - 1) + 0.5
        product += level * abs(Double(value))
        squares += level * level
      }
      return product / squares.squareRoot()
    }.max() ?? 0
  }

  @Test("levels come within a thousandth of the best direction", arguments: [2, 3, 4, 6, 8])
  func direction(_ bits: Int) {
    var random = SplitMix64(seed: 12)
    for _ in 0..<10 {
      let vector = (0..<48).map { _ in random.nextGaussian() }
      var levels = [UInt16](repeating: 0, count: 48)
      var grid = GridDirection(dimension: 48, bits: bits)
      let product = grid.encode(vector.span, into: &levels)
      let squares = levels.reduce(0.0) { sum, level in
        let value = Double(level) - (Double(1 << bits) - 1) / 2
        return sum + value * value
      }
      let best = Self.bestCosine(vector, bits: bits)
      let length = vector.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(product / squares.squareRoot() <= length * (1 + 1e-6))
      #expect(length - product / squares.squareRoot() <= (length - best) * 1.1 + 1e-4 * length)
    }
  }

  /// The probability that a coordinate of a uniformly random unit vector of `dimension` numbers is
  /// farther from 0 than `limit`: the density is proportional to (1 - t²)^((dimension - 3) / 2).
  static func tail(beyond limit: Double, dimension: Int) -> Double {
    let steps = 20_000
    func mass(from start: Double) -> Double {
      (0..<steps).reduce(0) { sum, step in
        let t = start + (1 - start) * (Double(step) + 0.5) / Double(steps)
        return sum + pow(1 - t * t, Double(dimension - 3) / 2)
      } * (1 - start)
    }
    return mass(from: limit) / mass(from: 0)
  }

  /// Points and queries of 96 numbers in different directions, or in few.
  static func scattered(_ count: Int, seed: UInt64) throws -> Vectors {
    var random = SplitMix64(seed: seed)
    return try Vectors((0..<count * 96).map { _ in random.nextGaussian() }, dimension: 96)
  }

  @Test(
    "scores leave their bounds as often as the theorem says", arguments: [1, 2, 4, 8, 9],
    [false, true])
  func bounds(_ bits: Int, _ isClustered: Bool) throws {
    let points = try isClustered ? Self.vectors(400, 96) : Self.scattered(400, seed: 3)
    let queries = try isClustered ? Self.vectors(20, 96, seed: 8) : Self.scattered(20, seed: 8)
    let center = try Self.train(points, bits: bits).center
    // The theorem speaks of one pair and all rotations. Pairs under one rotation do not fail
    // independently, as points of a cluster have nearly the same error: of 8,000 clustered pairs 1 to
    // 61 left their bounds under one of 100 rotations, 15 on average, where 18 are the most to be
    // expected. So each trial has a rotation of its own.
    let trials = 4000
    for confidence in [1.9, 3] {
      // The error is one coordinate of a random direction at right angles to the vector.
      let chance = Self.tail(beyond: confidence / Double(95).squareRoot(), dimension: 95)
      let expected = chance * Double(trials)
      // Five standard deviations of a binomial distribution: 1 of 10^6 runs would fail by chance.
      let margin = 5 * (expected * (1 - chance)).squareRoot()
      var outside: [Metric: Int] = [:]
      for trial in 0..<trials {
        let (point, query) = (trial % 400, (trial / 400 + trial) % 20)
        let quantizer = RaBitQ(
          bits: bits, center: center,
          rotation: HadamardRotation(dimension: 96, seed: UInt64(trial)))
        let codes = try quantizer.encode(points.rows(point..<point + 1), on: Self.reference)
        for metric in Metric.allCases {
          let estimate = try quantizer.estimates(
            of: queries.rows(query..<query + 1), against: codes, metric: metric,
            confidence: confidence, on: Self.reference)
          let exact = CanonicalScore.score(metric, queries.row(query), points.row(point))
          let rounding = 1e-5 * max(1, abs(exact))
          if abs(estimate.scores[0] - exact) > estimate.bounds[0] + rounding {
            outside[metric, default: 0] += 1
          }
        }
      }
      for metric in Metric.allCases {
        let count = Double(outside[metric] ?? 0)
        #expect(count <= expected + margin, "\(metric), \(confidence): of \(expected) expected")
        // Where vector and query point in different ways, the bound is as tight as it can be.
        if !isClustered {
          #expect(count >= expected - margin, "\(metric), \(confidence): of \(expected) expected")
        }
      }
    }
  }

  @Test("estimates are unbiased: over many rotations errors cancel", arguments: [1, 2, 4])
  func unbiased(_ bits: Int) throws {
    let points = try Self.vectors(40, 64)
    let queries = try Self.vectors(10, 64, seed: 8)
    let center = try Self.train(points, bits: bits).center
    let rotationCount = 48
    var sums = [Double](repeating: 0, count: 400)
    var squares = 0.0
    for seed in 0..<rotationCount {
      let quantizer = RaBitQ(
        bits: bits, center: center,
        rotation: HadamardRotation(dimension: 64, seed: UInt64(seed)))
      let codes = try quantizer.encode(points, on: Self.reference)
      let scores = try quantizer.scores(
        of: queries, against: codes, metric: .innerProduct, on: Self.reference)
      for pair in 0..<400 {
        let exact = CanonicalScore.score(
          .innerProduct, queries.row(pair / 40), points.row(pair % 40))
        let error = Double(scores[pair] - exact)
        sums[pair] += error
        squares += error * error
      }
    }
    let spread = (squares / Double(400 * rotationCount)).squareRoot()
    let bias =
      (sums.reduce(0) { $0 + $1 * $1 } / 400).squareRoot() / Double(rotationCount)
    // The ratio is about 1 if there is no bias; that of decoded vectors, which are shorter, makes
    // it 3.
    let ratio = bias / spread * Double(rotationCount).squareRoot()
    #expect(ratio < 1.2, "\(ratio)")
  }

  @Test("more bits err less, and the report says what decoding shows")
  func error() throws {
    let points = try Self.vectors(300, 40)
    var last = Double.infinity
    for bits in 1...9 {
      let training = try RaBitQRecipe(bits: bits).train(points, on: Self.reference)
      let quantizer = training.quantizer
      let decoded = try quantizer.decode(
        quantizer.encode(points, on: Self.reference), on: Self.reference)
      var sum = 0.0
      for (a, b) in zip(points.widened(), decoded) {
        sum += (Double(a) - Double(b)) * (Double(a) - Double(b))
      }
      #expect(abs(sum / 300 - training.meanSquaredError) <= 1e-9 * max(1, sum))
      #expect(training.meanSquaredError < last)
      last = training.meanSquaredError
    }
  }

  @Test(
    "codes and scores are the same bits on every device", arguments: [(1, 20), (5, 96), (9, 1100)])
  func devices(_ bits: Int, _ dimension: Int) throws {
    let points = try Self.vectors(60, dimension)
    let queries = try Self.vectors(5, dimension, seed: 8)
    let quantizer = try Self.train(points, bits: bits)
    let codes = try quantizer.encode(points, on: Self.reference)
    let expected = try quantizer.scores(
      of: queries, against: codes, metric: .squaredL2, on: Self.reference)
    for (name, device) in try EveryDevice.named() {
      let other = try RaBitQRecipe(bits: bits).train(points, on: device).quantizer
      #expect(try other.encode(points, on: device) == codes, "\(name)")
      let scores = try other.scores(of: queries, against: codes, metric: .squaredL2, on: device)
      #expect(scores.map(\.bitPattern) == expected.map(\.bitPattern), "\(name)")
    }
  }

  @Test("rows as small as Float32 has can be searched", arguments: Metric.allCases)
  func tiny(_ metric: Metric) throws {
    let points = try Vectors(
      Self.vectors(300, 32).widened().map { $0 * 0x1p-140 }, dimension: 32)
    let queries = try Self.vectors(3, 32, seed: 8)
    let quantizer = try Self.train(points, bits: 1)
    let codes = try quantizer.encode(points, on: Self.reference)
    let found = try IndexSearch(codes, of: quantizer, metric: metric, on: Self.reference)
      .nearest(queries, k: 3).neighbors
    #expect(found.scores.allSatisfy(\.isFinite) && found.ids.count == 9)
  }

  @Test("a file brings back the same quantizer")
  func files() throws {
    let points = try Self.vectors(50, 33)
    let quantizer = try Self.train(points, bits: 3)
    let copy = try QuantizerFactory.quantizer(
      kind: RaBitQ.kind, specification: quantizer.specification, arrays: quantizer.arrays)
    let codes = try quantizer.encode(points, on: Self.reference)
    #expect(try copy.encode(points, on: Self.reference) == codes)
    #expect(
      try copy.decode(codes, on: Self.reference) == quantizer.decode(codes, on: Self.reference))

    for (name, array) in [
      ("rotation.signs", try StoredArray([Int8](repeating: 2, count: 4 * 33), shape: [4, 33])),
      ("rotation.signs", try StoredArray([Int8](repeating: 1, count: 4 * 32), shape: [4, 32])),
      ("center", try StoredArray([Float](repeating: .nan, count: 33), shape: [33])),
      ("center", try StoredArray([Float](), shape: [0])),
      ("center", nil as StoredArray?),
    ] {
      var arrays = quantizer.arrays
      arrays[name] = array
      #expect(throws: TesseraError.self) {
        try RaBitQ(specification: "RaBitQ3", arrays: arrays)
      }
    }
  }

  @Test("names are read back", arguments: ["RaBitQ", "RaBitQ2", "RaBitQ9"])
  func names(_ name: String) throws {
    #expect(try QuantizerFactory.recipe(name).specification == name)
  }

  @Test("what cannot be is refused", arguments: ["RaBitQ0", "RaBitQ10", "RaBitQx", "RaBitQ1.5"])
  func refusedNames(_ name: String) {
    #expect(throws: TesseraError.self) { try QuantizerFactory.recipe(name) }
  }

  @Test("points at one place, vectors that do not fit, codes that are none")
  func degenerate() throws {
    let constant = try Vectors([Float](repeating: 2.5, count: 7 * 5), dimension: 5)
    let training = try RaBitQRecipe(bits: 2).train(constant, on: Self.reference)
    #expect(training.meanSquaredError == 0)
    let quantizer = training.quantizer
    let codes = try quantizer.encode(constant, on: Self.reference)
    #expect(try quantizer.decode(codes, on: Self.reference) == constant.widened())
    let scores = try quantizer.scores(
      of: constant, against: codes, metric: .squaredL2, on: Self.reference)
    #expect(scores.allSatisfy { $0 == 0 })

    let none = try Vectors([Float](), dimension: 5)
    #expect(try quantizer.encode(none, on: Self.reference).count == 0)
    #expect(throws: TesseraError.self) {
      try RaBitQRecipe(bits: 2).train(none, on: Self.reference)
    }
    for values: [Float] in [[1, 2, 3, 4], [1, 2, 3, 4, .nan], [3e38, 3e38, 0, 0, 0]] {
      #expect(throws: TesseraError.self) {
        try quantizer.encode(Vectors(values, dimension: values.count), on: Self.reference)
      }
    }
    var bytes = codes.bytes
    #expect(throws: TesseraError.self) {
      try quantizer.decode(Codes(bytes, byteCount: 1), on: Self.reference)
    }
    bytes[1] |= 0x80
    #expect(throws: TesseraError.self) {
      try quantizer.decode(Codes(bytes, byteCount: quantizer.codeByteCount), on: Self.reference)
    }
  }
}
