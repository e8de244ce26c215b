import TesseraCompute
internal import TesseraHost

/// Holds the result of a run from one start.
struct KMeansRun {
  var centroids: [Float]
  var assignment: Assignment
  var history: [Clustering.Iteration] = []
  var converged = false
}

/// Is called after each iteration and may end the work by throwing.
typealias KMeansProgress = (_ iteration: Int, _ objective: Double) throws(TesseraError) -> Void

/// Lloyd's algorithm from given centroids.
struct Lloyd {
  let points: TrainingPoints
  let iterations: Int
  let tolerance: Double
  let frozen: Set<Int>

  func run(
    from start: [Float], progress: KMeansProgress
  ) throws(TesseraError) -> KMeansRun {
    let assigning = try PointAssignment(points)
    var centroids = start
    let first = try assigning.assign(repairing: &centroids, frozen: frozen)
    var run = KMeansRun(centroids: centroids, assignment: first)
    while run.history.count < iterations, !run.converged {
      try StopSignal.check()
      let clock = ContinuousClock.now
      let previous = run.assignment
      run.centroids = try points.means(previous, old: run.centroids, frozen: frozen)
      run.assignment = try assigning.assign(repairing: &run.centroids, frozen: frozen)
      let moved = run.assignment.moved(since: previous)
      run.history.append(run.assignment.iteration(moved: moved, since: clock))
      try progress(run.history.count, run.assignment.objective)
      let gain = previous.objective - run.assignment.objective
      run.converged = moved == 0 || (tolerance > 0 && gain <= tolerance * previous.objective)
    }
    return run
  }
}

extension Assignment {
  func iteration(
    objective: Double? = nil, moved: Int, since clock: ContinuousClock.Instant
  ) -> Clustering.Iteration {
    Clustering.Iteration(
      objective: objective ?? self.objective, movedPoints: moved,
      imbalance: Clustering.imbalance(counts),
      seconds: clock.duration(to: .now) / .seconds(1))
  }
}
