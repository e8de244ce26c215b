import TesseraCompute

/// Sums of each cluster's points, block after block, on the host: what
/// ``Device/accumulateClusters(_:_:into:_:)`` gives, to the last bit, for points that are weighted
/// or never on the device at once.
///
/// A cluster's points are added, each times its weight, in runs of 256 in Float64, as the contract
/// of the device says; blocks do not cut a run.
struct ClusterSums {
  private let dimension: Int
  private var totals: [Double]
  private var runs: [Double]
  private var runCounts: [Int]
  /// The sum of weights of each cluster.
  private(set) var masses: [Double]

  init(clusterCount: Int, dimension: Int) {
    self.dimension = dimension
    totals = Array(repeating: 0, count: clusterCount * dimension)
    runs = totals
    runCounts = Array(repeating: 0, count: clusterCount)
    masses = Array(repeating: 0, count: clusterCount)
  }

  /// Adds the rows of `values`.
  mutating func add(_ values: [Float], labels: ArraySlice<Int32>, weights: ArraySlice<Float>?) {
    let width = dimension
    for (row, label) in labels.enumerated() {
      let cluster = Int(label)
      let weight = weights.map { Double($0[$0.startIndex + row]) } ?? 1
      let (from, to) = (row * width, cluster * width)
      runs.withUnsafeMutableBufferPointer { runs in
        values.withUnsafeBufferPointer { values in
          for d in 0..<width { runs[to + d] += weight * Double(values[from + d]) }
        }
      }
      masses[cluster] += weight
      runCounts[cluster] += 1
      if runCounts[cluster] == 256 { close(cluster) }
    }
  }

  private mutating func close(_ cluster: Int) {
    for d in cluster * dimension..<(cluster + 1) * dimension {
      totals[d] += runs[d]
      runs[d] = 0
    }
    runCounts[cluster] = 0
  }

  /// The sums.
  mutating func finish() -> [Double] {
    for cluster in runCounts.indices where runCounts[cluster] > 0 { close(cluster) }
    return totals
  }
}

extension TrainingPoints {
  /// The mean of each cluster's points; of unit length but for squared L2. A cluster without a mean
  /// (no points, or opposite ones that cancel) and a frozen one keep their old centroids.
  func means(
    _ assignment: Assignment, old: [Float], frozen: Set<Int>
  ) throws(TesseraError) -> [Float] {
    let (totals, masses) = try sums(assignment)
    var centroids = old
    for cluster in masses.indices where masses[cluster] > 0 && !frozen.contains(cluster) {
      let range = cluster * dimension..<(cluster + 1) * dimension
      var divisor = masses[cluster]
      if metric != .squaredL2 {
        var squares = 0.0
        for i in range { squares += totals[i] * totals[i] }
        divisor = squares.squareRoot()
      }
      guard divisor > 0 else { continue }
      for i in range { centroids[i] = Float(totals[i] / divisor) }
    }
    return centroids
  }

  private func sums(
    _ assignment: Assignment
  ) throws(TesseraError) -> (totals: [Double], masses: [Double]) {
    let clusters = assignment.counts.count
    if let resident, weights == nil {
      let sums = try device.allocate(Double.self, rows: clusters, columns: dimension)
      let counts = try device.allocate(Int32.self, rows: clusters, columns: 1)
      let labels = try device.upload(assignment.labels, rows: count, columns: 1)
      try device.accumulateClusters(resident, labels, into: sums, counts)
      return (try device.download(sums), assignment.counts.map(Double.init))
    }
    var sums = ClusterSums(clusterCount: clusters, dimension: dimension)
    for start in stride(from: 0, to: count, by: blockRows) {
      let range = start..<min(start + blockRows, count)
      sums.add(
        values(range), labels: assignment.labels[range], weights: weights.map { $0[range] })
      if resident == nil { source.rows(range).evict() }
    }
    return (sums.finish(), sums.masses)
  }
}
