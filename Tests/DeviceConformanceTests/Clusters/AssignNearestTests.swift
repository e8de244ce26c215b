import TesseraCompute
import TestSupport
import Testing

@Suite("assignNearest")
struct AssignNearestTests {
  struct Input: Workload, CustomStringConvertible {
    var metric: Metric
    var points: Int
    var centroids: Int
    var dimension: Int
    var content: Content
    var work: Int { points * centroids * dimension }
    var description: String {
      "\(metric.rawValue) \(content), \(points) points, \(centroids) centroids of \(dimension), "
        + "seed 5"
    }

    static let cases = Metric.allCases.flatMap { metric in
      [
        (0, 3, 4),  // no points
        (1, 1, 1),  // the smallest
        (13, 7, 5),  // primes
        (15, 17, 16), (16, 16, 15), (17, 15, 17),  // around a vector width
        (33, 31, 33), (48, 48, 32),  // around a sub-group
        (700, 256, 48), (1201, 257, 20),  // k-means as it is used
      ].map {
        Input(metric: metric, points: $0.0, centroids: $0.1, dimension: $0.2, content: .clustered)
      }
        + Content.allCases.map {
          Input(metric: metric, points: 50, centroids: 23, dimension: 11, content: $0)
        }
    }
  }

  @Test(
    "finds the nearest centroid and its canonical score",
    arguments: Subject.trials(.assignNearest, Input.cases))
  func assigns(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    let (dimension, metric) = (input.dimension, input.metric)
    let points = try Sample(
      input.content, count: input.points, dimension: dimension, element: .float32, seed: 5)
    let centroids = try Sample(
      input.content, count: input.centroids, dimension: dimension, element: .float32, seed: 6)
    let truth = Oracle.neighbors(points, in: centroids, metric: metric).best(1)

    let pointMatrix = try Framed(
      points.values, rows: input.points, columns: dimension, filler: .nan, on: device)
    let centroidMatrix = try Framed(
      centroids.values, rows: input.centroids, columns: dimension, filler: .nan, on: device)
    let labels = try Framed(rows: input.points, columns: 1, filler: Int32(-7), on: device)
    let scores = try Framed(rows: input.points, columns: 1, filler: Float(-7), on: device)
    try device.assignNearest(
      pointMatrix.matrix, to: centroidMatrix.matrix, metric: metric, into: labels.matrix,
      scores.matrix)
    let found = try #require(try labels.contents())
    #expect(difference(found, truth.ids.map { Int32($0) }, columns: 1) == nil)
    let foundScores = try #require(try scores.contents())
    #expect(difference(foundScores, truth.scores, columns: 1) == nil)
  }

  @Test("refuses NaN and infinity and names the rows", arguments: Subject.present)
  func nonFinite(_ subject: Subject) throws {
    let device = try subject.device
    for bad in [Float.nan, .infinity, -.infinity] {
      let good = try device.upload([1, 2, 3, 4, 5, 6] as [Float], rows: 3, columns: 2)
      let spoilt = try device.upload([1, 2, 3, bad, 5, 6] as [Float], rows: 3, columns: 2)
      let labels = try device.allocate(Int32.self, rows: 3, columns: 1)
      let scores = try device.allocate(Float.self, rows: 3, columns: 1)
      for (points, centroids, name) in [(spoilt, good, "points"), (good, spoilt, "centroids")] {
        let error = refusal {
          try device.assignNearest(
            points, to: centroids, metric: .squaredL2, into: labels, scores)
        }
        #expect(error?.code == .nonFinite)
        #expect(
          error?.message.hasPrefix("assignNearest: \(name): NaN or infinity in row 1;") == true,
          "\(error?.message ?? "none")")
      }
    }
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    for (points, centroids, labels, scores, text) in [
      ((4, 3), (0, 3), 4, 4, "assignNearest: there are no centroids"),
      ((4, 0), (2, 0), 4, 4, "assignNearest: points have no columns"),
      ((4, 3), (2, 5), 4, 4, "assignNearest: points have 3 columns, centroids have 5"),
      ((4, 3), (2, 3), 3, 4, "assignNearest: labels is 3 x 1, expected 4 x 1"),
      ((4, 3), (2, 3), 4, 5, "assignNearest: scores is 5 x 1, expected 4 x 1"),
    ] {
      let points = try device.allocate(Float.self, rows: points.0, columns: points.1)
      let centroids = try device.allocate(Float.self, rows: centroids.0, columns: centroids.1)
      let labels = try device.allocate(Int32.self, rows: labels, columns: 1)
      let scores = try device.allocate(Float.self, rows: scores, columns: 1)
      let error = refusal {
        try device.assignNearest(points, to: centroids, metric: .cosine, into: labels, scores)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
