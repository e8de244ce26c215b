public import TesseraCompute

/// Holds the clusters that k-means found, and how it found them.
public struct Clustering: Sendable {
  /// The number of clusters, also of those without a point.
  public let clusterCount: Int
  /// Numbers of a centroid.
  public let dimension: Int
  /// The metric that points and centroids were compared by.
  public let metric: Metric
  /// `clusterCount` x `dimension`, row-major; of unit length but for `.squaredL2`.
  public let centroids: [Float]
  /// The nearest of `centroids` for each point, ties by lower cluster.
  public let labels: [Int32]
  /// Points per cluster.
  public let counts: [Int]
  /// The sum over all points of weight times distance to the nearest of `centroids`. Squared
  /// distance for `.squaredL2`; 1 - similarity for `.cosine`; the length of the point less its
  /// inner product for `.innerProduct`.
  public let finalObjective: Double
  /// The updates in the order in which they were made.
  public let history: [Iteration]
  /// True if it stopped because nothing changed any more, or less than the tolerance.
  public let converged: Bool
  /// The objective each restart ended with; `finalObjective` is the least.
  public let restartObjectives: [Double]
  /// The seconds that each phase took.
  public let seconds: Seconds
  /// What was done otherwise than might be expected; empty as a rule.
  public let notes: [TrainingNote]

  /// One update.
  public struct Iteration: Sendable, Hashable {
    /// The objective of the points trained on, after the update. Rises by rounding at most, but
    /// for mini-batches.
    public let objective: Double
    /// Points that changed their cluster.
    public let movedPoints: Int
    /// The unevenness of the clusters: `K * sum of counts² / (sum of counts)²`, 1 where all are
    /// equal.
    public let imbalance: Double
    /// Wall time, the only thing here that differs from run to run.
    public let seconds: Double
  }

  /// Wall time of what is done beside updates, of all restarts together.
  public struct Seconds: Sendable, Hashable {
    /// Checking the points and bringing them to the device.
    public internal(set) var preparation = 0.0
    /// Finding where centroids start.
    public internal(set) var seeding = 0.0
    /// Assigning all points to where centroids start.
    public internal(set) var firstAssignment = 0.0
    /// Assigning all points in the end, where training did not: after a sample, mini-batches and the
    /// exact algorithm.
    public internal(set) var finalAssignment = 0.0
  }

  /// Updates done.
  public var iterations: Int { history.count }
  /// The objective of the points trained on, after each update; ``finalObjective`` is of all points.
  public var objectives: [Double] { history.map(\.objective) }
  /// Tells how uneven the clusters are, of all points.
  public var imbalance: Double { Self.imbalance(counts) }
  /// Clusters without a point. Not 0 only where there are fewer distinct points than clusters, or
  /// where frozen centroids are out of reach.
  public var emptyClusterCount: Int { counts.count { $0 == 0 } }

  static func imbalance(_ counts: [Int]) -> Double {
    let total = Double(counts.reduce(0, +))
    let squares = counts.reduce(0) { $0 + Double($1) * Double($1) }
    return total > 0 ? Double(counts.count) * squares / (total * total) : 1
  }
}
