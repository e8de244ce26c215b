public import TesseraCompute

/// Lloyd's k-means on the operations of a device.
///
/// Every step is either bit-identical on all devices by contract (assignment, cluster sums) or done
/// here in a fixed order, so centroids, labels and objective are too. A cluster that loses its last
/// point starts again at the point farthest from its centroid.
///
/// - Complexity: O(points * clusters * dimension) an iteration; the points lie on the device as
///   Float32.
public struct KMeans: Sendable {
  public let options: Options

  public init(_ options: Options) { self.options = options }

  /// Groups `points` into `options.clusterCount` clusters.
  ///
  /// - Parameter progress: Called after each iteration with the number done and the objective.
  /// - Throws: `.invalidArgument` and `.unsupported` for options without a meaning, `.invalidShape`
  ///   for more clusters than points, `.nonFinite`, `.outOfMemory`, `.deviceFailure`.
  public func cluster(
    _ points: Vectors, on device: any Device,
    progress: (_ iteration: Int, _ objective: Double) -> Void = { _, _ in }
  ) throws(TesseraError) -> Clustering {
    try options.check(against: points)
    let points = try DevicePoints(points, metric: options.metric, on: device)
    var centroids = try initialCentroids(points)
    var assignment = try points.assign(repairing: &centroids)
    var objective: [Double] = []
    var converged = false
    while objective.count < options.iterations, !converged {
      let previous = assignment
      centroids = try points.means(labels: previous.labels, old: centroids)
      assignment = try points.assign(repairing: &centroids)
      objective.append(assignment.objective)
      progress(objective.count, assignment.objective)
      let gain = previous.objective - assignment.objective
      converged =
        assignment.labels == previous.labels
        || (options.tolerance > 0 && gain <= options.tolerance * previous.objective)
    }
    return Clustering(
      clusterCount: options.clusterCount, dimension: points.dimension, metric: options.metric,
      centroids: centroids, labels: assignment.labels, counts: assignment.counts,
      objective: objective, iterations: objective.count, converged: converged)
  }

  private func initialCentroids(_ points: DevicePoints) throws(TesseraError) -> [Float] {
    var random = SplitMix64(seed: options.seed)
    switch options.initialization {
    case .random:
      return try points.rows(random.nextIndices(options.clusterCount, below: points.count))
    case .kMeansPlusPlus:
      // Each choice passes over the sample once; over all points that would dwarf the iterations.
      let sample = try points.sample(max(1 << 14, 32 * options.clusterCount), &random)
      return try sample.rows(sample.spreadRows(options.clusterCount, &random))
    case .given(let centroids):
      let values = centroids.widened()
      return options.metric == .cosine
        ? UnitLength.scaled(values, dimension: points.dimension).values : values
    }
  }
}

extension SplitMix64 {
  /// `count` different numbers below `bound`, every set equally likely (Floyd's sampling).
  mutating func nextIndices(_ count: Int, below bound: Int) -> [Int32] {
    var chosen: Set<Int32> = []
    var indices: [Int32] = []
    for last in bound - count..<bound {
      let candidate = Int32(nextIndex(below: last + 1))
      let index = chosen.contains(candidate) ? Int32(last) : candidate
      chosen.insert(index)
      indices.append(index)
    }
    return indices
  }
}
