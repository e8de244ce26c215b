public import TesseraCompute

/// What k-means found.
public struct Clustering: Sendable {
  public let clusterCount: Int
  public let dimension: Int
  public let metric: Metric
  /// `clusterCount` x `dimension`, row-major; of unit length for `.cosine`.
  public let centroids: [Float]
  /// The nearest of `centroids` for each point, ties by lower cluster.
  public let labels: [Int32]
  /// Points per cluster.
  public let counts: [Int]
  /// The sum of the points' distances to their centroids after each update, so `iterations`
  /// entries, the last of which belongs to `centroids`. Squared distance for `.squaredL2`,
  /// 1 - similarity for `.cosine`. Rises by rounding at most.
  public let objective: [Double]
  /// Updates done.
  public let iterations: Int
  /// Whether it stopped because nothing changed any more, or less than the tolerance.
  public let converged: Bool

  /// Clusters without a point. Not 0 only where there are fewer distinct points than clusters.
  public var emptyClusterCount: Int { counts.count { $0 == 0 } }
}
