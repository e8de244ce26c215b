import TesseraCompute
internal import TesseraHost

/// The result of a run from one start; centroids are as the device sees them.
struct KMeansRun {
  var centroids: [Float]
  var assignment: Assignment
  var history: [Clustering.Iteration] = []
  var converged = false
}

/// Adds up what the phases of a training take.
final class PhaseTimes {
  private(set) var seconds = Clustering.Seconds()

  /// Runs `work` and adds its time to a phase's.
  func measure<Result>(
    _ phase: WritableKeyPath<Clustering.Seconds, Double>,
    _ work: () throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    let clock = ContinuousClock.now
    defer { seconds[keyPath: phase] += clock.duration(to: .now) / .seconds(1) }
    return try work()
  }
}

/// Lloyd's algorithm from given centroids.
struct Lloyd {
  let points: TrainingPoints
  let iterations: Int
  let tolerance: Double
  let frozen: Set<Int>
  let times: PhaseTimes

  func run(from start: [Float], control: RunControl) throws(TesseraError) -> KMeansRun {
    var centroids = start
    let (assigning, first) = try times.measure(\.firstAssignment) {
      () throws(TesseraError) -> (PointAssignment, Assignment) in
      let assigning = try PointAssignment(points)
      return (assigning, try assigning.assign(repairing: &centroids, frozen: frozen))
    }
    var run = KMeansRun(centroids: centroids, assignment: first)
    while run.history.count < iterations, !run.converged {
      try StopSignal.check()
      let clock = ContinuousClock.now
      let previous = run.assignment
      run.centroids = try points.means(previous, old: run.centroids, frozen: frozen)
      run.assignment = try assigning.assign(repairing: &run.centroids, frozen: frozen)
      let moved = try run.assignment.moved(since: previous)
      run.history.append(run.assignment.iteration(moved: moved, since: clock))
      try control.report(
        "iteration \(run.history.count) of \(iterations)",
        done: Double(run.history.count) / Double(iterations),
        objective: run.assignment.objective)
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
