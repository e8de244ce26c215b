import TesseraCPU
import TesseraCompute
import TesseraDevices
import Testing

@testable import TesseraQuantization

/// Points whose distances leave Float32, and points nearly alike.
@Suite struct KMeansRangeTests {
  private static func gaussian(_ count: Int, _ dimension: Int, seed: UInt64 = 9) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count * dimension).map { _ in random.nextGaussian() }
  }

  @Test(
    "a power of two times the points: the same labels, the centroids times the power",
    arguments: [-100, -80, 66, 100])
  func scaled(_ exponent: Int) throws {
    let values = Self.gaussian(200, 16)
    let factor = Float(sign: .plus, exponent: exponent, significand: 1)
    var options = KMeans.Options(clusterCount: 5)
    options.weights = (0..<200).map { Float($0 % 3) }
    for (name, device) in try EveryDevice.named() {
      let plain = try KMeans(options).cluster(Vectors(values, dimension: 16), on: device)
      let result = try KMeans(options).cluster(
        Vectors(values.map { $0 * factor }, dimension: 16), on: device)
      #expect(result.labels == plain.labels, "\(name)")
      #expect(result.centroids == plain.centroids.map { $0 * factor }, "\(name)")
      #expect(
        result.finalObjective == plain.finalObjective * Double(factor) * Double(factor), "\(name)")
      #expect(result.emptyClusterCount == 0 && result.iterations > 1, "\(name)")
      let again = try result.assign(
        Vectors(values.map { $0 * factor }, dimension: 16), on: device)
      #expect(again.labels == result.labels && again.distances.allSatisfy { $0.isFinite })
    }
  }

  @Test("weights and bfloat16 rows near the largest number: nothing is NaN")
  func largest() throws {
    let bits = Self.gaussian(60, 4).map { UInt16(($0 * 0x1p124).bitPattern >> 16) }
    let points = try Vectors(HostMemory(copying: bits), element: .bfloat16, count: 60, dimension: 4)
    let result = try KMeans(
      .init(clusterCount: 4, weights: (0..<60).map { Float($0 % 2) })
    ).cluster(points, on: CPUDevice())
    #expect(result.finalObjective.isFinite && result.finalObjective > 0)
    #expect(result.centroids.allSatisfy { $0.isFinite } && result.emptyClusterCount == 0)
  }

  @Test("given centroids far larger than the points are compared too")
  func farCentroids() throws {
    let given = try Vectors([1e38, 1e38, 1e30, 1, 0, 1], dimension: 2)
    let labels = try KMeans.assign(
      Vectors([1, 1, 2e30, 0], dimension: 2), to: given, metric: .squaredL2, on: CPUDevice())
    #expect(labels.labels == [2, 1] && labels.counts == [0, 1, 1])
  }

  @Test(
    "rows nearly alike fill every cluster, and the objective is that of Float64",
    arguments: [Metric.squaredL2, .cosine, .innerProduct], [1e-3, 1e-4, 3e-5] as [Float])
  func nearDuplicates(_ metric: Metric, _ spread: Float) throws {
    let values = Self.gaussian(500, 35).map { 1 + spread * $0 }
    let points = try Vectors(values, dimension: 35)
    for algorithm in [KMeans.Algorithm.lloyd, .hierarchical] {
      let options = KMeans.Options(
        clusterCount: 150, iterations: 8, metric: metric, algorithm: algorithm)
      let result = try KMeans(options).cluster(points, on: CPUDevice())
      #expect(result.emptyClusterCount == 0)
      var objective = 0.0
      for (point, label) in result.labels.enumerated() {
        let row = values[point * 35..<point * 35 + 35].map(Double.init)
        let centroid = result.centroids[Int(label) * 35..<Int(label) * 35 + 35].map(Double.init)
        func length(_ values: [Double]) -> Double {
          values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
        let (long, unit) = (length(row), length(centroid))
        // |x / |x| - c / |c||² / 2 = 1 - the similarity, without cancelling.
        let squares = zip(row, centroid).reduce(0.0) { sum, pair in
          let difference =
            metric == .squaredL2 ? pair.0 - pair.1 : pair.0 / long - pair.1 / unit
          return sum + difference * difference
        }
        switch metric {
        case .squaredL2: objective += squares
        case .cosine: objective += squares / 2
        case .innerProduct: objective += long * squares / 2
        }
      }
      #expect(abs(result.finalObjective - objective) <= 1e-4 * objective, "\(algorithm)")
      let reference = try KMeans(options).cluster(points, on: ReferenceDevice.shared)
      #expect(reference.labels == result.labels && reference.centroids == result.centroids)
    }
  }

  @Test("directions that no centroid has are near none", arguments: [Metric.cosine, .innerProduct])
  func directionless(_ metric: Metric) throws {
    let given = try Vectors([0, 0, 3, 0, 0, 0], dimension: 2)
    let points = try Vectors([1, 0, 0, 2, -1, 0, 0, 0], dimension: 2)
    let found = try KMeans.assign(points, to: given, metric: metric, on: CPUDevice())
    #expect(found.labels == [1, 1, 1, 0])
    #expect(found.distances == (metric == .cosine ? [0, 1, 2, 1] : [0, 2, 2, 0]))
    let none = try KMeans.assign(
      points, to: Vectors([0, 0], dimension: 2), metric: metric, on: CPUDevice())
    #expect(none.labels == [0, 0, 0, 0])
    #expect(none.distances == (metric == .cosine ? [1, 1, 1, 1] : [1, 2, 1, 0]))
  }

  @Test("a power of two is chosen only where numbers need it")
  func scale() {
    #expect(PointScale(smallest: 1e-6, largest: 1e6) == .one)
    #expect(PointScale(smallest: .infinity, largest: 0) == .one)
    #expect(PointScale(smallest: 0x1p-149, largest: 0x1p-149).factor == 0x1p126)
    #expect(PointScale(smallest: 1, largest: .greatestFiniteMagnitude).factor == 0x1p-87)
    #expect(PointScale(smallest: 0x1p-50, largest: 1).factor == 0x1p40)
    var magnitudes = Magnitudes()
    [0, -3, 0.5, -0.0].withUnsafeBufferPointer { magnitudes.add($0) }
    #expect(magnitudes.smallest == 0.5 && magnitudes.largest == 3 && magnitudes.isFinite)
    [1, -.nan].withUnsafeBufferPointer { magnitudes.add($0) }
    #expect(!magnitudes.isFinite)
  }

  @Test("new points get the labels that training would give", arguments: Metric.allCases)
  func assign(_ metric: Metric) throws {
    let points = try Vectors(KMeansTests.points(400, dimension: 6), dimension: 6)
    let result = try KMeans(.init(clusterCount: 9, metric: metric)).cluster(points, on: CPUDevice())
    for (name, device) in try EveryDevice.named() {
      for limit in [nil, 5000] {
        let again = try result.assign(points, memoryLimit: limit, on: device)
        #expect(again.labels == result.labels && again.counts == result.counts, "\(name)")
        #expect(again.objective == result.finalObjective, "\(name)")
      }
    }
    let few = try result.assign(points.rows(3..<5), on: CPUDevice())
    #expect(few.labels == Array(result.labels[3..<5]) && few.counts.count == 9)
    #expect(try result.assign(points.rows(0..<0), on: CPUDevice()).labels.isEmpty)
    let error = #expect(throws: TesseraError.self) {
      try result.assign(Vectors([1, 2], dimension: 2), on: CPUDevice())
    }
    #expect(error?.code == .invalidShape && error?.message.contains("9 x 6") == true)
  }

  @Test("given centroids and no iterations: fewer points than centroids are assigned")
  func fewerPoints() throws {
    let given = try Vectors([0, 10, 20, 30, 40], dimension: 1)
    let result = try KMeans(
      .init(clusterCount: 5, iterations: 0, initialization: .given(given))
    ).cluster(Vectors([29, 1], dimension: 1), on: CPUDevice())
    #expect(result.labels == [3, 0] && result.centroids == [0, 10, 20, 30, 40])
    #expect(result.finalObjective == 2)
  }
}
