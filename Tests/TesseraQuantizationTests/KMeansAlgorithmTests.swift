import TesseraCPU
import TesseraCompute
import TesseraDevices
import Testing

@testable import TesseraQuantization

/// Mini-batches, hierarchies, the exact algorithm, k-means||, the choice of K.
@Suite struct KMeansAlgorithmTests {
  static let reference = ReferenceDevice.shared

  private func cluster(
    _ values: [Float], dimension: Int, _ options: KMeans.Options,
    on device: any Device = Self.reference
  ) throws -> Clustering {
    try KMeans(options).cluster(Vectors(values, dimension: dimension), on: device)
  }

  static let all: [KMeans.Options] = [
    .init(clusterCount: 1),
    .init(clusterCount: 1, initialization: .random),
    .init(clusterCount: 1, initialization: .kMeansParallel),
    .init(clusterCount: 1, metric: .cosine),
    .init(clusterCount: 1, metric: .innerProduct),
    .init(clusterCount: 1, algorithm: .miniBatch(size: 7)),
    .init(clusterCount: 1, algorithm: .hierarchical),
    .init(clusterCount: 1, restarts: 2),
    .init(clusterCount: 1, memoryLimit: 150),
  ]

  @Test("1, 2, K - 1, K and K + 1 points: what there is, fills every cluster", arguments: all)
  func fewPoints(_ options: KMeans.Options) throws {
    let k = 9
    let values = KMeansTests.points(k + 1, dimension: 3, centers: 10)
    for count in [1, 2, k - 1, k, k + 1] {
      var options = options
      options.clusterCount = k
      options.iterations = 3
      let points = Array(values.prefix(count * 3))
      guard count >= k else {
        let error = #expect(throws: TesseraError.self) {
          try cluster(points, dimension: 3, options)
        }
        #expect(error?.code == .invalidShape, "\(count)")
        options.clusterCount = count
        let result = try cluster(points, dimension: 3, options)
        #expect(result.counts == [Int](repeating: 1, count: count), "\(count)")
        continue
      }
      let result = try cluster(points, dimension: 3, options)
      #expect(result.emptyClusterCount == 0, "\(count)")
      #expect(result.counts.reduce(0, +) == count)
    }
  }

  @Test("duplicates and constant data: no more clusters than different points", arguments: all)
  func duplicates(_ options: KMeans.Options) throws {
    let few = KMeansTests.points(4, dimension: 3, centers: 4)
    for (values, distinct) in [
      ((0..<12).flatMap { _ in few }, 4), ([Float](repeating: 2, count: 30 * 3), 1),
    ] {
      for k in [1, 4, 6] {
        var options = options
        options.clusterCount = k
        options.iterations = 4
        let result = try cluster(values, dimension: 3, options)
        #expect(result.emptyClusterCount == max(0, k - distinct), "\(k) of \(distinct)")
        #expect(result.centroids.allSatisfy { $0.isFinite })
      }
    }
  }

  @Test("every device gives the same bytes", arguments: all)
  func sameBytes(_ options: KMeans.Options) throws {
    var options = options
    options.clusterCount = 12
    options.iterations = 4
    options.weights = (0..<150).map { Float($0 % 3) + 0.5 }
    let vectors = try Vectors(KMeansTests.points(150, dimension: 7), dimension: 7)
    let expected = try KMeans(options).cluster(vectors, on: Self.reference)
    for device in Devices.all().devices {
      let result = try KMeans(options).cluster(vectors, on: device)
      let name = device.info.identifier
      #expect(result.labels == expected.labels, "\(name)")
      #expect(
        result.centroids.map(\.bitPattern) == expected.centroids.map(\.bitPattern), "\(name)")
      #expect(result.finalObjective == expected.finalObjective, "\(name)")
    }
  }

  @Test("CPU variants, threads and filters give the same bytes", arguments: Metric.allCases)
  func sameOnProcessors(_ metric: Metric) throws {
    let vectors = try Vectors(KMeansTests.points(3000, dimension: 20, centers: 90), dimension: 20)
    let options = KMeans.Options(clusterCount: 130, iterations: 12, metric: metric)
    let expected = try KMeans(options).cluster(
      vectors, on: CPUDevice(variant: "portable", threads: 1, filter: .float32))
    for variant in CPUDevice.variants {
      for threads in [1, 2, 3] {
        let device = try CPUDevice(variant: variant, threads: threads)
        let result = try KMeans(options).cluster(vectors, on: device)
        #expect(result.labels == expected.labels, "\(variant), \(threads) threads")
        #expect(result.centroids == expected.centroids, "\(variant), \(threads) threads")
        #expect(result.objectives == expected.objectives, "\(variant), \(threads) threads")
      }
    }
  }

  @Test("mini-batches come near what all points give")
  func miniBatch() throws {
    let values = KMeansTests.points(4000, dimension: 4, centers: 6)
    // The best of some starts: one that misses a cluster says nothing of the batches.
    let full = try cluster(
      values, dimension: 4, .init(clusterCount: 6, restarts: 5), on: CPUDevice())
    let batches = try cluster(
      values, dimension: 4,
      .init(clusterCount: 6, iterations: 40, algorithm: .miniBatch(size: 200), restarts: 5),
      on: CPUDevice())
    #expect(batches.iterations == 40 && batches.labels.count == 4000)
    #expect(batches.finalObjective < 1.1 * full.finalObjective)
    // The objective of a batch stands for all.
    let last = try #require(batches.objectives.last)
    #expect(abs(last - batches.finalObjective) < 0.3 * batches.finalObjective)
  }

  @Test("a batch moves a centroid to the mean of what it has seen")
  func miniBatchMeans() throws {
    // Every batch is all points. Its objective is that of the centroid it finds.
    let result = try cluster(
      [0, 4], dimension: 1,
      .init(
        clusterCount: 1, iterations: 2, initialization: .given(try Vectors([100], dimension: 1)),
        algorithm: .miniBatch(size: 5)))
    #expect(result.centroids == [2])
    #expect(result.objectives == [100 * 100 + 96 * 96, 8])
  }

  @Test("a hierarchy fills every cluster and comes near a flat clustering")
  func hierarchical() throws {
    let values = KMeansTests.points(3000, dimension: 5, centers: 40)
    let flat = try cluster(values, dimension: 5, .init(clusterCount: 100), on: CPUDevice())
    let tree = try cluster(
      values, dimension: 5, .init(clusterCount: 100, algorithm: .hierarchical), on: CPUDevice())
    #expect(tree.emptyClusterCount == 0 && tree.centroids.count == 500)
    #expect(tree.finalObjective < 1.15 * flat.finalObjective)
  }

  @Test("clusters are shared out by numbers of points")
  func shares() {
    #expect(HierarchicalKMeans.shares(10, of: [50, 30, 20]) == [5, 3, 2])
    #expect(HierarchicalKMeans.shares(4, of: [1000, 1, 1]) == [2, 1, 1])
    #expect(HierarchicalKMeans.shares(6, of: [3, 0, 3]) == [3, 0, 3])
    #expect(HierarchicalKMeans.shares(3, of: [1, 100]) == [1, 2])
    for total in 3...40 {
      let counts = [17, 2, 30]
      let shares = HierarchicalKMeans.shares(total, of: counts)
      #expect(shares.reduce(0, +) == total, "\(total)")
      #expect(zip(shares, counts).allSatisfy { 1 <= $0 && $0 <= $1 }, "\(total)")
    }
  }

  /// All ways to cut sorted numbers.
  private func best(_ sorted: [Double], _ clusters: Int) -> Double {
    func cost(_ part: ArraySlice<Double>) -> Double {
      let mean = part.reduce(0, +) / Double(part.count)
      return part.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    }
    func best(_ start: Int, _ left: Int) -> Double {
      if left == 1 { return cost(sorted[start...]) }
      return (start + 1...sorted.count - left + 1).map {
        cost(sorted[start..<$0]) + best($0, left - 1)
      }.min() ?? .infinity
    }
    return best(0, clusters)
  }

  @Test("one dimension: the exact algorithm finds the best clusters there are")
  func exact() throws {
    var random = SplitMix64(seed: 8)
    for count in [1, 2, 5, 9, 13] {
      let values = (0..<count).map { _ in 10 * random.nextGaussian() }
      for k in 1...min(4, count) {
        let result = try cluster(values, dimension: 1, .init(clusterCount: k, algorithm: .exact1D))
        let expected = best(values.sorted().map(Double.init), k)
        #expect(abs(result.finalObjective - expected) <= 1e-5 * max(1, expected), "\(count) \(k)")
        #expect(result.converged && result.emptyClusterCount == 0)
        #expect(result.centroids == result.centroids.sorted())
      }
    }
    // Far from 0, and with copies.
    let far = try cluster(
      [1e6, 1e6, 1e6 + 1, 1e6 + 9, 1e6 + 9], dimension: 1,
      .init(clusterCount: 3, algorithm: .exact1D))
    #expect(far.centroids == [1e6, 1e6 + 1, 1e6 + 9] && far.finalObjective == 0)
    let few = try cluster(
      [3, 3, 5], dimension: 1, .init(clusterCount: 3, algorithm: .exact1D))
    #expect(few.emptyClusterCount == 1 && few.counts == [2, 1, 0])
  }

  @Test("one dimension, weighted: as with copies, and never worse than Lloyd's algorithm")
  func exactWeighted() throws {
    let values = KMeansTests.points(200, dimension: 1)
    let weights = (0..<200).map { Float($0 % 3) }
    let copies = values.indices.flatMap { Array(repeating: values[$0], count: $0 % 3) }
    let options = KMeans.Options(clusterCount: 8, algorithm: .exact1D)
    var weighted = options
    weighted.weights = weights
    let (first, second) = (
      try cluster(values, dimension: 1, weighted), try cluster(copies, dimension: 1, options)
    )
    #expect(zip(first.centroids, second.centroids).allSatisfy { abs($0 - $1) < 1e-4 })
    let lloyd = try cluster(copies, dimension: 1, .init(clusterCount: 8, restarts: 5))
    #expect(second.finalObjective <= lloyd.finalObjective * (1 + 1e-6))
  }

  @Test("k-means|| finds well separated centres that a random start misses")
  func parallelStart() throws {
    var random = SplitMix64(seed: 3)
    let values = (0..<2000).flatMap { row -> [Float] in
      let centre = row < 1900 ? 0 : 1 + row % 15
      return [Float(centre * 1000) + random.nextGaussian(), random.nextGaussian()]
    }
    let result = try cluster(
      values, dimension: 2,
      .init(clusterCount: 16, iterations: 5, initialization: .kMeansParallel))
    #expect(result.finalObjective < 2000 * 2 * 2)
  }

  @Test("the number of clusters there are is found", arguments: KMeans.CountCriterion.allCases)
  func count(_ criterion: KMeans.CountCriterion) throws {
    var random = SplitMix64(seed: 21)
    let values = (0..<600).flatMap { point -> [Float] in
      [
        20 * Float(point % 5) + random.nextGaussian(),
        30 * Float(point % 2) + random.nextGaussian(),
      ]
    }
    let choice = try KMeans.chooseClusterCount(
      of: Vectors(values, dimension: 2), among: Array(2...40), by: criterion,
      options: .init(clusterCount: 1, restarts: 3), on: CPUDevice())
    #expect(choice.clusterCount == 10)
    #expect(choice.trials.map(\.clusterCount) == Array(2...40))
    #expect(choice.trials.allSatisfy { ($0.silhouette != nil) == (criterion == .silhouette) })
  }

  @Test("silhouettes are what their definition says")
  func silhouette() throws {
    let vectors = try Vectors([0, 1, 5, 6, 20], dimension: 1)
    let silhouette = try Silhouette(
      vectors, metric: .squaredL2, limit: 5, seed: 1, on: Self.reference)
    // Of 0: to its own 1, to the others (5 + 6) / 2. The point alone counts 0.
    let expected = [(5.5 - 1) / 5.5, (4.5 - 1) / 4.5, (4.5 - 1) / 4.5, (5.5 - 1) / 5.5, 0]
    let mean = try silhouette.mean([0, 0, 1, 1, 2], clusterCount: 4)
    #expect(abs(mean - expected.reduce(0, +) / 5) < 1e-6)
  }

  @Test("too few numbers of clusters are refused")
  func choiceRefusals() throws {
    let vectors = try Vectors([1, 2, 3, 4], dimension: 1)
    for (criterion, counts) in [
      (KMeans.CountCriterion.elbow, [2, 3]), (.elbow, [0, 1, 2]), (.silhouette, [2]),
      (.silhouette, [1, 2, 3]),
    ] {
      let error = #expect(throws: TesseraError.self) {
        try KMeans.chooseClusterCount(
          of: vectors, among: counts, by: criterion, options: .init(clusterCount: 1),
          on: Self.reference)
      }
      #expect(error?.code == .invalidArgument)
    }
  }
}
