public import TesseraCompute
internal import TesseraHost

/// Says which of given centroids is nearest to each of some points.
public struct ClusterLabels: Sendable, Hashable {
  /// The nearest centroid of each point, ties by lower centroid.
  public let labels: [Int32]
  /// The distance of each point from it, in the terms of ``Clustering/finalObjective``.
  public let distances: [Double]
  /// Points per centroid.
  public let counts: [Int]
  /// The sum of the distances, added in row order.
  public let objective: Double
}

extension Clustering {
  /// Assigns points, such as new ones, to the clusters that were found. Points trained on get the
  /// labels they have.
  ///
  /// - Parameters:
  ///   - memoryLimit: As ``KMeans/Options/memoryLimit``.
  ///   - control: Ends the work, and says who takes over if the device fails.
  /// - Throws: `.invalidShape` for another dimension, `.nonFinite`, and what the device throws.
  public func assign(
    _ points: Vectors, memoryLimit: Int? = nil, on device: any Device,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> ClusterLabels {
    try KMeans.assign(
      points, to: Vectors(centroids, dimension: dimension), metric: metric,
      memoryLimit: memoryLimit, on: device, control: control)
  }
}

extension KMeans {
  /// Assigns points to centroids, such as those of a file that `tessera kmeans` wrote.
  ///
  /// - Parameters:
  ///   - centroids: One row each; but for `.squaredL2` only their directions count.
  ///   - memoryLimit: As ``Options/memoryLimit``.
  ///   - control: Ends the work, and says who takes over if the device fails.
  /// - Throws: `.invalidShape` for no centroids or another dimension, `.nonFinite`, and what the
  ///   device throws.
  public static func assign(
    _ points: Vectors, to centroids: Vectors, metric: Metric, memoryLimit: Int? = nil,
    on device: any Device, control: RunControl = RunControl()
  ) throws(TesseraError) -> ClusterLabels {
    guard centroids.count > 0, centroids.dimension == points.dimension, points.dimension > 0 else {
      throw TesseraError(
        .invalidShape,
        "k-means: the centroids are \(centroids.count) x \(centroids.dimension), expected at least "
          + "one of the points' \(points.dimension) dimensions")
    }
    try Options.checkMemory(memoryLimit, points)
    try Shapes.requireFinite(centroids, "k-means: centroids")
    let found = try control.steer(on: device) { device throws(TesseraError) in
      try assignment(
        of: points, to: centroids, metric: metric, weights: nil, memoryLimit: memoryLimit,
        on: device)
    }
    return ClusterLabels(
      labels: found.labels, distances: found.distances, counts: found.counts,
      objective: found.objective)
  }
}
