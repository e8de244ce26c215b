import TesseraCompute
internal import TesseraHost

/// Few clusters first, each split into its share of all, then Lloyd's algorithm from there.
struct HierarchicalKMeans {
  /// Updates over all points and clusters at the end.
  private static let lastIterations = 2

  let points: TrainingPoints
  let options: KMeans.Options
  let times: PhaseTimes

  func run(
    _ random: inout SplitMix64, control: RunControl
  ) throws(TesseraError) -> KMeansRun {
    let coarseCount = Int(Double(options.clusterCount).squareRoot().rounded())
    let coarse = try lloyd(
      points, clusters: coarseCount, &random,
      control.stage("\(coarseCount) clusters", 0...0.3))
    let shares = Self.shares(options.clusterCount, of: coarse.assignment.counts)
    var members = [[Int32]](repeating: [], count: coarseCount)
    try StopSignal.checkEvery(Assignment.run, of: points.count) { range in
      for point in range { members[Int(coarse.assignment.labels[point])].append(Int32(point)) }
    }
    var centroids: [Float] = []
    var done = 0.3
    for cluster in 0..<coarseCount where shares[cluster] > 0 {
      try StopSignal.check()
      let next = done + 0.5 * Double(members[cluster].count) / Double(points.count)
      centroids += try lloyd(
        points.subset(members[cluster]), clusters: shares[cluster], &random,
        control.stage("split \(cluster + 1) of \(coarseCount)", done...max(done, next))
      ).centroids
      done = max(done, next)
    }
    return try Lloyd(
      points: points, iterations: min(Self.lastIterations, options.iterations),
      tolerance: options.tolerance, frozen: [], times: times
    ).run(from: centroids, control: control.stage("", min(done, 1)...1))
  }

  private func lloyd(
    _ members: TrainingPoints, clusters: Int, _ random: inout SplitMix64, _ control: RunControl
  ) throws(TesseraError) -> KMeansRun {
    let start = try times.measure(\.seeding) { () throws(TesseraError) in
      try KMeansStart(points: members, clusterCount: clusters)
        .centroids(options.initialization, &random, control: control.stage("", 0...0.1))
    }
    return try Lloyd(
      points: members, iterations: options.iterations, tolerance: options.tolerance, frozen: [],
      times: times
    ).run(from: start, control: control.stage("", 0.1...1))
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
