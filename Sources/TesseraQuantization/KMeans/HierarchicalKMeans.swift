import TesseraCompute

/// Few clusters first, each split into its share of all, then Lloyd's algorithm from there.
struct HierarchicalKMeans {
  /// Updates over all points and clusters at the end.
  private static let lastIterations = 2

  let points: TrainingPoints
  let options: KMeans.Options

  func run(
    _ random: inout SplitMix64, progress: KMeansProgress
  ) throws(TesseraError) -> KMeansRun {
    let groups = Int(Double(options.clusterCount).squareRoot().rounded())
    let coarse = try lloyd(points, options.iterations, clusters: groups, &random, progress)
    let shares = Self.shares(options.clusterCount, of: coarse.assignment.counts)
    var members = [[Int32]](repeating: [], count: groups)
    for (point, label) in coarse.assignment.labels.enumerated() {
      members[Int(label)].append(Int32(point))
    }
    var centroids: [Float] = []
    for group in 0..<groups where shares[group] > 0 {
      let part = try points.subset(members[group])
      centroids += try lloyd(part, options.iterations, clusters: shares[group], &random) {
        _, objective throws(TesseraError) in
        try progress(coarse.history.count, objective)
      }.centroids
    }
    return try Lloyd(
      points: points, iterations: min(Self.lastIterations, options.iterations),
      tolerance: options.tolerance, frozen: []
    ).run(from: centroids) { iteration, objective throws(TesseraError) in
      try progress(coarse.history.count + iteration, objective)
    }
  }

  private func lloyd(
    _ part: TrainingPoints, _ iterations: Int, clusters: Int, _ random: inout SplitMix64,
    _ progress: KMeansProgress
  ) throws(TesseraError) -> KMeansRun {
    let start = try KMeansStart(points: part, clusterCount: clusters)
      .centroids(options.initialization, &random)
    return try Lloyd(
      points: part, iterations: iterations, tolerance: options.tolerance, frozen: []
    ).run(from: start, progress: progress)
  }

  /// `total` clusters shared out by numbers of points, at least one and at most as many as there
  /// are points to each group that has any: by rounding down, then by the largest remainder.
  static func shares(_ total: Int, of counts: [Int]) -> [Int] {
    let points = counts.reduce(0, +)
    var shares = counts.map { count in
      count == 0 ? 0 : min(count, max(1, total * count / points))
    }
    var left = total - shares.reduce(0, +)
    while left != 0 {
      // The clusters that each coarse cluster deserves beyond those it has; ties by the lower one.
      let wanting = counts.indices
        .filter { left > 0 ? shares[$0] < counts[$0] : shares[$0] > 1 }
        .map { (Double(total) * Double(counts[$0]) / Double(points) - Double(shares[$0]), $0) }
      let best =
        left > 0
        ? wanting.max { ($0.0, -$0.1) < ($1.0, -$1.1) }
        : wanting.min { ($0.0, $0.1) < ($1.0, $1.1) }
      guard let (_, group) = best else { break }
      shares[group] += left.signum()
      left -= left.signum()
    }
    return shares
  }
}
