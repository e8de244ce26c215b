public import TesseraCompute

extension KMeans.Options {
  func check(against points: Vectors) throws(TesseraError) {
    try require(
      clusterCount >= 1, "\(clusterCount) clusters asked for, at least 1 is needed")
    try require(
      iterations >= 0 && tolerance >= 0,
      "iterations (\(iterations)) and tolerance (\(tolerance)) must not be negative")
    try require(restarts >= 1, "\(restarts) restarts, at least 1 is needed")
    try checkChunks()
    if let trainingSampleLimit {
      try require(
        trainingSampleLimit >= clusterCount,
        "trainingSampleLimit is \(trainingSampleLimit), fewer points than the \(clusterCount) "
          + "clusters; raise it")
    }
    try checkShapes(points)
    try Self.checkMemory(memoryLimit, points)
    if let weights { try Self.checkWeights(weights, count: points.count) }
    try checkStart(points)
    try checkAlgorithm(points)
  }

  private func require(
    _ holds: Bool, _ message: @autoclosure () -> String,
    _ code: TesseraError.Code = .invalidArgument
  ) throws(TesseraError) {
    try Self.require(holds, message(), code)
  }

  private static func require(
    _ holds: Bool, _ message: @autoclosure () -> String,
    _ code: TesseraError.Code = .invalidArgument
  ) throws(TesseraError) {
    guard holds else { throw TesseraError(code, "k-means: \(message())") }
  }

  /// True if centroids are given and stay, so that points are only assigned to them.
  var onlyAssigns: Bool {
    if case .given = initialization { iterations == 0 } else { false }
  }

  /// Refuses a limit that not even one point fits into.
  static func checkMemory(_ limit: Int?, _ points: Vectors) throws(TesseraError) {
    guard let limit else { return }
    let least = TrainingPoints.leastMemory(dimension: points.dimension)
    try require(
      limit >= least,
      "a memory limit of \(limit) bytes leaves no room for a point, which needs \(least); raise it")
  }

  private func checkShapes(_ points: Vectors) throws(TesseraError) {
    try require(points.dimension > 0, "the points have no dimensions", .invalidShape)
    try require(
      clusterCount <= points.count || onlyAssigns,
      "\(clusterCount) clusters asked of \(points.count) points; ask for at most as many clusters "
        + "as there are points", .invalidShape)
    try require(
      points.count <= Int(Int32.max),
      "\(points.count) points are more than \(Int32.max); use a sample", .unsupported)
  }

  /// Refuses what cannot be ``weights`` of `count` points, as ``KMeans/cluster(_:on:control:)``
  /// does.
  ///
  /// - Throws: `.invalidShape` for another number, `.nonFinite`, and `.invalidArgument` where one is
  ///   negative or all are 0.
  public static func checkWeights(_ weights: [Float], count: Int) throws(TesseraError) {
    try require(
      weights.count == count, "\(weights.count) weights for \(count) points", .invalidShape)
    if let bad = weights.firstIndex(where: { !$0.isFinite }) {
      throw TesseraError(
        .nonFinite, "k-means: the weight of point \(bad) is \(weights[bad]); repair it")
    }
    if let bad = weights.firstIndex(where: { $0 < 0 }) {
      try require(
        false, "the weight of point \(bad) is \(weights[bad]); weights must not be negative")
    }
    try require(weights.contains { $0 > 0 }, "all weights are 0; at least one must be more")
  }

  private func checkStart(_ points: Vectors) throws(TesseraError) {
    guard case .given(let centroids) = initialization else {
      try require(
        frozen.isEmpty, "centroids can be frozen only where they are given; give them")
      return
    }
    try require(
      centroids.count == clusterCount && centroids.dimension == points.dimension,
      "the given centroids are \(centroids.count) x \(centroids.dimension), expected "
        + "\(clusterCount) x \(points.dimension)", .invalidShape)
    try Shapes.requireFinite(centroids, "k-means: given centroids")
    if let bad = frozen.first(where: { !(0..<clusterCount).contains($0) }) {
      try require(
        false, "centroid \(bad) is to be frozen, and there are only 0..<\(clusterCount)")
    }
    try require(
      restarts == 1, "\(restarts) restarts from given centroids would all end alike; use 1")
  }

  func checkChunks() throws(TesseraError) {
    guard let chunkRows else { return }
    try require(chunkRows >= 1, "chunks of \(chunkRows) rows, at least 1 is needed")
    try require(
      algorithm == .lloyd,
      "rows are added up in chunks by Lloyd's algorithm only; leave chunkRows (\(chunkRows)) at nil"
    )
  }

  private func checkAlgorithm(_ points: Vectors) throws(TesseraError) {
    switch algorithm {
    case .lloyd: break
    case .miniBatch(let size):
      try require(size >= 1, "batches of \(size) points, at least 1 is needed")
      try require(
        tolerance == 0, "mini-batches do all iterations; leave the tolerance (\(tolerance)) at 0")
    case .hierarchical:
      if case .given = initialization {
        try require(false, "hierarchical k-means makes its own start; give no centroids")
      }
    case .exact1D:
      try require(
        points.dimension == 1 && metric == .squaredL2,
        "the exact algorithm is for points of 1 dimension and l2, these have "
          + "\(points.dimension) and \(metric.rawValue); use another algorithm")
      if case .given = initialization {
        try require(false, "the exact algorithm needs no start; give no centroids")
      }
      try require(
        restarts == 1 && tolerance == 0,
        "the exact algorithm finds the optimum at once; leave restarts (\(restarts)) at 1 and the "
          + "tolerance (\(tolerance)) at 0")
    }
  }
}
