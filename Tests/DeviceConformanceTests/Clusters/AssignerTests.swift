import TesseraCompute
import TestSupport
import Testing

@Suite("assigner")
struct AssignerTests {
  struct Input: Workload, CustomStringConvertible {
    var metric: Metric
    var points: Int
    var centroids: Int
    var dimension: Int
    var content: Content
    var work: Int { points * centroids * dimension * 6 }
    var description: String {
      "\(metric.rawValue) \(content), \(points) points, \(centroids) centroids of \(dimension), "
        + "seed 5"
    }

    static let cases = Metric.allCases.flatMap { metric in
      [
        (1, 1, 1),  // the smallest
        (13, 7, 5),  // primes
        (47, 31, 16), (47, 32, 15), (47, 33, 17),  // around a panel
        (90, 100, 3),  // several panels a group, since bounds are few where dimensions are
        (300, 70, 24),  // several groups
        (1201, 257, 20),  // k-means as it is used
      ].map {
        Input(metric: metric, points: $0.0, centroids: $0.1, dimension: $0.2, content: .clustered)
      }
        + Content.allCases.map {
          Input(metric: metric, points: 60, centroids: 40, dimension: 11, content: $0)
        }
    }
  }

  /// Centroids after each of six moves: nothing, a little, one of them far, all alike, towards the
  /// points, and nothing again.
  private static func moves(_ centroids: [Float], _ points: [Float], dimension: Int) -> [[Float]] {
    var random = SplitMix64(seed: 11)
    var steps = [centroids, centroids]
    let largest = Float.greatestFiniteMagnitude
    steps.append(
      centroids.map { max(-largest, min(largest, $0 * (1 + 0.01 * random.nextGaussian()))) })
    var far = steps[2]
    for d in 0..<dimension { far[d] = points[d] }
    steps.append(far)
    let count = centroids.count / dimension
    steps.append((0..<count).flatMap { _ in far.prefix(dimension) })
    let nearPoints = (0..<centroids.count).map { points[$0 % points.count] }
    return steps + [nearPoints, nearPoints]
  }

  @Test(
    "gives what assignNearest gives, however the centroids move",
    arguments: Subject.trials(.assignNearest, Input.cases))
  func assigns(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    let (dimension, metric) = (input.dimension, input.metric)
    let points = try Sample(
      input.content, count: input.points, dimension: dimension, element: .float32, seed: 5)
    let centroids = try Sample(
      input.content, count: input.centroids, dimension: dimension, element: .float32, seed: 6)
    let matrix = try device.upload(points.values, rows: input.points, columns: dimension)
    let labels = try device.allocate(Int32.self, rows: input.points, columns: 1)
    let scores = try device.allocate(Float.self, rows: input.points, columns: 1)
    let assigner = try device.assigner(for: matrix, metric: metric)
    for (step, values) in Self.moves(centroids.values, points.values, dimension: dimension)
      .enumerated()
    {
      let sample = try Sample(values, dimension: dimension, element: .float32)
      let truth = Oracle.neighbors(points, in: sample, metric: metric).best(1)
      try assigner.assign(
        to: device.upload(values, rows: input.centroids, columns: dimension), into: labels, scores)
      let found = try device.download(labels)
      #expect(difference(found, truth.ids.map { Int32($0) }, columns: 1) == nil, "step \(step)")
      let foundScores = try device.download(scores)
      #expect(difference(foundScores, truth.scores, columns: 1) == nil, "step \(step)")
    }
  }

  @Test("another number of centroids starts afresh", arguments: Subject.present)
  func fewer(_ subject: Subject) throws {
    let device = try subject.device
    let points = try Sample(.clustered, count: 50, dimension: 6, element: .float32, seed: 1)
    let labels = try device.allocate(Int32.self, rows: 50, columns: 1)
    let scores = try device.allocate(Float.self, rows: 50, columns: 1)
    let matrix = try device.upload(points.values, rows: 50, columns: 6)
    let assigner = try device.assigner(for: matrix, metric: .squaredL2)
    for count in [20, 40, 3] {
      let centroids = try Sample(
        .clustered, count: count, dimension: 6, element: .float32, seed: UInt64(count))
      let truth = Oracle.neighbors(points, in: centroids, metric: .squaredL2).best(1)
      try assigner.assign(
        to: device.upload(centroids.values, rows: count, columns: 6), into: labels, scores)
      #expect(try device.download(labels) == truth.ids.map { Int32($0) }, "\(count)")
    }
  }

  @Test(
    "refuses what is not finite, names the rows, and goes on to assign", arguments: Subject.present)
  func nonFinite(_ subject: Subject) throws {
    let device = try subject.device
    let good = try device.upload([1, 2, 3, 4, 5, 6] as [Float], rows: 3, columns: 2)
    let bad = try device.upload([1, 2, 3, .nan, 5, 6] as [Float], rows: 3, columns: 2)
    let labels = try device.allocate(Int32.self, rows: 3, columns: 1)
    let scores = try device.allocate(Float.self, rows: 3, columns: 1)
    let refused = refusal {
      try device.assigner(for: bad, metric: .cosine).assign(to: good, into: labels, scores)
    }
    #expect(refused?.code == .nonFinite)
    #expect(refused?.message.hasPrefix("assignNearest: points: NaN or infinity in row 1;") == true)
    let assigner = try device.assigner(for: good, metric: .squaredL2)
    for _ in 0..<2 {
      let error = refusal { try assigner.assign(to: bad, into: labels, scores) }
      #expect(error?.code == .nonFinite)
      #expect(
        error?.message.hasPrefix("assignNearest: centroids: NaN or infinity in row 1;") == true)
      try assigner.assign(to: good, into: labels, scores)
      #expect(try device.download(labels) == [0, 1, 2])
    }
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    for (points, centroids, rows, text) in [
      ((4, 3), (0, 3), 4, "assignNearest: there are no centroids"),
      ((4, 3), (2, 5), 4, "assignNearest: points have 3 columns, centroids have 5"),
      ((4, 3), (2, 3), 3, "assignNearest: labels is 3 x 1, expected 4 x 1"),
    ] {
      let points = try device.upload(
        [Float](repeating: 1, count: points.0 * points.1), rows: points.0, columns: points.1)
      let centroids = try device.allocate(Float.self, rows: centroids.0, columns: centroids.1)
      let labels = try device.allocate(Int32.self, rows: rows, columns: 1)
      let scores = try device.allocate(Float.self, rows: 4, columns: 1)
      let error = refusal {
        try device.assigner(for: points, metric: .cosine).assign(
          to: centroids, into: labels, scores)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
