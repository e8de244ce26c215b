public import TesseraCompute

extension KMeans {
  /// Options of k-means. Equal options and points give bit-identical results on every device.
  public struct Options: Sendable {
    /// Clusters to make · 1 to the number of points · more than distinct points leaves some empty.
    public var clusterCount: Int
    /// Updates at most · 0 or more · 20 is plenty for codebooks; 0 with given
    /// centroids only assigns, to fewer points than clusters too.
    public var iterations: Int
    /// Chooses the random numbers · any · equal seeds give equal results.
    public var seed: UInt64
    /// The metric that points and centroids are compared by · any metric · cosine is spherical
    /// k-means: points and centroids are scaled to unit length; for inner products only centroids
    /// are, so long points count more.
    public var metric: Metric
    /// The centroids to start from · see ``Initialization``.
    public var initialization: Initialization
    /// Stop when an update improves the objective by less than this share of it · 0 or more ·
    /// 0 stops only when no label changes.
    public var tolerance: Double
    /// The algorithm that finds the centroids · see ``Algorithm`` · ``Algorithm/lloyd`` unless
    /// there are very many points or clusters.
    public var algorithm: Algorithm
    /// The weight of each point · one number a point, finite, none negative, not all 0 · nil: all
    /// weigh 1. A point of weight 0 gets a label and moves nothing.
    public var weights: [Float]?
    /// Runs from different starts, of which the best is kept · 1 or more · 3 to 10 where K is small
    /// and the objective matters.
    public var restarts: Int
    /// Centroids that stay where they are · indices of the given centroids · only with
    /// ``Initialization/given(_:)``.
    public var frozen: [Int]
    /// Train on at most so many points, chosen at random · the number of clusters or more · nil: on
    /// all. All points are assigned in the end either way, and a note tells.
    public var trainingSampleLimit: Int?
    /// Bytes that points may take on the device · room for one · nil: half of its memory. Points that
    /// need more go there in blocks, in every iteration anew, with the same result.
    public var memoryLimit: Int?
    /// Points that are added up together · 1 or more, only with ``Algorithm/lloyd`` · nil: all. Sums of
    /// chunks are then added as a fixed tree, which gives the bytes that many machines make of the same
    /// chunks (``KMeans/partial(_:firstRow:centroids:on:control:)``).
    public var chunkRows: Int?

    /// Takes what should differ from the defaults; `KMeans.cluster` checks the values.
    public init(
      clusterCount: Int, iterations: Int = 20, seed: UInt64 = 1234, metric: Metric = .squaredL2,
      initialization: Initialization = .kMeansPlusPlus, tolerance: Double = 0,
      algorithm: Algorithm = .lloyd, weights: [Float]? = nil, restarts: Int = 1,
      frozen: [Int] = [], trainingSampleLimit: Int? = nil, memoryLimit: Int? = nil,
      chunkRows: Int? = nil
    ) {
      self.clusterCount = clusterCount
      self.iterations = iterations
      self.seed = seed
      self.metric = metric
      self.initialization = initialization
      self.tolerance = tolerance
      self.algorithm = algorithm
      self.weights = weights
      self.restarts = restarts
      self.frozen = frozen
      self.trainingSampleLimit = trainingSampleLimit
      self.memoryLimit = memoryLimit
      self.chunkRows = chunkRows
    }
  }

  /// Chooses the centroids that k-means starts from.
  public enum Initialization: Sendable {
    /// Distinct rows, every choice equally likely. Cost: nothing.
    case random
    /// Each next row with a chance proportional to its distance from those chosen (Arthur and
    /// Vassilvitskii 2007), among a random sample of 8 rows a cluster and at least 8,192. Better
    /// starts, for about the cost of one more iteration.
    case kMeansPlusPlus
    /// k-means|| (Bahmani and others 2012): five rounds that each choose about half as many rows
    /// as there are clusters, with chances proportional to the distance from those chosen; of
    /// these, weighted by how many points they are nearest to, k-means++ makes the start. Looks at
    /// all points. Cost: about two iterations.
    case kMeansParallel
    /// These centroids, one row each.
    case given(Vectors)
  }

  /// Chooses the algorithm that finds the centroids.
  public enum Algorithm: Sendable, Hashable {
    /// All points in every iteration (Lloyd 1982).
    case lloyd
    /// A random batch of points in each iteration, to which centroids move at a rate that falls
    /// with the points they have seen (Sculley 2010). For data too large to pass over 20 times;
    /// ends with a higher objective, and always does all iterations. An iteration's objective is
    /// that of its batch before the update, scaled to all points.
    case miniBatch(size: Int)
    /// About sqrt(K) clusters first, then each split into its share of K by its number of points,
    /// then two iterations of Lloyd's over all. For K of thousands: cost O(points * sqrt(K)) but
    /// for the last two, and clusters of more even size.
    case hierarchical
    /// The optimum, for points of one dimension and squared L2 (Wang and Song 2011), in
    /// O(K * points * log points); start, seed and iterations have no meaning.
    case exact1D
  }
}
