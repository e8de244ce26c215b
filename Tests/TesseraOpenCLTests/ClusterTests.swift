import TesseraCompute
import Testing

@testable import TesseraOpenCL

struct ClusterShape: Sendable, CustomTestStringConvertible {
  let points: Int
  let columns: Int
  let clusters: Int
  var testDescription: String { "\(points) x \(columns) in \(clusters)" }

  /// Nothing, one, primes, around a run (256) and the 16 or 32 columns of an item, empty clusters,
  /// labels of one, two and three digits, more points than one group sorts.
  static let all = [
    (0, 3, 4), (1, 1, 1), (5, 0, 3), (257, 3, 1), (255, 16, 2), (1000, 17, 7), (513, 33, 600),
    (9001, 5, 300), (300, 2, 70_000), (20_000, 3, 3),
  ].map { ClusterShape(points: $0.0, columns: $0.1, clusters: $0.2) }
}

@Suite struct ClusterTests {
  @Test("sums and counts have the reference's bits", arguments: Subject.all, ClusterShape.all)
  func accumulates(_ subject: Subject, _ shape: ClusterShape) throws {
    var numbers = Numbers(seed: 17)
    let points = numbers.floats(shape.points * shape.columns)
    let labels = (0..<shape.points).map { _ in
      // Half of the points crowd into one cluster.
      Bool.random(using: &numbers)
        ? Int32(shape.clusters - 1) : Int32.random(in: 0..<Int32(shape.clusters), using: &numbers)
    }
    let got = try accumulate(points, labels, shape, on: subject.device)
    let want = try accumulate(points, labels, shape, on: ReferenceDevice.shared)
    #expect(got.counts == want.counts, "seed 17")
    #expect(bits(got.sums) == bits(want.sums), "seed 17")
  }

  @Test("a label outside the clusters is named, and nothing is written", arguments: Subject.all)
  func labelOutside(_ subject: Subject) throws {
    let shape = ClusterShape(points: 5, columns: 1, clusters: 3)
    for labels: [Int32] in [[0, 1, 3, 2, -1], [0, -7, 1, 2, 3], [.max, 0, 0, 0, 0]] {
      func outcome(on device: some Device) -> Outcome<[Int32]> {
        Outcome { () throws(TesseraError) in
          try accumulate([1, 2, 3, 4, 5], labels, shape, on: device).counts
        }
      }
      #expect(outcome(on: subject.device) == outcome(on: ReferenceDevice.shared))
    }
    let sums = try subject.device.upload([7.0, 7, 7], rows: 3, columns: 1)
    let counts = try subject.device.upload([Int32(7), 7, 7], rows: 3, columns: 1)
    #expect(throws: TesseraError.self) {
      try subject.device.accumulateClusters(
        subject.device.upload([Float(1)], rows: 1, columns: 1),
        subject.device.upload([Int32(3)], rows: 1, columns: 1), into: sums, counts)
    }
    #expect(try subject.device.download(sums) == [7, 7, 7])
    #expect(try subject.device.download(counts) == [7, 7, 7])
  }

  private func accumulate(
    _ points: [Float], _ labels: [Int32], _ shape: ClusterShape, on device: some Device
  ) throws(TesseraError) -> (sums: [Double], counts: [Int32]) {
    let sums = try device.allocate(Double.self, rows: shape.clusters, columns: shape.columns)
    let counts = try device.allocate(Int32.self, rows: shape.clusters, columns: 1)
    try device.accumulateClusters(
      device.upload(points, rows: shape.points, columns: shape.columns),
      device.upload(labels, rows: shape.points, columns: 1), into: sums, counts)
    return (try device.download(sums), try device.download(counts))
  }
}
