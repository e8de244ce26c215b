import TesseraCompute
import Testing

@testable import TesseraQuantization

@Suite struct LowRankTests {
  static let reference = ReferenceDevice.shared

  /// Points of few degrees of freedom, turned into many dimensions, and a little noise.
  static func points(_ count: Int, dimension: Int, rank: Int, seed: UInt64 = 6) throws -> Vectors {
    var random = SplitMix64(seed: seed)
    let map = (0..<rank * dimension).map { _ in random.nextGaussian() }
    let values = (0..<count).flatMap { _ -> [Float] in
      let inner = (0..<rank).map { _ in random.nextGaussian() }
      return (0..<dimension).map { d in
        (0..<rank).reduce(0.01 * random.nextGaussian()) { $0 + inner[$1] * map[$1 * dimension + d] }
      }
    }
    return try Vectors(values, dimension: dimension)
  }

  static func train(_ name: String, _ points: Vectors, on device: any Device = reference) throws
    -> TrainedQuantizer
  {
    try QuantizerFactory.recipe(name).train(points, on: device)
  }

  @Test("linear equations are solved", arguments: [1, 2, 7, 20])
  func cholesky(_ size: Int) throws {
    var random = SplitMix64(seed: 2)
    let root = (0..<size * size).map { _ in Double(random.nextGaussian()) }
    var matrix = [Double](repeating: 0, count: size * size)
    for i in 0..<size {
      for j in 0..<size {
        for k in 0..<size { matrix[i * size + j] += root[i * size + k] * root[j * size + k] }
      }
    }
    let right = (0..<size * 3).map { _ in Double(random.nextGaussian()) }
    let solution = try Cholesky.solve(matrix, size: size, adding: 0.5, right, columns: 3)
    for i in 0..<size {
      for c in 0..<3 {
        let image = (0..<size).reduce(0.5 * solution[i * 3 + c]) {
          $0 + matrix[i * size + $1] * solution[$1 * 3 + c]
        }
        #expect(abs(image - right[i * 3 + c]) < 1e-9)
      }
    }
  }

  @Test("errs less than product quantization with codes of the same bytes", arguments: [4, 8])
  func betterThanProduct(_ blockLength: Int) throws {
    let points = try Self.points(600, dimension: 16, rank: 5)
    let product = try Self.train("PQ\(16 / blockLength)x4", points)
    let lowRank = try Self.train("LRVQ\(blockLength)x4", points)
    #expect(lowRank.quantizer.codeByteCount == product.quantizer.codeByteCount)
    #expect(lowRank.meanSquaredError < product.meanSquaredError)
  }

  @Test("turns lower the error")
  func turns() throws {
    let points = try Self.points(500, dimension: 12, rank: 6)
    var last = Double.infinity
    for turns in [0, 1, 4] {
      let recipe = try LowRankRecipe(blockLength: 4, latent: 3, bits: 4, turns: turns)
      let training = try recipe.train(points, on: Self.reference)
      #expect(training.meanSquaredError <= last * 1.001, "\(turns) turns")
      last = training.meanSquaredError
    }
  }

  @Test("rows of the projection are orthonormal within a subspace, and errors what is reported")
  func projection() throws {
    let points = try Self.points(300, dimension: 10, rank: 8)
    let training = try Self.train("LRVQ5_3x4", points)
    let quantizer = try #require(training.quantizer as? LowRankQuantizer)
    #expect(quantizer.subspaceCount == 2 && quantizer.latent == 3)
    let rows = quantizer.projection
    for subspace in 0..<2 {
      for i in 0..<3 {
        for j in 0..<3 {
          let product = (0..<10).reduce(0.0) {
            $0 + Double(rows[(subspace * 3 + i) * 10 + $1])
              * Double(rows[(subspace * 3 + j) * 10 + $1])
          }
          #expect(abs(product - (i == j ? 1 : 0)) < 1e-5)
        }
      }
    }
    let decoded = try quantizer.decode(
      quantizer.encode(points, on: Self.reference), on: Self.reference)
    let error = zip(points.widened(), decoded).reduce(0.0) { sum, pair in
      sum + (Double(pair.0) - Double(pair.1)) * (Double(pair.0) - Double(pair.1))
    }
    #expect(abs(error / 300 - training.meanSquaredError) < 1e-9 * (1 + error))
  }

  @Test("latent numbers are estimated: as many as there are degrees of freedom, no more")
  func estimate() throws {
    let flat = LowRankShape(
      variances: [1, 1, 1, 1] + [Double](repeating: 1e-6, count: 12), subspaceCount: 2,
      codewordCount: 16)
    #expect(flat.bestLatent(limit: 8) == 2)
    let full = LowRankShape(
      variances: [Double](repeating: 1, count: 16), subspaceCount: 2, codewordCount: 256)
    #expect(full.bestLatent(limit: 8) > 4)
    let points = try Self.points(300, dimension: 16, rank: 4)
    let trained = try Self.train("LRVQ8x4", points).quantizer
    #expect(trained.specification == "LRVQ8_2x4")
  }

  @Test("codes are the same bits on every device")
  func devices() throws {
    let points = try Self.points(200, dimension: 12, rank: 6)
    let expected = try Self.train("LRVQ4_3x4", points).quantizer
    let codes = try expected.encode(points, on: Self.reference)
    for (name, device) in try EveryDevice.named() {
      let quantizer = try Self.train("LRVQ4_3x4", points, on: device).quantizer
      #expect(quantizer.arrays == expected.arrays, "\(name)")
      #expect(try quantizer.encode(points, on: device) == codes, "\(name)")
    }
  }

  @Test("a file brings back the same quantizer, and refuses what does not fit")
  func files() throws {
    let points = try Self.points(100, dimension: 9, rank: 4)
    let quantizer = try Self.train("LRVQ4_2x3", points).quantizer
    let copy = try QuantizerFactory.quantizer(
      kind: LowRankQuantizer.kind, specification: quantizer.specification,
      arrays: quantizer.arrays)
    let codes = try quantizer.encode(points, on: Self.reference)
    #expect(try copy.encode(points, on: Self.reference) == codes)
    #expect(
      try copy.decode(codes, on: Self.reference) == quantizer.decode(codes, on: Self.reference))
    for name in ["mean", "projection", "codewords"] {
      var arrays = quantizer.arrays
      arrays[name] = try StoredArray([Float](repeating: 0, count: 4), shape: [2, 2])
      #expect(throws: TesseraError.self) {
        try LowRankQuantizer(specification: "LRVQ4_2x3", arrays: arrays)
      }
    }
    #expect(throws: TesseraError.self) {
      try LowRankQuantizer(specification: "LRVQ4x3", arrays: quantizer.arrays)
    }
  }

  @Test("names are read back", arguments: ["LRVQ8x8", "LRVQ8_6x8", "LRVQ16_4x5"])
  func names(_ name: String) throws {
    #expect(try QuantizerFactory.recipe(name).specification == name)
  }

  @Test(
    "what cannot be is refused",
    arguments: ["LRVQ0x8", "LRVQ8_9x8", "LRVQ8_0x8", "LRVQ8x9", "LRVQ8x0", "LRVQ", "LRVQ8_x8"])
  func refusedNames(_ name: String) {
    #expect(throws: TesseraError.self) { try QuantizerFactory.recipe(name) }
  }

  @Test("points at one place, too few points, too many latent numbers")
  func degenerate() throws {
    let constant = try Vectors([Float](repeating: 2.5, count: 20 * 6), dimension: 6)
    let training = try Self.train("LRVQ3_2x4", constant)
    #expect(training.meanSquaredError == 0)
    #expect(throws: TesseraError.self) { try Self.train("LRVQ3_2x5", constant) }
    #expect(throws: TesseraError.self) { try Self.train("LRVQ4_4x2", constant) }
    let bad = try Vectors([Float](repeating: .infinity, count: 20 * 6), dimension: 6)
    #expect(throws: TesseraError.self) { try Self.train("LRVQ3_2x4", bad) }
    #expect(throws: TesseraError.self) { try training.quantizer.encode(bad, on: Self.reference) }
  }
}
