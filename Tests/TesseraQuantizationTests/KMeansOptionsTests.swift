import Synchronization
import TesseraCPU
import TesseraCompute
import TesseraQuantization
import Testing

/// Weights, restarts, frozen centroids, inner products, samples, memory, cancellation.
@Suite struct KMeansOptionsTests {
  static let reference = ReferenceDevice.shared

  private func cluster(
    _ values: [Float], dimension: Int, _ options: KMeans.Options,
    on device: any Device = Self.reference
  ) throws -> Clustering {
    try KMeans(options).cluster(Vectors(values, dimension: dimension), on: device)
  }

  /// Whole numbers, whose sums are exact in any order.
  private func wholePoints(_ count: Int, dimension: Int) -> [Float] {
    KMeansTests.points(count, dimension: dimension).map { ($0 * 4).rounded() }
  }

  @Test("whole weights count as copies do", arguments: [Metric.squaredL2, .innerProduct])
  func weightsAreCopies(_ metric: Metric) throws {
    let values = wholePoints(80, dimension: 3)
    let weights = (0..<80).map { Float($0 % 4) }
    let given = try Vectors(Array(values[3..<18]), dimension: 3)
    var copies: [Float] = []
    for point in 0..<80 {
      for _ in 0..<point % 4 { copies += values[point * 3..<point * 3 + 3] }
    }
    var options = KMeans.Options(
      clusterCount: 5, iterations: 7, metric: metric, initialization: .given(given))
    let copied = try cluster(copies, dimension: 3, options)
    options.weights = weights
    let weighted = try cluster(values, dimension: 3, options)
    #expect(weighted.centroids == copied.centroids)
    let (first, second) = (weighted.finalObjective, copied.finalObjective)
    #expect(abs(first - second) <= 1e-9 * second)
    #expect(weighted.labels.count == 80)
  }

  @Test("equal weights change nothing but the objective's scale")
  func equalWeights() throws {
    let values = KMeansTests.points(700, dimension: 4)
    var options = KMeans.Options(clusterCount: 2, iterations: 5, initialization: .random)
    let plain = try cluster(values, dimension: 4, options, on: CPUDevice())
    options.weights = [Float](repeating: 1, count: 700)
    let weighted = try cluster(values, dimension: 4, options, on: CPUDevice())
    // Both add runs of 256 points in the same order.
    #expect(weighted.centroids == plain.centroids && weighted.objectives == plain.objectives)
    options.weights = [Float](repeating: 2, count: 700)
    let doubled = try cluster(values, dimension: 4, options, on: CPUDevice())
    #expect(doubled.centroids == plain.centroids)
    #expect(doubled.objectives == plain.objectives.map { 2 * $0 })
  }

  @Test("a point without weight gets a label and moves nothing")
  func zeroWeight() throws {
    let values: [Float] = [0, 1, 10, 11, 1000]
    let result = try cluster(
      values, dimension: 1, .init(clusterCount: 2, weights: [1, 1, 1, 1, 0]))
    #expect(result.centroids.sorted() == [0.5, 10.5])
    #expect(result.labels[4] == result.labels[3])
  }

  @Test("the best of several restarts is kept, and all are told")
  func restarts() throws {
    let values = KMeansTests.points(300, dimension: 3, centers: 12)
    var options = KMeans.Options(clusterCount: 12, iterations: 8, initialization: .random)
    let one = try cluster(values, dimension: 3, options)
    options.restarts = 6
    let six = try cluster(values, dimension: 3, options)
    #expect(one.restartObjectives == [one.finalObjective])
    #expect(six.restartObjectives.count == 6 && Set(six.restartObjectives).count > 1)
    #expect(six.restartObjectives[0] == one.finalObjective)
    #expect(six.finalObjective == six.restartObjectives.min())
  }

  @Test("frozen centroids stay, the others move", arguments: Metric.allCases)
  func frozen(_ metric: Metric) throws {
    let values = KMeansTests.points(200, dimension: 4)
    let far = [Float](repeating: 0.5, count: 4)
    let given = Array(values[0..<20]) + far
    var options = KMeans.Options(
      clusterCount: 6, iterations: 5, metric: metric,
      initialization: .given(try Vectors(given, dimension: 4)))
    options.frozen = [1, 5]
    options.iterations = 0
    let start = try cluster(values, dimension: 4, options).centroids
    // Of unit length where all are.
    #expect(metric != .squaredL2 || start[20..<24] == far[...])
    #expect(metric == .squaredL2 || start[20..<24].allSatisfy { $0 == 0.5 })
    options.iterations = 5
    let result = try cluster(values, dimension: 4, options)
    #expect(result.centroids[4..<8] == start[4..<8])
    #expect(result.centroids[20..<24] == start[20..<24])
    #expect(result.centroids[0..<4] != start[0..<4])
  }

  @Test("an empty frozen cluster stays where it is, and is told")
  func frozenEmpty() throws {
    let given = try Vectors([0, 1e6], dimension: 1)
    let result = try cluster(
      [1, 2, 3, 4], dimension: 1,
      .init(clusterCount: 2, initialization: .given(given), frozen: [1]))
    #expect(result.centroids == [2.5, 1e6] && result.emptyClusterCount == 1)
  }

  @Test("inner products: centroids of unit length that only gain")
  func innerProduct() throws {
    let values = KMeansTests.points(250, dimension: 6)
    let result = try cluster(
      values, dimension: 6, .init(clusterCount: 9, metric: .innerProduct))
    for cluster in 0..<9 {
      let row = result.centroids[cluster * 6..<cluster * 6 + 6]
      #expect(abs(row.reduce(0.0) { $0 + Double($1) * Double($1) } - 1) < 1e-6)
    }
    for (before, after) in zip(result.objectives, result.objectives.dropFirst()) {
      #expect(after <= before * (1 + 1e-6))
    }
    var objective = 0.0
    for point in 0..<250 {
      let row = values[point * 6..<point * 6 + 6].map(Double.init)
      let products = (0..<9).map { cluster in
        zip(row, result.centroids[cluster * 6..<cluster * 6 + 6])
          .reduce(0) { $0 + $1.0 * Double($1.1) }
      }
      objective += row.reduce(0) { $0 + $1 * $1 }.squareRoot() - (products.max() ?? 0)
    }
    #expect(abs(objective - result.finalObjective) < 1e-4 * objective)
  }

  @Test("history tells what each update did")
  func history() throws {
    let values = KMeansTests.points(300, dimension: 4, centers: 30)
    let result = try cluster(
      values, dimension: 4, .init(clusterCount: 10, iterations: 100, initialization: .random))
    #expect(result.converged && result.history.last?.movedPoints == 0)
    #expect(result.history.dropLast().allSatisfy { $0.movedPoints > 0 })
    #expect(result.history.allSatisfy { $0.imbalance >= 1 && $0.seconds >= 0 })
    let squares = result.counts.reduce(0) { $0 + Double($1 * $1) }
    #expect(abs(result.imbalance - 10 * squares / 90_000) < 1e-12)
    #expect(result.finalObjective == result.objectives.last)
  }

  @Test("a training sample is never silent, and all points get labels")
  func sample() throws {
    let values = KMeansTests.points(400, dimension: 3)
    let result = try cluster(
      values, dimension: 3, .init(clusterCount: 4, trainingSampleLimit: 100))
    #expect(result.labels.count == 400 && result.counts.reduce(0, +) == 400)
    let note = try #require(result.notes.first)
    #expect(result.notes.count == 1)
    #expect(note.quantizer == "k-means" && note.knob == "trainingSampleLimit")
    #expect(note.effect == "trained on 100 of 400 points")
    let all = try cluster(values, dimension: 3, .init(clusterCount: 4, trainingSampleLimit: 400))
    #expect(all.notes.isEmpty)
  }

  @Test(
    "points that pass through in blocks give the same bytes", arguments: Metric.allCases,
    [false, true])
  func streaming(_ metric: Metric, _ isWeighted: Bool) throws {
    let values = KMeansTests.points(1500, dimension: 5)
    // Two clusters of more than 256 points: blocks must not cut the runs of their sums.
    var options = KMeans.Options(clusterCount: 3, iterations: 6, metric: metric)
    if isWeighted { options.weights = (0..<1500).map { Float($0 % 7) } }
    let device = try CPUDevice()
    let whole = try cluster(values, dimension: 5, options, on: device)
    for limit in [1000, 20_000, 60_000] {
      options.memoryLimit = limit
      let blocks = try cluster(values, dimension: 5, options, on: device)
      #expect(blocks.labels == whole.labels, "\(limit)")
      #expect(blocks.centroids.map(\.bitPattern) == whole.centroids.map(\.bitPattern), "\(limit)")
      #expect(blocks.objectives == whole.objectives, "\(limit)")
    }
  }

  @Test("a signal raised by progress ends the work after that iteration")
  func stopped() throws {
    let values = KMeansTests.points(300, dimension: 4, centers: 30)
    let heard = Mutex<[String]>([])
    var control = RunControl()
    control.progress = { [stop = control.stop] step in
      heard.withLock { $0.append(step.stage) }
      if step.stage == "iteration 2 of 20" { stop.raise() }
    }
    let error = #expect(throws: TesseraError.self) {
      try KMeans(.init(clusterCount: 10, initialization: .random)).cluster(
        Vectors(values, dimension: 4), on: Self.reference, control: control)
    }
    #expect(error?.code == .cancelled)
    #expect(heard.withLock { $0 } == ["seeding", "iteration 1 of 20", "iteration 2 of 20"])
  }

  @Test(
    "a cancelled task ends with a typed error",
    arguments: [KMeans.Algorithm.lloyd, .miniBatch(size: 10), .hierarchical])
  func cancelled(_ algorithm: KMeans.Algorithm) async throws {
    let vectors = try Vectors(KMeansTests.points(300, dimension: 4, centers: 30), dimension: 4)
    let task = Task { () -> TesseraError? in
      withUnsafeCurrentTask { $0?.cancel() }
      do {
        _ = try KMeans(.init(clusterCount: 10, algorithm: algorithm))
          .cluster(vectors, on: Self.reference)
        return nil
      } catch { return error as? TesseraError }
    }
    #expect(await task.value?.code == .cancelled)
  }

  struct Refusal: CustomTestStringConvertible {
    let testDescription: String
    let options: KMeans.Options
    let code: TesseraError.Code
    let says: String
  }

  private static let centroids: KMeans.Initialization = .given(
    try! Vectors([1, 2, 3, 4], dimension: 2))

  @Test(
    "options without a meaning are refused",
    arguments: [
      Refusal(
        testDescription: "too few weights", options: .init(clusterCount: 1, weights: [1, 2]),
        code: .invalidShape, says: "2 weights for 3 points"),
      Refusal(
        testDescription: "a negative weight",
        options: .init(clusterCount: 1, weights: [1, -2, 1]), code: .invalidArgument,
        says: "the weight of point 1 is -2.0"),
      Refusal(
        testDescription: "a weight that is no number",
        options: .init(clusterCount: 1, weights: [1, 1, .nan]), code: .nonFinite,
        says: "the weight of point 2 is nan"),
      Refusal(
        testDescription: "an infinite weight",
        options: .init(clusterCount: 1, weights: [.infinity, 1, 1]), code: .nonFinite,
        says: "the weight of point 0 is inf"),
      Refusal(
        testDescription: "no weight at all",
        options: .init(clusterCount: 1, weights: [0, 0, 0]), code: .invalidArgument,
        says: "all weights are 0"),
      Refusal(
        testDescription: "no restart", options: .init(clusterCount: 1, restarts: 0),
        code: .invalidArgument, says: "0 restarts"),
      Refusal(
        testDescription: "restarts from one start",
        options: .init(clusterCount: 2, initialization: centroids, restarts: 2),
        code: .invalidArgument, says: "would all end alike"),
      Refusal(
        testDescription: "frozen without given",
        options: .init(clusterCount: 2, frozen: [0]), code: .invalidArgument,
        says: "only where they are given"),
      Refusal(
        testDescription: "frozen outside",
        options: .init(clusterCount: 2, initialization: centroids, frozen: [0, 2]),
        code: .invalidArgument, says: "centroid 2 is to be frozen, and there are only 0..<2"),
      Refusal(
        testDescription: "a sample smaller than K",
        options: .init(clusterCount: 3, trainingSampleLimit: 2), code: .invalidArgument,
        says: "trainingSampleLimit is 2"),
      Refusal(
        testDescription: "no memory", options: .init(clusterCount: 1, memoryLimit: 0),
        code: .invalidArgument, says: "leaves no room"),
      Refusal(
        testDescription: "empty batches",
        options: .init(clusterCount: 1, algorithm: .miniBatch(size: 0)), code: .invalidArgument,
        says: "batches of 0 points"),
      Refusal(
        testDescription: "a tolerance for batches",
        options: .init(clusterCount: 1, tolerance: 0.1, algorithm: .miniBatch(size: 2)),
        code: .invalidArgument, says: "tolerance"),
      Refusal(
        testDescription: "a hierarchy from given centroids",
        options: .init(clusterCount: 2, initialization: centroids, algorithm: .hierarchical),
        code: .invalidArgument, says: "makes its own start"),
      Refusal(
        testDescription: "exact in two dimensions",
        options: .init(clusterCount: 2, algorithm: .exact1D), code: .invalidArgument,
        says: "1 dimension and l2, these have 2 and l2"),
      Refusal(
        testDescription: "a sample limit that is no number of points",
        options: .init(clusterCount: 1, trainingSampleLimit: 0), code: .invalidArgument,
        says: "trainingSampleLimit is 0"),
    ])
  func refusals(_ refusal: Refusal) throws {
    let error = #expect(throws: TesseraError.self) {
      try cluster([1, 2, 3, 4, 5, 6], dimension: 2, refusal.options)
    }
    #expect(error?.code == refusal.code)
    #expect(error?.message.contains(refusal.says) == true, "\(String(describing: error))")
  }
}
