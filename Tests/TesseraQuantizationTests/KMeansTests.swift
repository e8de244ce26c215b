import Synchronization
import TesseraCPU
import TesseraCompute
import TesseraDevices
import TesseraQuantization
import Testing

@Suite struct KMeansTests {
  /// Points around a few centres, so that clusters exist to be found.
  static func points(_ count: Int, dimension: Int, centers: Int = 7, seed: UInt64 = 5) -> [Float] {
    var random = SplitMix64(seed: seed)
    let centre = (0..<centers * dimension).map { _ in 4 * random.nextGaussian() }
    return (0..<count).flatMap { _ -> [Float] in
      let start = random.nextIndex(below: centers) * dimension
      return (0..<dimension).map { centre[start + $0] + random.nextGaussian() }
    }
  }

  static let reference = ReferenceDevice.shared

  @Test(
    "the objective never rises, and the result is the fixed point it claims to be",
    arguments: [Metric.squaredL2, .cosine], [1, 2, 7, 40])
  func objective(_ metric: Metric, _ k: Int) throws {
    let values = Self.points(300, dimension: 9)
    let result = try KMeans(.init(clusterCount: k, iterations: 30, metric: metric))
      .cluster(Vectors(values, dimension: 9), on: Self.reference)
    #expect(result.objectives.count == result.iterations)
    for (before, after) in zip(result.objectives, result.objectives.dropFirst()) {
      #expect(after <= before * (1 + 1e-6) + 1e-6)
    }
    #expect(result.counts.reduce(0, +) == 300 && result.emptyClusterCount == 0)
    // Labels are what a search of the centroids finds.
    let scaled = metric == .cosine ? Self.unitRows(values, dimension: 9) : values
    let set = try Self.reference.prepare(Vectors(result.centroids, dimension: 9), metric: metric)
    let nearest = try Self.reference.nearest(Vectors(scaled, dimension: 9), in: set, k: 1)
    #expect(result.labels.map(Int64.init) == nearest.ids)
    let distances = nearest.scores.map { metric == .cosine ? 1 - Double($0) : Double($0) }
    let last = try #require(result.objectives.last)
    #expect(abs(last - distances.reduce(0, +)) <= 1e-4 * max(1, last))
  }

  static func unitRows(_ values: [Float], dimension: Int) -> [Float] {
    stride(from: 0, to: values.count, by: dimension).flatMap { start -> [Float] in
      let row = values[start..<start + dimension]
      let length = row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      return row.map { Float(Double($0) / length) }
    }
  }

  @Test("centroids are the means of their points in Float64")
  func means() throws {
    let values = Self.points(500, dimension: 3)
    let result = try KMeans(.init(clusterCount: 5, iterations: 100))
      .cluster(Vectors(values, dimension: 3), on: Self.reference)
    #expect(result.converged)
    for cluster in 0..<5 {
      for column in 0..<3 {
        let members = result.labels.indices.filter { result.labels[$0] == Int32(cluster) }
        let mean =
          members.reduce(0.0) { $0 + Double(values[$1 * 3 + column]) }
          / Double(members.count)
        #expect(abs(Double(result.centroids[cluster * 3 + column]) - mean) < 1e-5)
      }
    }
  }

  @Test("cosine centroids have unit length, whatever the lengths of the points")
  func unitLength() throws {
    let values = Self.points(200, dimension: 6)
    let scaled = values.enumerated().map { $1 * Float(1 << ($0 / 6 % 5)) }
    let run = { (values: [Float]) in
      try KMeans(.init(clusterCount: 8, metric: .cosine))
        .cluster(Vectors(values, dimension: 6), on: Self.reference)
    }
    let result = try run(values)
    for cluster in 0..<8 {
      let row = result.centroids[cluster * 6..<cluster * 6 + 6]
      let length = row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(length - 1) < 1e-6)
    }
    // Powers of two scale exactly.
    let fromScaled = try run(scaled)
    #expect(fromScaled.centroids == result.centroids)
  }

  @Test("equal seeds agree, other seeds do not", arguments: [true, false])
  func seeds(_ plusPlus: Bool) throws {
    let vectors = try Vectors(Self.points(400, dimension: 5, centers: 40), dimension: 5)
    let run = { (seed: UInt64) in
      try KMeans(
        .init(
          clusterCount: 20, iterations: 2, seed: seed,
          initialization: plusPlus ? .kMeansPlusPlus : .random)
      ).cluster(vectors, on: Self.reference)
    }
    let (first, again, other) = try (run(1), run(1), run(2))
    #expect(first.centroids == again.centroids)
    #expect(first.centroids != other.centroids)
  }

  @Test("k-means++ finds well separated centres that a random start misses")
  func plusPlus() throws {
    var random = SplitMix64(seed: 3)
    // 16 centres far apart, one of them with nearly all the points.
    let values = (0..<2000).flatMap { row -> [Float] in
      let centre = row < 1900 ? 0 : 1 + row % 15
      return [Float(centre * 1000) + random.nextGaussian(), random.nextGaussian()]
    }
    let result = try KMeans(.init(clusterCount: 16, iterations: 5))
      .cluster(Vectors(values, dimension: 2), on: Self.reference)
    #expect(try #require(result.objectives.last) < 2000 * 2 * 2)
  }

  @Test("beyond the sample k-means++ looks at, chance still decides alike")
  func sampled() throws {
    let vectors = try Vectors(Self.points(16_500, dimension: 2, centers: 9), dimension: 2)
    let run = { (seed: UInt64) in
      try KMeans(.init(clusterCount: 9, iterations: 0, seed: seed))
        .cluster(vectors, on: CPUDevice())
    }
    let (first, again, other) = try (run(1), run(1), run(2))
    #expect(first.centroids == again.centroids && first.centroids != other.centroids)
    #expect(first.emptyClusterCount == 0)
  }

  @Test("distinct points always fill every cluster", arguments: [Metric.squaredL2, .cosine])
  func emptyClusters(_ metric: Metric) throws {
    // All given centroids but one are out of reach: every cluster but one starts empty.
    let values = Self.points(60, dimension: 4, centers: 60)
    let far: [Float] = [1, 2, 3, 4] + [Float](repeating: -1e6, count: 19 * 4)
    let result = try KMeans(
      .init(
        clusterCount: 20, iterations: 3, metric: metric,
        initialization: .given(Vectors(far, dimension: 4)))
    ).cluster(Vectors(values, dimension: 4), on: Self.reference)
    #expect(result.emptyClusterCount == 0)
    #expect(Set(result.labels).count == 20)
  }

  @Test("as many clusters as points: each point is a centroid", arguments: [true, false])
  func oneEach(_ plusPlus: Bool) throws {
    let values = Self.points(31, dimension: 4)
    let result = try KMeans(
      .init(clusterCount: 31, initialization: plusPlus ? .kMeansPlusPlus : .random)
    ).cluster(Vectors(values, dimension: 4), on: Self.reference)
    #expect(result.counts == [Int](repeating: 1, count: 31))
    #expect(result.objectives.last == 0)
    #expect(result.converged)
  }

  @Test(
    "duplicates: as many clusters filled as there are distinct points",
    arguments: [Metric.squaredL2, .cosine])
  func duplicates(_ metric: Metric) throws {
    let values = [[Float]](repeating: Self.points(6, dimension: 5, centers: 6), count: 15)
      .flatMap { $0 }
    for (k, empty) in [(4, 0), (6, 0), (10, 4)] {
      let result = try KMeans(.init(clusterCount: k, metric: metric))
        .cluster(Vectors(values, dimension: 5), on: Self.reference)
      #expect(result.emptyClusterCount == empty, "k = \(k)")
      #expect(result.centroids.allSatisfy { $0.isFinite })
    }
  }

  @Test("zero vectors are no direction: they start no cluster and break nothing")
  func zeroVectors() throws {
    let values = Self.points(40, dimension: 3) + [Float](repeating: 0, count: 60 * 3)
    let result = try KMeans(.init(clusterCount: 10, metric: .cosine))
      .cluster(Vectors(values, dimension: 3), on: Self.reference)
    #expect(result.emptyClusterCount == 0)
    #expect(result.centroids.allSatisfy { $0.isFinite })
  }

  @Test("no iterations: the given centroids come back, labels and all")
  func noIterations() throws {
    let values = Self.points(50, dimension: 2)
    let given = Array(values.prefix(8))
    let result = try KMeans(
      .init(
        clusterCount: 4, iterations: 0, initialization: .given(Vectors(given, dimension: 2)))
    ).cluster(Vectors(values, dimension: 2), on: Self.reference)
    #expect(result.centroids == given)
    #expect(result.objectives.isEmpty && result.iterations == 0)
    #expect(result.labels.count == 50)
  }

  @Test("a tolerance stops early")
  func tolerance() throws {
    let vectors = try Vectors(Self.points(800, dimension: 8, centers: 60), dimension: 8)
    let run = { (tolerance: Double) in
      try KMeans(
        .init(clusterCount: 30, iterations: 50, initialization: .random, tolerance: tolerance)
      ).cluster(vectors, on: Self.reference)
    }
    let (early, late) = try (run(0.05), run(0))
    #expect(early.converged && early.iterations < late.iterations)
  }

  @Test("integer vectors are clustered as the numbers they are")
  func elements() throws {
    let bytes: [UInt8] = [0, 1, 250, 251, 2, 252]
    let vectors = try Vectors(
      HostMemory(copying: bytes), element: .uint8, count: 6, dimension: 1)
    let result = try KMeans(.init(clusterCount: 2)).cluster(vectors, on: Self.reference)
    #expect(result.centroids.sorted() == [1, 251] as [Float])
  }

  @Test("progress tells each stage once, and its objective")
  func progress() throws {
    let heard = Mutex<[RunControl.Progress]>([])
    let result = try KMeans(.init(clusterCount: 5, iterations: 6, initialization: .random))
      .cluster(
        Vectors(Self.points(200, dimension: 4, centers: 30), dimension: 4), on: Self.reference,
        control: RunControl(progress: { step in heard.withLock { $0.append(step) } }))
    let steps = heard.withLock { $0 }
    let updates = (0..<result.iterations).map { "iteration \($0 + 1) of 6" }
    #expect(steps.map(\.stage) == ["seeding"] + updates + ["done"])
    #expect(steps.map(\.objective) == [nil] + result.objectives + [result.finalObjective])
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.done < $1.done })
    #expect(steps.last?.done == 1)
  }

  struct Refusal: CustomTestStringConvertible {
    let testDescription: String
    let options: KMeans.Options
    var values: [Float] = [1, 2, 3, 4, 5, 6]
    let code: TesseraError.Code
    let says: String
  }

  @Test(
    "options and points without a meaning are refused",
    arguments: [
      Refusal(
        testDescription: "no clusters", options: .init(clusterCount: 0), code: .invalidArgument,
        says: "at least 1"),
      Refusal(
        testDescription: "more clusters than points", options: .init(clusterCount: 4),
        code: .invalidShape, says: "4 clusters asked of 3 points"),
      Refusal(
        testDescription: "no points", options: .init(clusterCount: 1), values: [],
        code: .invalidShape, says: "0 points"),
      Refusal(
        testDescription: "negative iterations", options: .init(clusterCount: 1, iterations: -1),
        code: .invalidArgument, says: "must not be negative"),
      Refusal(
        testDescription: "negative tolerance", options: .init(clusterCount: 1, tolerance: -1),
        code: .invalidArgument, says: "must not be negative"),
      Refusal(
        testDescription: "NaN", options: .init(clusterCount: 1), values: [1, 2, 3, .nan, 5, 6],
        code: .nonFinite, says: "row 1"),
      Refusal(
        testDescription: "infinity", options: .init(clusterCount: 1, metric: .cosine),
        values: [1, 2, 3, 4, 5, -.infinity], code: .nonFinite, says: "row 2"),
    ])
  func refusals(_ refusal: Refusal) throws {
    let error = #expect(throws: TesseraError.self) {
      try KMeans(refusal.options).cluster(
        Vectors(refusal.values, dimension: 2), on: Self.reference)
    }
    #expect(error?.code == refusal.code)
    #expect(error?.message.contains(refusal.says) == true, "\(String(describing: error))")
  }

  @Test("given centroids of another shape, or not finite, are refused")
  func givenCentroids() throws {
    let points = try Vectors(Self.points(10, dimension: 3), dimension: 3)
    for (values, dimension, code) in [
      ([1, 2, 3], 3, TesseraError.Code.invalidShape), ([1, 2, 3, 4], 2, .invalidShape),
      ([1, 2, 3, 4, .nan, 6], 3, .nonFinite),
    ] as [([Float], Int, TesseraError.Code)] {
      let given = try Vectors(values, dimension: dimension)
      let error = #expect(throws: TesseraError.self) {
        try KMeans(.init(clusterCount: 2, initialization: .given(given)))
          .cluster(points, on: Self.reference)
      }
      #expect(error?.code == code)
    }
  }
}

@Suite struct KMeansDevicesTests {
  @Test(
    "every device gives the same bytes",
    arguments: [Metric.squaredL2, .cosine], [(60, 1, 5), (257, 33, 20), (400, 16, 64)])
  func sameBytes(_ metric: Metric, _ shape: (points: Int, dimension: Int, k: Int)) throws {
    let vectors = try Vectors(
      KMeansTests.points(shape.points, dimension: shape.dimension, centers: shape.k / 2),
      dimension: shape.dimension)
    let run = { (device: any Device) in
      try KMeans(.init(clusterCount: shape.k, iterations: 6, metric: metric))
        .cluster(vectors, on: device)
    }
    let expected = try run(ReferenceDevice.shared)
    let (devices, problems) = Devices.all()
    for device in devices {
      let result = try run(device)
      let name = device.info.identifier
      #expect(result.labels == expected.labels, "\(name)")
      #expect(
        result.centroids.map(\.bitPattern) == expected.centroids.map(\.bitPattern), "\(name)")
      #expect(result.objectives == expected.objectives, "\(name)")
    }
    #expect(devices.count >= 2, "\(problems)")
  }
}
