import TesseraCompute
internal import TesseraHost

/// Mini-batch k-means (Sculley, Web-scale k-means clustering, 2010): centroids move towards the
/// points of random batches, at a rate of one over the weight they have seen.
struct MiniBatch {
  let points: TrainingPoints
  let size: Int
  let iterations: Int
  let frozen: Set<Int>
  let times: PhaseTimes

  func run(
    from start: [Float], _ random: inout SplitMix64, control: RunControl
  ) throws(TesseraError) -> KMeansRun {
    var centroids = start
    var seen = [Double](repeating: 0, count: start.count / points.dimension)
    var labels = [Int32](repeating: -1, count: points.count)
    var history: [Clustering.Iteration] = []
    let total = points.weights?.reduce(0) { $0 + Double($1) } ?? Double(points.count)
    for iteration in 0..<iterations {
      try StopSignal.check()
      let clock = ContinuousClock.now
      let rows = try random.nextSample(min(size, points.count), below: points.count)
      let batch = try points.subset(rows)
      let found = try PointAssignment(batch).assign(to: centroids)
      try update(&centroids, &seen, batch, found)
      var moved = 0
      for (row, label) in zip(rows, found.labels) where labels[Int(row)] != label {
        labels[Int(row)] = label
        moved += 1
      }
      let weight = batch.weights?.reduce(0) { $0 + Double($1) } ?? Double(rows.count)
      let objective = weight > 0 ? found.objective * total / weight : 0
      history.append(found.iteration(objective: objective, moved: moved, since: clock))
      try control.report(
        "iteration \(iteration + 1) of \(iterations)",
        done: Double(iteration + 1) / Double(iterations), objective: objective)
    }
    let assignment = try times.measure(\.finalAssignment) { () throws(TesseraError) in
      try PointAssignment(points).assign(repairing: &centroids, frozen: frozen)
    }
    return KMeansRun(centroids: centroids, assignment: assignment, history: history)
  }

  /// Moves each centroid to the mean of what it has seen so far.
  private func update(
    _ centroids: inout [Float], _ seen: inout [Double], _ batch: TrainingPoints,
    _ found: Assignment
  ) throws(TesseraError) {
    let dimension = batch.dimension
    var sums = ClusterSums(
      clusterCount: seen.count, dimension: dimension, workers: batch.device.hostWorkers)
    try batch.forEachChunk { range, values throws(TesseraError) in
      try sums.add(values, labels: found.labels[range], weights: batch.pulls(range))
    }
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
