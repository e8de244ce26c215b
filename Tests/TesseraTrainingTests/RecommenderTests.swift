import TestSupport
import TesseraCPU
import TesseraRecommend
import Testing

@Suite("Recommenders")
struct RecommenderTests {
  /// Users and items of four tastes: users meet items of their own taste, now and then another.
  static func tastes(users: Int = 60, items: Int = 40) throws -> (
    train: Interactions, test: Interactions
  ) {
    var generator = RepeatableGenerator(seed: 17)
    var (train, test): ([(Int32, Int32)], [(Int32, Int32)]) = ([], [])
    for user in 0..<users {
      var met: Set<Int> = []
      while met.count < 8 {
        let item = generator.below(items)
        if item % 4 == user % 4 || generator.below(20) == 0 { met.insert(item) }
      }
      for (place, item) in met.sorted().enumerated() {
        if place % 4 == 1 {
          test.append((Int32(user), Int32(item)))
        } else {
          train.append((Int32(user), Int32(item)))
        }
      }
    }
    func interactions(_ pairs: [(Int32, Int32)]) throws -> Interactions {
      try Interactions(
        users: pairs.map(\.0), items: pairs.map(\.1), userCount: users, itemCount: items)
    }
    return (try interactions(train), try interactions(test))
  }

  private static func options(_ loss: RecommenderLoss) -> (Int) -> RecommenderOptions {
    { epochs in
      var options = RecommenderOptions()
      options.loss = loss
      options.epochs = epochs
      options.batch = 64
      options.rate = 0.02
      options.weight = loss == .softmax ? 0.2 : 1
      return options
    }
  }

  private func train(
    _ kind: String, _ options: RecommenderOptions, on device: any Device,
    stoppedAfter steps: Int? = nil
  ) throws -> (digest: String, metrics: RankingMetrics, losses: [Double]) {
    let (train, test) = try Self.tastes()
    func trainer() throws -> RecommenderTrainer {
      let model: any Recommender
      switch kind {
      case MatrixFactorisation.name:
        model = try MatrixFactorisation(
          userCount: train.userCount, itemCount: train.itemCount, dimension: 8, seed: 5, on: device)
      case LightGCN.name:
        model = try LightGCN(train, dimension: 8, layers: 2, seed: 5, on: device)
      default: model = try NGCF(train, dimension: 8, layers: 2, seed: 5, on: device)
      }
      return try RecommenderTrainer(model, train: train, options: options, on: device)
    }
    var current = try trainer()
    if let steps {
      var file: StoredArrayFile?
      let stop = refusal {
        try current.run { epoch throws(TesseraError) in
          if epoch.number == steps {
            file = try current.checkpoint()
            throw TesseraError(.cancelled, "stopped by the test")
          }
        }
      }
      #expect(stop?.code == .cancelled)
      current = try trainer()
      try current.resume(from: #require(file))
    }
    try current.run()
    let vectors = try #require(current.bestVectors)
    return (
      try current.digest(), try vectors.evaluated(k: 5, train: train, test: test, on: device),
      current.epochs.map(\.loss)
    )
  }

  @Test(
    "learn tastes", arguments: ["mf", "lightgcn", "ngcf"], RecommenderLoss.allCases)
  func learns(_ kind: String, _ loss: RecommenderLoss) throws {
    let device = try CPUDevice(threads: 2)
    let (_, metrics, losses) = try train(kind, Self.options(loss)(30), on: device)
    #expect(losses[losses.count - 1] < losses[0])
    // By chance 5 of about 34 items, 0.15: twice that.
    #expect(metrics.recall > 0.3, "\(metrics)")
    #expect(metrics.users == 60)
  }

  @Test(
    "give the same weights on every device", arguments: ["mf", "lightgcn", "ngcf"],
    RecommenderLoss.allCases)
  func sameBits(_ kind: String, _ loss: RecommenderLoss) throws {
    let expected = try train(kind, Self.options(loss)(2), on: ReferenceDevice.shared).digest
    for subject in Subject.present where subject.description != "reference" {
      let digest = try train(kind, Self.options(loss)(2), on: subject.device).digest
      #expect(digest == expected, "\(subject)")
    }
  }

  @Test("go on from a checkpoint with the same bits", arguments: ["mf", "lightgcn", "ngcf"])
  func resumption(_ kind: String) throws {
    let device = try CPUDevice(threads: 2)
    let options = Self.options(.bpr)(6)
    let whole = try train(kind, options, on: device)
    let resumed = try train(kind, options, on: device, stoppedAfter: 3)
    #expect(resumed.digest == whole.digest)
    #expect(Array(whole.losses[3...]) == resumed.losses)
  }

  @Test("metrics of the worked example")
  func metrics() {
    let metrics = RankingMetrics(k: 3, lists: [[9, 7, 4], [1, 2]], met: [[4, 9], [3]])
    #expect(metrics.users == 2)
    #expect(abs(metrics.recall - 0.5) < 1e-12)
    #expect(abs(metrics.hitRate - 0.5) < 1e-12)
    #expect(abs(metrics.reciprocalRank - 0.5) < 1e-12)
    let discount = 0.6309297535714574
    #expect(abs(metrics.ndcg - (1 + 0.5) / (1 + discount) / 2) < 1e-9)
  }

  @Test("lists leave out what a user met and hold the best of the rest, ties by lower item")
  func lists() throws {
    let device = try CPUDevice(threads: 1)
    var generator = RepeatableGenerator(seed: 2)
    // Few different numbers: many ties.
    let vectors = try RankedVectors(
      users: Vectors((0..<40).map { _ in Float(generator.below(3)) }, dimension: 2),
      items: Vectors((0..<120).map { _ in Float(generator.below(3)) }, dimension: 2))
    var (users, items): ([Int32], [Int32]) = ([], [])
    for user in 0..<20 {
      for _ in 0..<user * 2 {
        users.append(Int32(user))
        items.append(Int32(generator.below(60)))
      }
    }
    let met = try Interactions(users: users, items: items, userCount: 20, itemCount: 60)
    let asked = (0..<20).reversed().map { Int32($0) }
    let found = try vectors.best(7, for: asked, excluding: met, on: device)
    for (user, list) in zip(asked, found) {
      let row = vectors.users.row(Int(user))
      var expected: [Hit] = []
      for item in 0..<60 where !met.contains(user: Int(user), item: Int32(item)) {
        let other = vectors.items.row(item)
        let score: Float = row[0] * other[0] + row[1] * other[1]
        expected.append(Hit(id: Int64(item), score: score))
      }
      expected.sort { (a: Hit, b: Hit) -> Bool in
        a.score == b.score ? a.id < b.id : a.score > b.score
      }
      #expect(list == Array(expected.prefix(7)))
    }
  }

  @Test("negative items are not those a user met, and everything is a function of the seed")
  func sampling() throws {
    let (train, _) = try Self.tastes()
    let sampler = PairSampler(train, seed: 3)
    let order = sampler.order(of: 1)
    #expect(order.sorted() == Array(0..<Int32(train.count)))
    #expect(order != sampler.order(of: 2))
    let batch = sampler.batch(order[...], epoch: 1)
    let known = zip(batch.users, batch.negatives).count {
      train.contains(user: Int($0), item: $1)
    }
    #expect(known == 0)
    let half = sampler.batch(order[200...], epoch: 1)
    #expect(half.negatives == Array(batch.negatives[200...]))
    #expect(Set(batch.negatives).count > 30)
  }

  @Test("refuses pairs and settings without a meaning")
  func refusals() throws {
    #expect(refusal { _ = try Interactions(users: [0], items: []) }?.code == .invalidShape)
    #expect(refusal { _ = try Interactions(users: [], items: []) }?.code == .invalidArgument)
    #expect(
      refusal { _ = try Interactions(users: [0, -1], items: [0, 0]) }?.code == .invalidArgument)
    #expect(
      refusal { _ = try Interactions(users: [0, 7], items: [0, 0], userCount: 5) }?.code
        == .invalidArgument)
    let (train, _) = try Self.tastes()
    let device = ReferenceDevice.shared
    let model = try MatrixFactorisation(
      userCount: 60, itemCount: 40, dimension: 4, seed: 1, on: device)
    for change: (inout RecommenderOptions) -> Void in [
      { $0.epochs = 0 }, { $0.batch = 0 }, { $0.rate = -1 }, { $0.rate = .nan }, { $0.decay = -1 },
      { $0.k = 0 },
    ] {
      var options = RecommenderOptions()
      change(&options)
      #expect(
        refusal { _ = try RecommenderTrainer(model, train: train, options: options, on: device) }?
          .code == .invalidArgument)
    }
    let trainer = try RecommenderTrainer(
      model, train: train, options: RecommenderOptions(), on: device)
    var file = try trainer.checkpoint()
    file.metadata["seed"] = "1"
    #expect(refusal { try trainer.resume(from: file) }?.code == .invalidArgument)
    file = try trainer.checkpoint()
    file.metadata["model"] = "lightgcn"
    #expect(refusal { try trainer.resume(from: file) }?.code == .malformedFile)
    file = try trainer.checkpoint()
    file.arrays["items"] = nil
    #expect(refusal { try trainer.resume(from: file) }?.code == .malformedFile)
  }
}
