import TesseraCompute
import TesseraQuantization
import Testing

@Suite struct CodebookLearnerTests {
  static let reference = ReferenceDevice.shared
  typealias Options = CodebookLearner.Options

  static func batch(_ count: Int, _ dimension: Int = 4, seed: UInt64 = 5) throws -> Vectors {
    try Vectors(KMeansTests.points(count, dimension: dimension, seed: seed), dimension: dimension)
  }

  static func loss(_ learner: CodebookLearner, _ batch: Vectors) throws -> CodebookLearner.Step {
    try learner.evaluate(batch, on: reference)
  }

  @Test("gradients are those of the losses, by finite differences")
  func gradients() throws {
    let batch = try Self.batch(30)
    let options = Options(codewordCount: 5, update: .gradient, commitment: 0.4)
    let learner = try CodebookLearner(options, startingFrom: batch, on: Self.reference)
    let step = try Self.loss(learner, batch)
    // A loss is a parabola in each number as long as no label changes, so that the difference
    // quotient is exact but for rounding.
    let width: Float = 1 / 64
    for i in [0, 3, 7, 13, 19] {
      let losses = try [width, -width].map { move -> CodebookLearner.Step in
        var codewords = learner.codewords
        codewords[i] += move
        return try Self.loss(
          CodebookLearner(options, codewords: Vectors(codewords, dimension: 4)), batch)
      }
      try #require(losses.allSatisfy { $0.labels == step.labels })
      let slope = (losses[0].codebookLoss - losses[1].codebookLoss) / Double(2 * width)
      #expect(abs(slope - Double(step.codebookGradient[i])) < 1e-5)
    }
    for i in [0, 5, 50, 119] {
      let losses = try [width, -width].map { move -> CodebookLearner.Step in
        var values = batch.widened()
        values[i] += move
        return try Self.loss(learner, Vectors(values, dimension: 4))
      }
      try #require(losses.allSatisfy { $0.labels == step.labels })
      let slope = (losses[0].commitmentLoss - losses[1].commitmentLoss) / Double(2 * width)
      #expect(abs(slope - Double(step.commitmentGradient[i])) < 1e-5)
    }
  }

  @Test("the network's gradient passes straight through, and commitment's is added")
  func straightThrough() throws {
    let batch = try Self.batch(6)
    let learner = try CodebookLearner(
      Options(codewordCount: 2), codewords: batch.rows(0..<2))
    let step = try Self.loss(learner, batch)
    let upstream = (0..<24).map { Float($0) }
    let expected = zip(upstream, step.commitmentGradient).map { $0 + $1 }
    #expect(step.straightThrough(upstream) == expected)
    #expect(Array(step.quantized.prefix(8)) == batch.rows(0..<2).widened())
    #expect(abs(step.commitmentLoss - 0.25 * step.codebookLoss) < 1e-12)
  }

  @Test("moving averages: one step by hand")
  func averages() throws {
    let batch = try Vectors([1, 3, 11], dimension: 1)
    var learner = try CodebookLearner(
      Options(codewordCount: 2, decay: 0.5, smoothing: 1e-9, revivalShare: 0),
      codewords: Vectors([0, 10], dimension: 1))
    let step = try learner.step(batch, on: Self.reference)
    #expect(step.labels == [0, 0, 1] && step.counts == [2, 1])
    // Counts 1, 1 become 1.5, 1; sums 0, 10 become 2, 10.5.
    #expect(learner.usage == [1.5, 1])
    #expect(abs(learner.codewords[0] - 2 / 1.5) < 1e-6)
    #expect(abs(learner.codewords[1] - 10.5) < 1e-6)
  }

  @Test("the loss falls to that of k-means")
  func learns() throws {
    let batch = try Self.batch(400)
    let best = try KMeans(.init(clusterCount: 7, iterations: 50)).cluster(
      batch, on: Self.reference)
    let target = try #require(best.objectives.last) / 1600
    for update in [CodebookLearner.Update.movingAverages, .gradient] {
      var learner = try CodebookLearner(
        Options(codewordCount: 7, update: update, decay: 0.8, revivalShare: 0.2),
        codewords: batch.rows(0..<7))
      let first = try Self.loss(learner, batch).codebookLoss
      for _ in 0..<60 {
        let step = try learner.step(batch, on: Self.reference)
        if update == .gradient {
          try learner.apply(codebookGradient: step.codebookGradient, rate: 8)
        }
      }
      let last = try Self.loss(learner, batch).codebookLoss
      #expect(last < 0.9 * first && last < 1.5 * target, "\(update): \(first) \(last) \(target)")
    }
  }

  @Test("codewords nobody uses start again at vectors of the batch")
  func revival() throws {
    let batch = try Self.batch(200)
    let far = [Float](repeating: 1e6, count: 4 * 4)
    let start = try Vectors(batch.rows(0..<4).widened() + far, dimension: 4)
    func used(_ revivalShare: Double) throws -> Int {
      var learner = try CodebookLearner(
        Options(codewordCount: 8, decay: 0.5, revivalShare: revivalShare), codewords: start)
      for _ in 0..<12 { _ = try learner.step(batch, on: Self.reference) }
      return try Self.loss(learner, batch).usedCodewordCount
    }
    #expect(try used(0) <= 5)
    #expect(try used(0.05) == 8)
  }

  @Test("every device learns the same bits, and a file goes on where it was")
  func devicesAndFiles() throws {
    let options = Options(codewordCount: 9, decay: 0.9, revivalShare: 0.3)
    let first = try Self.batch(100, 5)
    let second = try Self.batch(100, 5, seed: 9)
    func run(_ device: any Device, saving: Bool = false) throws -> CodebookLearner {
      var learner = try CodebookLearner(options, startingFrom: first, on: device)
      _ = try learner.step(first, on: device)
      if saving { learner = try CodebookLearner(options, arrays: learner.arrays) }
      _ = try learner.step(second, on: device)
      return learner
    }
    let expected = try run(Self.reference)
    for (name, device) in try EveryDevice.named() {
      #expect(try run(device).arrays == expected.arrays, "\(name)")
    }
    #expect(try run(Self.reference, saving: true).arrays == expected.arrays)
    var damaged = expected.arrays
    damaged["usage"] = nil
    #expect(throws: TesseraError.self) { try CodebookLearner(options, arrays: damaged) }
  }

  @Test("one vector, one codeword, equal vectors")
  func small() throws {
    let batch = try Vectors([Float](repeating: 3, count: 2 * 5), dimension: 2)
    var learner = try CodebookLearner(
      Options(codewordCount: 3), codewords: Vectors([3, 3, 0, 0, 9, 9], dimension: 2))
    for _ in 0..<5 { _ = try learner.step(batch, on: Self.reference) }
    let step = try learner.step(batch.rows(0..<1), on: Self.reference)
    #expect(step.codebookLoss < 1e-6)
    #expect(learner.codewords.allSatisfy { $0.isFinite })
    #expect(try learner.encode(batch, on: Self.reference) == [0, 0, 0, 0, 0])
  }

  @Test("what has no meaning is refused")
  func refusals() throws {
    let codewords = try Vectors([0, 0, 1, 1], dimension: 2)
    let bad: [Options] = [
      Options(codewordCount: 0), Options(codewordCount: 2, decay: 1),
      Options(codewordCount: 2, decay: -0.1), Options(codewordCount: 2, commitment: -1),
      Options(codewordCount: 2, smoothing: 0), Options(codewordCount: 2, revivalShare: 2),
      Options(codewordCount: 3),
    ]
    for options in bad {
      #expect(throws: TesseraError.self) { try CodebookLearner(options, codewords: codewords) }
    }
    var learner = try CodebookLearner(Options(codewordCount: 2), codewords: codewords)
    for values: [Float] in [[], [1, 2, 3], [1, .nan]] {
      let batch = try Vectors(values, dimension: values.count == 3 ? 3 : 2)
      #expect(throws: TesseraError.self) { try learner.step(batch, on: Self.reference) }
    }
    #expect(throws: TesseraError.self) { try learner.apply(codebookGradient: [1], rate: 1) }
    #expect(throws: TesseraError.self) {
      try learner.apply(codebookGradient: [.nan, 0, 0, 0], rate: 1)
    }
    #expect(learner.stepCount == 0)
  }
}
