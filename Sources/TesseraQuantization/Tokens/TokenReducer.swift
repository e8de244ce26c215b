public import TesseraCompute

/// Reduces sequences of token embeddings to small codebooks: ``TokenReduction``.
///
/// Nothing is learnt beforehand; each sequence gets a codebook of its own, by spherical k-means.
/// Equal tokens and options give the same bits on every device.
public struct TokenReducer: Sendable {
  /// Chooses how many codewords are left.
  public enum Size: Sendable, Hashable {
    /// So many, or one a token where there are fewer · 1 or more.
    case fixed(Int)
    /// The number up to the given one with the best silhouette: tokens are near their own group
    /// and far from the next. Of the numbers 2, 3, 4, 6, 8, 12, ... and the limit · 2 or more.
    case silhouette(upTo: Int)
    /// The number up to the given one after which more codewords help little: the farthest below
    /// the line from the first to the last of the same numbers, drawn over their logarithm, and 1
    /// · 2 or more.
    case elbow(upTo: Int)
  }

  /// The rule for the number of codewords.
  public let size: Size
  /// Updates of k-means at most.
  public let iterations: Int
  /// Chooses where k-means starts.
  public let seed: UInt64

  /// - Throws: `.invalidArgument` for a size or iterations out of range.
  public init(_ size: Size, iterations: Int = 20, seed: UInt64 = 1234) throws(TesseraError) {
    let (limit, least) =
      switch size {
      case .fixed(let count): (count, 1)
      case .silhouette(let limit), .elbow(let limit): (limit, 2)
      }
    guard limit >= least else {
      throw TesseraError(
        .invalidArgument, "token reduction: \(limit) codewords; at least \(least) are needed")
    }
    guard iterations >= 1 else {
      throw TesseraError(
        .invalidArgument, "token reduction: \(iterations) iterations; at least 1 is needed")
    }
    self.size = size
    self.iterations = iterations
    self.seed = seed
  }

  /// Reduces one sequence: tokens frame by frame, and position by position in a frame.
  ///
  /// - Parameter control: Hears of each number of codewords tried, ends the work, and says who
  ///   takes over if the device fails.
  /// - Complexity: that of ``KMeans``; an adaptive size runs it for about `2 * log2` of its limit.
  /// - Throws: `.invalidShape` for a sequence without tokens or numbers, `.nonFinite`, and what the
  ///   device throws.
  public func reduce(
    _ tokens: Vectors, on device: any Device, control: RunControl = RunControl()
  ) throws(TesseraError) -> TokenReduction {
    try Shapes.require(
      tokens.count > 0 && tokens.dimension > 0,
      "token reduction: \(tokens.count) tokens of \(tokens.dimension) numbers")
    try Shapes.requireFinite(tokens, "token reduction: tokens")
    return try control.steer(on: device) { device throws(TesseraError) in
      let clustering =
        switch size {
        case .fixed(let count): try cluster(tokens, count, on: device)
        case .silhouette(let limit): try bestSilhouette(tokens, limit, on: device, control)
        case .elbow(let limit): try elbow(tokens, limit, on: device, control)
        }
      let reduction = TokenReduction(
        tokens, labels: clustering.labels, clusterCount: clustering.clusterCount)
      try control.report("tokens", done: 1, objective: reduction.meanSquaredError)
      return reduction
    }
  }

  private func cluster(
    _ tokens: Vectors, _ count: Int, on device: any Device
  ) throws(TesseraError) -> Clustering {
    try KMeans(
      .init(
        clusterCount: min(count, tokens.count), iterations: iterations, seed: seed, metric: .cosine)
    ).cluster(tokens, on: device)
  }

  /// 2, 3, 4, 6, 8, 12, ... below `limit`, and `limit`.
  static func candidates(upTo limit: Int) -> [Int] {
    var sizes: [Int] = []
    var power = 2
    while power < limit {
      sizes.append(power)
      if power / 2 * 3 < limit { sizes.append(power / 2 * 3) }
      power *= 2
    }
    return sizes + [limit]
  }

  private func bestSilhouette(
    _ tokens: Vectors, _ limit: Int, on device: any Device, _ control: RunControl
  ) throws(TesseraError) -> Clustering {
    let limit = min(limit, tokens.count)
    guard limit >= 2 else { return try cluster(tokens, limit, on: device) }
    var best: (clustering: Clustering, silhouette: Double)?
    let sizes = Self.candidates(upTo: limit)
    for (index, count) in sizes.enumerated() {
      let clustering = try cluster(tokens, count, on: device)
      let silhouette = try silhouette(of: tokens, clustering, on: device)
      try control.report("\(count) codewords", done: Double(index + 1) / Double(sizes.count + 1))
      if silhouette > best?.silhouette ?? -.infinity { best = (clustering, silhouette) }
    }
    guard let best else { return try cluster(tokens, 1, on: device) }
    return best.clustering
  }

  /// The simplified silhouette (Hruschka et al. 2004): distances to centroids, where the original
  /// takes means over all pairs.
  private func silhouette(
    of tokens: Vectors, _ clustering: Clustering, on device: any Device
  ) throws(TesseraError) -> Double {
    let centroids = try device.prepare(
      Vectors(clustering.centroids, dimension: clustering.dimension), metric: .cosine)
    let nearest = try device.nearest(tokens, in: centroids, k: 2)
    var total = 0.0
    for token in 0..<tokens.count {
      let own = max(0, 1 - Double(nearest.scores[2 * token]))
      let next = max(0, 1 - Double(nearest.scores[2 * token + 1]))
      // A token on its centroid, and alone there, is neither well nor badly placed.
      let alone = clustering.counts[Int(clustering.labels[token])] == 1
      if next > 0, !alone { total += (next - own) / next }
    }
    return total / Double(tokens.count)
  }

  private func elbow(
    _ tokens: Vectors, _ limit: Int, on device: any Device, _ control: RunControl
  ) throws(TesseraError) -> Clustering {
    let sizes = Self.candidates(upTo: max(2, min(limit, tokens.count)))
    var clusterings = [try cluster(tokens, 1, on: device)]
    for (index, count) in sizes.enumerated() where count <= tokens.count {
      clusterings.append(try cluster(tokens, count, on: device))
      try control.report("\(count) codewords", done: Double(index + 1) / Double(sizes.count + 1))
    }
    let errors = clusterings.map { $0.objectives.last ?? 0 }
    let first = errors[0]
    let last = errors[errors.count - 1]
    var best = (index: 0, depth: 0.0)
    // Sizes grow by about the same factor, so their place in the list is their logarithm.
    for (index, error) in errors.enumerated() {
      let line = first + (last - first) * Double(index) / Double(max(1, errors.count - 1))
      if line - error > best.depth { best = (index, line - error) }
    }
    return clusterings[best.index]
  }
}
