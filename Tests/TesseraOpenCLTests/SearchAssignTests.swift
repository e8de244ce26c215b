import TesseraCompute
import Testing

@testable import TesseraOpenCL

@Suite struct SearchAssignTests {
  @Test(
    "labels and scores are the reference's, bit for bit", arguments: SearchSubject.all,
    [(1, 1, 1), (33, 5, 7), (500, 19, 64), (70, 3, 300), (0, 4, 3)])
  func matchesReference(_ subject: SearchSubject, _ size: (Int, Int, Int)) throws {
    let (points, dimension, centroids) = size
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 21)
      let pointValues = numbers.floats(points * dimension)
      var centroidValues = numbers.floats(centroids * dimension)
      // A centroid that is there twice: its points go to the lower.
      if centroids > 2 {
        let first = Array(centroidValues.prefix(dimension))
        centroidValues.replaceSubrange(
          (centroids - 1) * dimension..<centroids * dimension, with: first)
      }
      func assigned(_ device: some Device, _ call: (Assignment) throws -> Void) throws -> Assignment
      {
        let assignment = Assignment(
          points: try device.upload(pointValues, rows: points, columns: dimension),
          centroids: try device.upload(centroidValues, rows: centroids, columns: dimension),
          labels: try device.allocate(Int32.self, rows: points, columns: 1),
          scores: try device.allocate(Float.self, rows: points, columns: 1))
        try call(assignment)
        return assignment
      }
      let device = subject.device
      var limits = subject.limits()
      limits.batchBytes = 100_000
      let got = try assigned(device) {
        try device.assignNearest(
          $0.points, to: $0.centroids, metric: metric, into: $0.labels, $0.scores, limits: limits)
      }
      let reference = ReferenceDevice.shared
      let want = try assigned(reference) {
        try reference.assignNearest(
          $0.points, to: $0.centroids, metric: metric, into: $0.labels, $0.scores)
      }
      #expect(try device.download(got.labels) == reference.download(want.labels))
      #expect(
        try device.download(got.scores).map(\.bitPattern)
          == reference.download(want.scores).map(\.bitPattern))
    }
  }

  private struct Assignment {
    let points: Matrix<Float>
    let centroids: Matrix<Float>
    let labels: Matrix<Int32>
    let scores: Matrix<Float>
  }

  @Test("centroids that are all alike give label 0", arguments: SearchSubject.all)
  func crowded(_ subject: SearchSubject) throws {
    let device = subject.device
    let points = try device.upload([Float](repeating: 1, count: 20 * 2), rows: 20, columns: 2)
    let centroids = try device.upload([Float](repeating: 2, count: 400 * 2), rows: 400, columns: 2)
    let labels = try device.upload([Int32](repeating: 7, count: 22), rows: 22, columns: 1)
    let scores = try device.allocate(Float.self, rows: 20, columns: 1)
    try device.assignNearest(
      points, to: centroids, metric: .squaredL2, into: labels.rows(1..<21), scores,
      limits: subject.limits(capacity: 64))
    #expect(try device.download(labels) == [7] + [Int32](repeating: 0, count: 20) + [7])
    #expect(try device.download(scores) == [Float](repeating: 2, count: 20))
  }

  @Test("points and centroids that are not finite are refused", arguments: Subject.all)
  func nonFinite(_ subject: Subject) throws {
    let device = subject.device
    let good = try device.upload([Float](repeating: 1, count: 12), rows: 4, columns: 3)
    let bad = try device.upload(
      [Float(1), 1, 1, 1, .nan, 1, 1, 1, 1, .infinity, 0, 0], rows: 4, columns: 3)
    let labels = try device.allocate(Int32.self, rows: 4, columns: 1)
    let scores = try device.allocate(Float.self, rows: 4, columns: 1)
    #expect(throws: Shapes.nonFinite("assignNearest: points", rows: [1, 3])) {
      try device.assignNearest(bad, to: good, metric: .cosine, into: labels, scores)
    }
    #expect(throws: Shapes.nonFinite("assignNearest: centroids", rows: [1, 3])) {
      try device.assignNearest(good, to: bad, metric: .cosine, into: labels, scores)
    }
    let theirs = try ReferenceDevice.shared.upload(
      [Float](repeating: 1, count: 12), rows: 4, columns: 3)
    let refused = #expect(throws: TesseraError.self) {
      try device.assignNearest(theirs, to: good, metric: .cosine, into: labels, scores)
    }
    #expect(refused?.code == .wrongDevice)
  }
}
