import TesseraCompute
internal import TesseraHost

/// Mini-batch k-means (Sculley, Web-scale k-means clustering, 2010): centroids move towards the
/// points of random batches, at a rate of one over the weight they have seen.
struct MiniBatch {
  let points: TrainingPoints
  let size: Int
  let iterations: Int
  let frozen: Set<Int>

  func run(
    from start: [Float], _ random: inout SplitMix64, progress: KMeansProgress
  ) throws(TesseraError) -> KMeansRun {
    var centroids = start
    var seen = [Double](repeating: 0, count: start.count / points.dimension)
    var labels = [Int32](repeating: -1, count: points.count)
    var history: [Clustering.Iteration] = []
    let total = points.weights?.reduce(0) { $0 + Double($1) } ?? Double(points.count)
    for iteration in 0..<iterations {
      try StopSignal.check()
      let clock = ContinuousClock.now
      let rows = random.nextIndices(min(size, points.count), below: points.count).sorted()
      let batch = try points.subset(rows)
      let found = try PointAssignment(batch).assign(to: centroids)
      update(&centroids, &seen, batch, found)
      var moved = 0
      for (row, label) in zip(rows, found.labels) where labels[Int(row)] != label {
        labels[Int(row)] = label
        moved += 1
      }
      let weight = batch.weights?.reduce(0) { $0 + Double($1) } ?? Double(rows.count)
      let objective = weight > 0 ? found.objective * total / weight : 0
      history.append(found.iteration(objective: objective, moved: moved, since: clock))
      try progress(iteration + 1, objective)
    }
    let assignment = try PointAssignment(points).assign(repairing: &centroids, frozen: frozen)
    return KMeansRun(centroids: centroids, assignment: assignment, history: history)
  }

  /// Moves each centroid to the mean of what it has seen so far.
  private func update(
    _ centroids: inout [Float], _ seen: inout [Double], _ batch: TrainingPoints,
    _ found: Assignment
  ) {
    let dimension = batch.dimension
    var sums = ClusterSums(clusterCount: seen.count, dimension: dimension)
    sums.add(
      batch.values(0..<batch.count), labels: found.labels[...], weights: batch.weights?[...])
    let totals = sums.finish()
    for cluster in seen.indices where sums.masses[cluster] > 0 && !frozen.contains(cluster) {
      let mass = sums.masses[cluster]
      let (before, after) = (seen[cluster], seen[cluster] + mass)
      seen[cluster] = after
      for d in cluster * dimension..<(cluster + 1) * dimension {
        centroids[d] = Float((Double(centroids[d]) * before + totals[d]) / after)
      }
    }
    if batch.metric != .squaredL2 {
      centroids = UnitLength.scaled(centroids, dimension: dimension)
    }
  }
}
