import TesseraCompute
import TesseraDevices
import TesseraQuantization
import Testing

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
