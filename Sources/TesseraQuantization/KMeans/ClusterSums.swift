import TesseraCompute
internal import TesseraHost

/// Sums of each cluster's points, chunk after chunk, on the host: what
/// ``MatrixOperations/accumulateClusters(_:_:into:_:)`` gives, to the last bit, for points that are weighted
/// or never on the device at once.
///
/// A cluster's points are added, each times its weight, in runs of 256 in Float64, as the contract
/// of the device says; chunks do not cut a run.
struct ClusterSums {
  private let dimension: Int
  private let workers: WorkerPool
  private var totals: [Double]
  private var runs: [Double]
  private var runCounts: [Int]
  /// The sum of weights of each cluster.
  private(set) var masses: [Double]

  init(clusterCount: Int, dimension: Int, workers: WorkerPool) {
    self.dimension = dimension
    self.workers = workers
    totals = Array(repeating: 0, count: clusterCount * dimension)
    runs = totals
    runCounts = Array(repeating: 0, count: clusterCount)
    masses = Array(repeating: 0, count: clusterCount)
  }

  /// Adds the rows of `values`, each times its weight or 1.
  mutating func add(
    _ values: [Float], labels: ArraySlice<Int32>, weights: [Double]?
  ) throws(TesseraError) {
    let first = labels.startIndex
    let columns = Columns(
      values: values, labels: labels, weights: weights, runCounts: runCounts, width: dimension)
    for row in labels.indices {
      let cluster = Int(labels[row])
      masses[cluster] += weights?[row - first] ?? 1
      runCounts[cluster] = (runCounts[cluster] + 1) % 256
    }
    var (runs, totals) = (self.runs, self.totals)
    // Held once, so that writing copies nothing.
    (self.runs, self.totals) = ([], [])
    // Each worker adds some columns, so the order of additions is the same for any number of them.
    let failure: TesseraError? = runs.withUnsafeMutableBufferPointer { runs in
      totals.withUnsafeMutableBufferPointer { totals in
        let target = Target(runs: runs.baseAddress, totals: totals.baseAddress)
        do throws(TesseraError) {
          try workers.split(dimension, minimum: 16) { range in columns.add(range, to: target) }
          return nil
        } catch { return error }
      }
    }
    if let failure { throw failure }
    (self.runs, self.totals) = (runs, totals)
  }

  /// Sums that workers add to.
  private struct Target: @unchecked Sendable {
    // Safe: each worker has columns of its own, and the arrays outlive the work.
    let runs: UnsafeMutablePointer<Double>?
    let totals: UnsafeMutablePointer<Double>?
  }

  private struct Columns: Sendable {
    let values: [Float]
    let labels: ArraySlice<Int32>
    let weights: [Double]?
    let runCounts: [Int]
    let width: Int

    func add(_ range: Range<Int>, to target: Target) {
      guard let runs = target.runs, let totals = target.totals else { return }
      var runCounts = runCounts
      values.withUnsafeBufferPointer { values in
        for (row, label) in labels.enumerated() {
          let cluster = Int(label)
          let weight = weights?[row] ?? 1
          let (from, to) = (row * width, cluster * width)
          for d in range { runs[to + d] += weight * Double(values[from + d]) }
          runCounts[cluster] += 1
          guard runCounts[cluster] == 256 else { continue }
          for d in range {
            totals[to + d] += runs[to + d]
            runs[to + d] = 0
          }
          runCounts[cluster] = 0
        }
      }
    }
  }

  /// Returns the sums.
  mutating func finish() -> [Double] {
    for cluster in runCounts.indices where runCounts[cluster] > 0 {
      for d in cluster * dimension..<(cluster + 1) * dimension {
        totals[d] += runs[d]
        runs[d] = 0
      }
      runCounts[cluster] = 0
    }
    return totals
  }
}

extension TrainingPoints {
  /// Returns the mean of each cluster's points, as ``ClusterTotals/means(_:old:frozen:)``.
  func means(
    _ assignment: Assignment, old: [Float], frozen: Set<Int>
  ) throws(TesseraError) -> [Float] {
    try totals(assignment).means(metric, old: old, frozen: frozen)
  }

  /// Returns the sums of clusters, chunk by chunk.
  func totals(_ assignment: Assignment) throws(TesseraError) -> ClusterTotals {
    let clusters = assignment.counts.count
    return try ChunkTree.total(of: count, inChunksOf: chunkRows) { rows throws(TesseraError) in
      try totals(assignment.labels[rows], clusters)
    }
  }

  private func totals(
    _ labels: ArraySlice<Int32>, _ clusters: Int
  ) throws(TesseraError) -> ClusterTotals {
    if let resident, weights == nil, metric != .innerProduct {
      let sums = try device.allocate(Double.self, rows: clusters, columns: dimension)
      let counts = try device.allocate(Int32.self, rows: clusters, columns: 1)
      let own = try device.upload(Array(labels), rows: labels.count, columns: 1)
      try device.accumulateClusters(resident.rows(labels.indices), own, into: sums, counts)
      return try ClusterTotals(
        sums: device.download(sums), masses: device.download(counts).map(Double.init))
    }
    var sums = ClusterSums(
      clusterCount: clusters, dimension: dimension, workers: device.hostWorkers)
    try forEachChunk(of: labels.indices) { range, values throws(TesseraError) in
      try sums.add(values, labels: labels[range], weights: pulls(range))
    }
    return ClusterTotals(sums: sums.finish(), masses: sums.masses)
  }
}

/// The sum of each cluster's points, each times its weight, and the sum of the weights.
struct ClusterTotals: ChunkSum {
  /// Clusters x dimension.
  var sums: [Double]
  var masses: [Double]

  mutating func add(_ next: ClusterTotals) {
    for index in sums.indices { sums[index] += next.sums[index] }
    for cluster in masses.indices { masses[cluster] += next.masses[cluster] }
  }

  /// Returns the mean of each cluster's points; of unit length but for squared L2. A cluster without a mean (no
  /// points, or opposite ones that cancel) and a frozen one keep their old centroids.
  func means(_ metric: Metric, old: [Float], frozen: Set<Int>) -> [Float] {
    let dimension = old.count / max(1, masses.count)
    var centroids = old
    for cluster in masses.indices where masses[cluster] > 0 && !frozen.contains(cluster) {
      let range = cluster * dimension..<(cluster + 1) * dimension
      var divisor = masses[cluster]
      if metric != .squaredL2 {
        var squares = 0.0
        for i in range { squares += sums[i] * sums[i] }
        divisor = squares.squareRoot()
      }
      guard divisor > 0 else { continue }
      for i in range { centroids[i] = Float(sums[i] / divisor) }
    }
    return centroids
  }
}
