public import TesseraCompute
internal import TesseraHost

extension KMeans {
  /// Chooses the measure that numbers of clusters are judged by.
  public enum CountCriterion: String, Sendable, CaseIterable {
    /// The number at which the curve of objectives bends most: its point farthest below the line
    /// from its first to its last (Satopää and others, Kneedle, 2011). Depends on where those are.
    case elbow
    /// The largest mean silhouette (Rousseeuw 1987) of a sample: how much nearer points are to
    /// their own cluster's than to the next cluster's.
    case silhouette
  }

  /// One number of clusters that was tried.
  public struct CountTrial: Sendable, Hashable {
    /// The number of clusters that was tried.
    public let clusterCount: Int
    /// The objective that it ended with.
    public let objective: Double
    /// Between -1 and 1; only where asked for.
    public let silhouette: Double?
  }

  /// The number of clusters chosen, and all that were tried, fewest first.
  public struct CountChoice: Sendable, Hashable {
    /// The number that was chosen.
    public let clusterCount: Int
    /// Every number that was tried, fewest clusters first.
    public let trials: [CountTrial]
  }

  /// The number of clusters, of `candidates`, that suits `points` best.
  ///
  /// - Parameters:
  ///   - options: Everything but the number of clusters.
  ///   - silhouetteSample: Points whose silhouettes are looked at, 2 or more, among each other.
  ///   - control: Hears of each candidate's progress, and ends the work.
  /// - Complexity: A clustering for each candidate; for silhouettes `silhouetteSample²` distances
  ///   too.
  /// - Throws: `.invalidArgument` for fewer than 2 candidates (3 for the elbow), for one below 2
  ///   with silhouettes, which a single cluster has not, and what ``cluster(_:on:control:)`` throws.
  public static func chooseClusterCount(
    of points: Vectors, among candidates: [Int], by criterion: CountCriterion, options: Options,
    silhouetteSample: Int = 2000, on device: any Device, control: RunControl = RunControl()
  ) throws(TesseraError) -> CountChoice {
    let counts = Set(candidates).sorted()
    let fewest = criterion == .elbow ? 3 : 2
    guard counts.count >= fewest, counts[0] >= (criterion == .elbow ? 1 : 2), silhouetteSample >= 2
    else {
      throw TesseraError(
        .invalidArgument,
        "k-means: \(criterion.rawValue) needs at least \(fewest) numbers of clusters"
          + (criterion == .silhouette ? ", all above 1, and 2 points" : "") + "; got \(counts)")
    }
    // The largest first, so that too many clusters are refused by the number asked for.
    var largest = options
    largest.clusterCount = counts[counts.count - 1]
    try largest.check(against: points)
    return try control.stop.govern { () throws(TesseraError) in
      let silhouette =
        criterion == .silhouette
        ? try Silhouette(
          points, metric: options.metric, limit: silhouetteSample, seed: options.seed, on: device)
        : nil
      // Work grows with the number of clusters.
      let total = Double(counts.reduce(0, +))
      var (trials, done): ([CountTrial], Double) = ([], 0)
      for count in counts {
        var options = options
        options.clusterCount = count
        let next = done + Double(count)
        let found = try KMeans(options).cluster(
          points, on: device,
          control: control.stage("\(count) clusters", done / total...next / total))
        done = next
        trials.append(
          CountTrial(
            clusterCount: count, objective: found.finalObjective,
            silhouette: try silhouette?.mean(found.labels, clusterCount: count)))
      }
      return choice(trials, by: criterion)
    }
  }

  private static func choice(_ trials: [CountTrial], by criterion: CountCriterion) -> CountChoice {
    let best =
      criterion == .elbow
      ? elbow(trials)
      : trials.indices.max {
        (trials[$0].silhouette ?? -1, -$0) < (trials[$1].silhouette ?? -1, -$1)
      } ?? 0
    return CountChoice(clusterCount: trials[best].clusterCount, trials: trials)
  }

  private static func elbow(_ trials: [CountTrial]) -> Int {
    let (first, last) = (trials[0], trials[trials.count - 1])
    let width = Double(last.clusterCount - first.clusterCount)
    let height = first.objective - last.objective
    guard height > 0 else { return 0 }
    let depths = trials.map { trial in
      let across = Double(trial.clusterCount - first.clusterCount) / width
      return (1 - across) - (trial.objective - last.objective) / height
    }
    return depths.indices.max { (depths[$0], -$0) < (depths[$1], -$1) } ?? 0
  }
}

/// Distances among a sample of points.
struct Silhouette {
  private let rows: [Int32]
  /// `rows.count` squared.
  private let distances: [Double]

  init(
    _ points: Vectors, metric: Metric, limit: Int, seed: UInt64, on device: any Device
  ) throws(TesseraError) {
    var random = SplitMix64(seed: seed, stream: .max - 1)
    rows = try random.nextSample(min(limit, points.count), below: points.count)
    let sample = try points.gathering(rows, within: nil)
    // Directions are what spherical clusters are made of.
    let measure: Metric = metric == .squaredL2 ? .squaredL2 : .cosine
    let set = try device.prepare(sample, metric: measure)
    // Each search makes as many hits as a step should look through.
    let block = max(1, (1 << 20) / rows.count)
    var distances: [Double] = []
    distances.reserveCapacity(rows.count * rows.count)
    var row = [Double](repeating: 0, count: rows.count)
    for start in stride(from: 0, to: rows.count, by: block) {
      try StopSignal.check()
      let found = try device.nearest(
        sample.rows(start..<min(start + block, rows.count)), in: set, k: rows.count)
      for query in 0..<found.queryCount {
        for hit in query * rows.count..<(query + 1) * rows.count {
          let score = Double(found.scores[hit])
          row[Int(found.ids[hit])] =
            measure == .squaredL2 ? score.squareRoot() : max(0, 1 - score)
        }
        distances += row
      }
    }
    self.distances = distances
  }

  /// The mean silhouette of the sample; points alone in their cluster have 0.
  func mean(_ labels: [Int32], clusterCount: Int) throws(TesseraError) -> Double {
    let own = rows.map { Int(labels[Int($0)]) }
    var counts = [Int](repeating: 0, count: clusterCount)
    for cluster in own { counts[cluster] += 1 }
    var total = 0.0
    for point in rows.indices where counts[own[point]] > 1 {
      try StopSignal.check()
      var sums = [Double](repeating: 0, count: clusterCount)
      for other in rows.indices {
        sums[own[other]] += distances[point * rows.count + other]
      }
      let near = sums[own[point]] / Double(counts[own[point]] - 1)
      var next = Double.infinity
      for cluster in sums.indices where cluster != own[point] && counts[cluster] > 0 {
        next = min(next, sums[cluster] / Double(counts[cluster]))
      }
      let larger = max(near, next)
      if larger > 0, next.isFinite { total += (next - near) / larger }
    }
    return total / Double(rows.count)
  }
}
