public import TesseraCompute
internal import TesseraHost

// k-means of rows that lie on many machines: pure functions, which an engine may run where and as often as
// it likes. What they come to is, byte for byte, what `cluster` gives on one machine with the same options.
//
//     let start = try kMeans.start(from: rows(try kMeans.startRows(of: count)), of: count, on: device)
//     repeat {
//       let parts = ...    // on each machine: kMeans.partial(its rows, firstRow: ..., centroids: ...)
//       let step = try KMeansPartial.merging(parts).step(ofAll: count, from: centroids)
//       centroids = step.centroids
//     } while ...

extension KMeans {
  /// Returns the numbers of the rows that centroids start from, of `rowCount` rows: the seed alone decides.
  ///
  /// - Throws: `.invalidArgument` and `.invalidShape` as ``cluster(_:on:control:)``, `.unsupported` for a
  ///   start that looks at all rows.
  public func startRows(of rowCount: Int) throws(TesseraError) -> [Int] {
    var random = SplitMix64(seed: options.seed)
    return try startRows(of: rowCount, &random)
  }

  /// Returns the centroids to start from: those that ``cluster(_:on:control:)`` starts from.
  ///
  /// - Parameters:
  ///   - rows: The rows that ``startRows(of:)`` names, in its order; ``Options/weights`` are theirs.
  ///   - rowCount: All rows that there are.
  /// - Throws: As ``startRows(of:)``; `.invalidShape` for another number of rows, `.nonFinite`, and what the
  ///   device throws.
  public func start(
    from rows: Vectors, of rowCount: Int, on device: any Device, control: RunControl = RunControl()
  ) throws(TesseraError) -> [Float] {
    var random = SplitMix64(seed: options.seed)
    let expected = try startRows(of: rowCount, &random).count
    guard rows.count == expected, rows.dimension > 0 else {
      throw TesseraError(
        .invalidShape,
        "k-means: \(rows.count) rows of \(rows.dimension) dimensions to start from, expected the "
          + "\(expected) that startRows names")
    }
    try options.checkChunkWeights(count: rows.count)
    let start = random
    return try control.steer(on: device) { device throws(TesseraError) in
      let points = try TrainingPoints(
        rows, metric: options.metric, weights: options.weights, memoryLimit: options.memoryLimit,
        on: device)
      var random = start
      if case .random = options.initialization {
        return points.scale.unscaled(points.centroids(at: (0..<Int32(rows.count)).map(\.self)))
      }
      return points.scale.unscaled(
        try KMeansStart.spread(options.clusterCount, among: points, &random, control))
    }
  }

  private func startRows(
    of rowCount: Int, _ random: inout SplitMix64
  ) throws(TesseraError) -> [Int] {
    let count = options.clusterCount
    guard count >= 1, rowCount >= count else {
      throw TesseraError(
        count < 1 ? .invalidArgument : .invalidShape,
        "k-means: \(count) clusters of \(rowCount) rows; ask for at least 1, and at most as many as there "
          + "are rows")
    }
    guard count <= Int(Int32.max) else {
      throw TesseraError(
        .unsupported, "k-means: \(count) clusters are more than \(Int32.max); ask for fewer")
    }
    try options.checkMachines()
    switch options.initialization {
    case .random:
      return random.nextIndices(count, below: rowCount, as: Int.self)
    case .kMeansPlusPlus:
      let sample = KMeansStart.sampleSize(count)
      guard sample < rowCount else { return Array(0..<rowCount) }
      return random.nextIndices(sample, below: rowCount, as: Int.self).sorted()
    case .kMeansParallel, .given:
      throw TesseraError(
        .unsupported,
        "k-means: k-means|| and given centroids need no rows to start from on many machines; start by "
          + "k-means++ or at random, or from your own centroids at once")
    }
  }

  /// Returns what some rows say about centroids, and all that other machines need to know of them.
  ///
  /// - Parameters:
  ///   - rows: Whole chunks of ``Options/chunkRows`` rows; only the last chunk of all may be shorter.
  ///     ``Options/weights`` are theirs.
  ///   - firstRow: The number of the first of them among all rows, a multiple of the chunk's.
  ///   - centroids: As many as there are clusters, the same on every machine.
  /// - Complexity: O(rows * clusters * dimension).
  /// - Throws: `.invalidArgument` for options without a meaning, no chunks among them, and a first row that
  ///   begins no chunk; `.invalidShape` for no rows and centroids of other shapes; `.nonFinite`, and what the
  ///   device throws.
  public func partial(
    _ rows: Vectors, firstRow: Int, centroids: Vectors, on device: any Device,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> KMeansPartial {
    try options.checkMachines()
    let chunkRows = try options.chunk(of: rows, firstRow: firstRow)
    guard centroids.count > 0, centroids.count == options.clusterCount,
      centroids.dimension == rows.dimension
    else {
      throw TesseraError(
        .invalidShape,
        "k-means: the centroids are \(centroids.count) x \(centroids.dimension), expected "
          + "\(options.clusterCount) x \(rows.dimension)")
    }
    try Shapes.requireFinite(centroids, "k-means: centroids")
    try Options.checkMemory(options.memoryLimit, rows)
    try options.checkChunkWeights(count: rows.count)
    return try control.steer(on: device) { device throws(TesseraError) in
      var partial = KMeansPartial(
        clusterCount: centroids.count, dimension: rows.dimension, metric: options.metric,
        chunkRows: chunkRows, centroids: KMeansPartial.checksum(centroids.widened()))
      for start in stride(from: 0, to: rows.count, by: chunkRows) {
        let chunk = start..<min(start + chunkRows, rows.count)
        try control.report("chunks", done: Double(start) / Double(rows.count))
        let points = try TrainingPoints(
          rows.rows(chunk), metric: options.metric,
          weights: options.weights.map { Array($0[chunk]) }, memoryLimit: options.memoryLimit,
          comparedWith: centroids, on: device)
        try partial.insert(points, comparedWith: centroids, firstRow: firstRow + start)
      }
      try control.report("chunks", done: 1)
      return partial
    }
  }
}

extension KMeansPartial {
  /// Adds the points of one chunk.
  fileprivate mutating func insert(
    _ points: TrainingPoints, comparedWith centroids: Vectors, firstRow: Int
  ) throws(TesseraError) {
    let assignment = try PointAssignment(points)
      .assign(to: points.trained(centroids: centroids))
    var totals = try points.totals(assignment)
    let inverse = 1 / Double(points.scale.factor)
    for index in totals.sums.indices { totals.sums[index] *= inverse }
    let emptyCount = assignment.counts.count { $0 == 0 }
    let far = emptyCount > 0 ? try points.farthest(emptyCount, in: assignment) : []
    try insert(
      .init(
        first: firstRow / chunkRows,
        ClusterStatistics(
          sums: totals, counts: assignment.counts, objective: assignment.objective)),
      farthest: far.map { point, values in
        FarRow(
          row: firstRow + point, distance: assignment.distances[point],
          values: points.scale.unscaled(values))
      })
  }

  /// What follows from the rows of all machines.
  public struct Step: Sendable, Hashable {
    /// The centroids to go on with, `clusterCount` x dimension.
    public let centroids: [Float]
    /// Rows that the old centroids were nearest to.
    public let counts: [Int]
    /// The objective of the old centroids, as ``Clustering/finalObjective``.
    public let objective: Double
    /// True if clusters without rows were moved to the rows farthest from their centroids, and the others
    /// stayed: no update, and the rows are to be looked at again before one.
    public let isRepair: Bool
    /// True if the new centroids are the old ones, so that nothing will change any more.
    public let converged: Bool
  }

  /// Returns the centroids that follow from what all rows say about `centroids`: the mean of each cluster's
  /// rows; or, where clusters have none, other places for these.
  ///
  /// - Parameters:
  ///   - rowCount: All rows that there are.
  ///   - centroids: Those that the rows were compared with.
  /// - Throws: `.invalidShape` unless all rows are there, and for centroids of another shape;
  ///   `.invalidArgument` for other centroids than those.
  public func step(ofAll rowCount: Int, from centroids: Vectors) throws(TesseraError) -> Step {
    guard centroids.count == clusterCount, centroids.dimension == dimension else {
      throw TesseraError(
        .invalidShape,
        "k-means: the centroids are \(centroids.count) x \(centroids.dimension), expected "
          + "\(clusterCount) x \(dimension)")
    }
    var old = centroids.widened()
    guard Self.checksum(old) == self.centroids else {
      throw TesseraError(
        .invalidArgument,
        "k-means: the partial result was made with other centroids; give those that it was made with"
      )
    }
    // As the points of one machine take given centroids.
    if metric != .squaredL2 {
      UnitLength.scale(&old, dimension: dimension, tolerance: 0x1p-21)
    }
    let statistics = try statistics(ofAll: rowCount)
    let isRepair = !farthest.isEmpty
    var new = old
    if isRepair {
      for (cluster, seed) in zip(emptyClusters, farthest) {
        new.replaceSubrange(cluster * dimension..<(cluster + 1) * dimension, with: seed.values)
      }
    } else {
      new = statistics.sums.means(metric, old: old, frozen: [])
    }
    return Step(
      centroids: new, counts: statistics.counts, objective: statistics.objective,
      isRepair: isRepair, converged: new == old)
  }
}

extension KMeans.Options {
  /// Refuses what many machines cannot do together.
  fileprivate func checkMachines() throws(TesseraError) {
    try checkChunks()
    guard algorithm == .lloyd, restarts == 1, frozen.isEmpty, trainingSampleLimit == nil else {
      throw TesseraError(
        .unsupported,
        "k-means: many machines do Lloyd's algorithm with all rows, once and with all centroids; leave "
          + "algorithm, restarts, frozen and trainingSampleLimit as they are")
    }
  }

  /// Returns the rows of a chunk, once it is clear that `rows` are chunks.
  fileprivate func chunk(of rows: Vectors, firstRow: Int) throws(TesseraError) -> Int {
    guard let chunkRows else {
      throw TesseraError(
        .invalidArgument, "k-means: set the rows of a chunk (chunkRows), the same on every machine")
    }
    guard rows.count > 0, rows.dimension > 0 else {
      throw TesseraError(.invalidShape, "k-means: there are no rows to look at")
    }
    guard firstRow >= 0, firstRow % chunkRows == 0, firstRow <= .max / 2 - rows.count,
      chunkRows <= .max / 4
    else {
      throw TesseraError(
        .invalidArgument,
        "k-means: row \(firstRow) begins no chunk of \(chunkRows) rows; give whole chunks")
    }
    guard rows.count <= Int(Int32.max) else {
      throw TesseraError(
        .unsupported, "k-means: \(rows.count) rows at once are more than \(Int32.max); give fewer")
    }
    return chunkRows
  }

  /// Checks the weights of some of all rows, which may all be 0.
  fileprivate func checkChunkWeights(count: Int) throws(TesseraError) {
    guard let weights, weights.count != count || !weights.allSatisfy({ $0 == 0 }) else { return }
    try Self.checkWeights(weights, count: count)
  }
}
