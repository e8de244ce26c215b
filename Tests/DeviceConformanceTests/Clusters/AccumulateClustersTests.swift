import TesseraCompute
import TestSupport
import Testing

@Suite("accumulateClusters")
struct AccumulateClustersTests {
  struct Input: Workload, CustomStringConvertible {
    enum Labels: String, CaseIterable {
      case random
      /// Every point in the last cluster; the others stay empty.
      case oneCluster
      /// Sizes 255, 256, 257, 511, ... around the runs whose sums are fixed.
      case aroundRuns
    }

    var points: Int
    var dimension: Int
    var clusters: Int
    var labels: Labels
    var content: Content
    var work: Int { points * dimension }
    var description: String {
      "\(labels) \(content), \(points) points of \(dimension), \(clusters) clusters, seed 9"
    }

    func makeLabels() -> [Int32] {
      var generator = RepeatableGenerator(seed: 10)
      let sizes = [255, 256, 257, 511, 512, 513]
      let cut = sizes.indices.flatMap { [Int32](repeating: Int32($0), count: sizes[$0]) }
      switch labels {
      case .random: return (0..<points).map { _ in Int32(generator.below(clusters)) }
      case .oneCluster: return [Int32](repeating: Int32(clusters - 1), count: points)
      case .aroundRuns: return cut.prefix(points).shuffled(using: &generator)
      }
    }

    static let cases = [Content.uniform, .wildNorms, .huge, .tiny, .signedZeros].flatMap {
      content in
      [
        (0, 3, 2, .random), (5, 0, 2, .random),  // nothing to add; only counts
        (1, 1, 1, .random),  // the smallest
        (13, 7, 5, .random), (31, 17, 1, .random), (33, 16, 40, .random),
        (700, 3, 2, .oneCluster),  // more than two runs
        (2304, 5, 6, .aroundRuns),
        (513, 33, 600, .random), (300, 2, 70_000, .random),  // more clusters than points
        (20_000, 3, 3, .random),  // more points than one work-group sorts
        (5003, 33, 19, .random),  // large
      ].map { (points: Int, dimension: Int, clusters: Int, labels: Labels) in
        Input(
          points: points, dimension: dimension, clusters: clusters, labels: labels,
          content: content)
      }
    }
  }

  /// The rule of the contract, one cluster and column at a time.
  private func expected(
    _ points: [Float], _ labels: [Int32], dimension: Int, clusters: Int
  ) -> (sums: [Double], counts: [Int32]) {
    var sums = [Double](repeating: 0, count: clusters * dimension)
    var runs = sums
    var counts = [Int32](repeating: 0, count: clusters)
    for (point, label) in labels.enumerated() {
      let cluster = Int(label)
      let isRunEnd = counts[cluster] % 256 == 255
      for column in 0..<dimension {
        let place = cluster * dimension + column
        runs[place] += Double(points[point * dimension + column])
        if isRunEnd {
          sums[place] += runs[place]
          runs[place] = 0
        }
      }
      counts[cluster] += 1
    }
    // A sum of a run that was just closed is zero, and adding it changes nothing.
    for place in sums.indices { sums[place] += runs[place] }
    return (sums, counts)
  }

  @Test(
    "adds in the fixed order, bit for bit",
    arguments: Subject.trials(.accumulateClusters, Input.cases))
  func sums(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    let (dimension, clusters) = (input.dimension, input.clusters)
    let points = input.content.matrix(rows: input.points, columns: dimension, seed: 9)
    let labels = input.makeLabels()
    let truth = expected(points, labels, dimension: dimension, clusters: clusters)

    let pointMatrix = try Framed(
      points, rows: input.points, columns: dimension, filler: 1e30, on: device)
    let labelMatrix = try Framed(labels, rows: input.points, columns: 1, filler: 0, on: device)
    let sums = try Framed(rows: clusters, columns: dimension, filler: Double(-7), on: device)
    let counts = try Framed(rows: clusters, columns: 1, filler: Int32(-7), on: device)
    try device.accumulateClusters(
      pointMatrix.matrix, labelMatrix.matrix, into: sums.matrix, counts.matrix)
    let foundCounts = try #require(try counts.contents())
    #expect(difference(foundCounts, truth.counts, columns: 1) == nil)
    let foundSums = try #require(try sums.contents())
    #expect(difference(foundSums, truth.sums, columns: dimension) == nil)
  }

  @Test("refuses a label outside the clusters and says where", arguments: Subject.present)
  func labels(_ subject: Subject) throws {
    let device = try subject.device
    let points = try device.upload([1, 2, 3] as [Float], rows: 3, columns: 1)
    for (clusters, bad) in [(4, 4), (4, -1), (4, .min), (4, .max), (0, 0)] as [(Int, Int32)] {
      let labels = try device.upload([clusters == 0 ? bad : 3, bad, 0], rows: 3, columns: 1)
      let sums = try device.allocate(Double.self, rows: clusters, columns: 1)
      let counts = try device.allocate(Int32.self, rows: clusters, columns: 1)
      let error = refusal {
        try device.accumulateClusters(points, labels, into: sums, counts)
      }
      #expect(error?.code == .invalidArgument)
      let place = clusters == 0 ? 0 : 1
      #expect(
        error?.message
          == "accumulateClusters: label \(bad) at \(place) is outside 0..<\(clusters)")
    }
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    let points = try device.allocate(Float.self, rows: 4, columns: 3)
    for (labels, sums, counts, text) in [
      (5, (2, 3), 2, "accumulateClusters: labels is 5 x 1, expected 4 x 1"),
      (4, (2, 2), 2, "accumulateClusters: sums is 2 x 2, expected 2 x 3"),
      (4, (2, 3), 3, "accumulateClusters: counts is 3 x 1, expected 2 x 1"),
    ] {
      let labels = try device.allocate(Int32.self, rows: labels, columns: 1)
      let sums = try device.allocate(Double.self, rows: sums.0, columns: sums.1)
      let counts = try device.allocate(Int32.self, rows: counts, columns: 1)
      let error = refusal {
        try device.accumulateClusters(points, labels, into: sums, counts)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
