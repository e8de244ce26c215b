public import TesseraCompute

extension KMeans {
  /// What to compute. Equal options and points give bit-identical results on every device.
  public struct Options: Sendable {
    /// Clusters to make · 1 to the number of points · more than distinct points leaves some empty.
    public var clusterCount: Int
    /// Updates at most · 0 or more · 20 is plenty for codebooks; 0 only assigns.
    public var iterations: Int
    /// Chooses the random numbers · any · equal seeds give equal results.
    public var seed: UInt64
    /// What "near" means · `.squaredL2` or `.cosine` · cosine is spherical k-means: points and
    /// centroids are scaled to unit length.
    public var metric: Metric
    /// Where the centroids start · see ``Initialization``.
    public var initialization: Initialization
    /// Stop when an update improves the objective by less than this share of it · 0 or more ·
    /// 0 stops only when no label changes.
    public var tolerance: Double

    public init(
      clusterCount: Int, iterations: Int = 20, seed: UInt64 = 1234, metric: Metric = .squaredL2,
      initialization: Initialization = .kMeansPlusPlus, tolerance: Double = 0
    ) {
      self.clusterCount = clusterCount
      self.iterations = iterations
      self.seed = seed
      self.metric = metric
      self.initialization = initialization
      self.tolerance = tolerance
    }
  }

  /// Where the centroids start.
  public enum Initialization: Sendable {
    /// Distinct rows, every choice equally likely. Cost: nothing.
    case random
    /// Each next row with a chance proportional to its squared distance from those chosen (Arthur
    /// and Vassilvitskii 2007), among a random sample of 32 rows a cluster and at least 16,384.
    /// Better starts, for about the cost of one more iteration.
    case kMeansPlusPlus
    /// These centroids, one row each.
    case given(Vectors)
  }
}

extension KMeans.Options {
  func check(against points: Vectors) throws(TesseraError) {
    guard clusterCount >= 1 else {
      throw TesseraError(
        .invalidArgument, "k-means: \(clusterCount) clusters asked for, at least 1 is needed")
    }
    guard iterations >= 0, tolerance >= 0 else {
      throw TesseraError(
        .invalidArgument,
        "k-means: iterations (\(iterations)) and tolerance (\(tolerance)) must not be negative")
    }
    guard metric != .innerProduct else {
      throw TesseraError(
        .unsupported, "k-means: inner product has no centroids; use the l2 or cosine metric")
    }
    guard points.dimension > 0 else {
      throw TesseraError(.invalidShape, "k-means: the points have no dimensions")
    }
    guard clusterCount <= points.count else {
      throw TesseraError(
        .invalidShape,
        "k-means: \(clusterCount) clusters asked of \(points.count) points; ask for at most as "
          + "many clusters as there are points")
    }
    guard points.count <= Int(Int32.max) else {
      throw TesseraError(
        .unsupported, "k-means: \(points.count) points are more than \(Int32.max); use a sample")
    }
    if case .given(let centroids) = initialization {
      guard centroids.count == clusterCount, centroids.dimension == points.dimension else {
        throw TesseraError(
          .invalidShape,
          "k-means: the given centroids are \(centroids.count) x \(centroids.dimension), expected "
            + "\(clusterCount) x \(points.dimension)")
      }
      try Shapes.requireFinite(centroids, "k-means: given centroids")
    }
  }
}
