public import TesseraCompute
internal import TesseraHost

/// k-means on the operations of a device.
///
/// Every step is either bit-identical on all devices by contract (assignment, cluster sums) or done
/// here in a fixed order, so centroids, labels and objective are too. A cluster that loses its last
/// point starts again at the point farthest from its centroid.
///
/// - Complexity: O(points * clusters * dimension) for the first iteration, less for those after
///   where the device remembers (``Assigner``); the points lie on the device as Float32, or where
///   memory is short pass through it block by block.
public struct KMeans: Sendable {
  /// The options that every call of ``cluster(_:on:progress:)`` uses.
  public let options: Options

  /// Takes the options as they are; they are checked against the points when these are known.
  public init(_ options: Options) { self.options = options }

  /// Groups `points` into `options.clusterCount` clusters.
  ///
  /// - Parameter control: Hears of each stage ("seeding", "iteration 3 of 20"), and of the objective
  ///   after each iteration; ends the work within a tenth of a second; says who takes over if the
  ///   device fails.
  /// - Throws: `.invalidArgument` and `.unsupported` for options without a meaning, `.invalidShape`
  ///   for more clusters than points, `.nonFinite`, `.outOfMemory`, `.deviceFailure`, `.cancelled`
  ///   and `.deadlineExceeded`.
  public func cluster(
    _ points: Vectors, on device: any Device, control: RunControl = RunControl()
  ) throws(TesseraError) -> Clustering {
    try options.check(against: points)
    return try control.steer(on: device) { device throws(TesseraError) in
      try train(points, on: device, control)
    }
  }

  private func train(
    _ points: Vectors, on device: any Device, _ control: RunControl
  ) throws(TesseraError) -> Clustering {
    var notes: [TrainingNote] = []
    let times = PhaseTimes()
    let sample = try sampled(points, &notes)
    let training = try times.measure(\.preparation) { () throws(TesseraError) in
      try TrainingPoints(
        sample.map { rows throws(TesseraError) in
          try points.gathering(rows, within: options.memoryLimit)
        } ?? points,
        metric: options.metric,
        weights: sample.map { rows in options.weights.map { all in rows.map { all[Int($0)] } } }
          ?? options.weights,
        memoryLimit: options.memoryLimit, comparedWith: givenCentroids,
        chunkRows: options.chunkRows, on: device)
    }
    var best: KMeansRun?
    var ends: [Double] = []
    for restart in 0..<options.restarts {
      var random =
        restart == 0
        ? SplitMix64(seed: options.seed)
        : SplitMix64(seed: options.seed, stream: UInt64(restart))
      let width = 0.95 / Double(options.restarts)
      let found = try run(
        training, &random, times,
        control.stage(
          options.restarts > 1 ? "start \(restart + 1) of \(options.restarts)" : "",
          Double(restart) * width...Double(restart + 1) * width))
      ends.append(found.assignment.objective)
      if best.map({ found.assignment.objective < $0.assignment.objective }) ?? true {
        best = found
      }
    }
    guard let best else { preconditionFailure("at least one run was checked for") }
    let centroids = training.scale.unscaled(best.centroids)
    var assignment = best.assignment
    if sample != nil {
      try control.report("final assignment", done: 0.95)
      assignment = try times.measure(\.finalAssignment) { () throws(TesseraError) in
        try Self.assignment(
          of: points, to: Vectors(centroids, dimension: points.dimension), metric: options.metric,
          weights: options.weights,
          memoryLimit: options.memoryLimit, chunkRows: options.chunkRows, on: device)
      }
    }
    try control.report("done", done: 1, objective: assignment.objective)
    return Clustering(
      clusterCount: options.clusterCount, dimension: points.dimension, metric: options.metric,
      centroids: centroids, labels: assignment.labels, counts: assignment.counts,
      finalObjective: assignment.objective, history: best.history, converged: best.converged,
      restartObjectives: ends, seconds: times.seconds, notes: notes)
  }

  /// Assigns `points` to `centroids`.
  static func assignment(
    of points: Vectors, to centroids: Vectors, metric: Metric, weights: [Float]?,
    memoryLimit: Int?, chunkRows: Int? = nil, on device: any Device
  ) throws(TesseraError) -> Assignment {
    let all = try TrainingPoints(
      points, metric: metric, weights: weights, memoryLimit: memoryLimit,
      comparedWith: centroids, chunkRows: chunkRows, on: device)
    return try PointAssignment(all).assign(to: all.trained(centroids: centroids))
  }

  private func run(
    _ points: TrainingPoints, _ random: inout SplitMix64, _ times: PhaseTimes,
    _ control: RunControl
  ) throws(TesseraError) -> KMeansRun {
    let frozen = Set(options.frozen)
    let updates = control.stage("", 0.1...1)
    switch options.algorithm {
    case .lloyd, .miniBatch:
      let centroids = try times.measure(\.seeding) { () throws(TesseraError) in
        try KMeansStart(points: points, clusterCount: options.clusterCount)
          .centroids(options.initialization, &random, control: control.stage("", 0...0.1))
      }
      if options.onlyAssigns {
        let assignment = try times.measure(\.firstAssignment) { () throws(TesseraError) in
          try PointAssignment(points).assign(to: centroids)
        }
        return KMeansRun(centroids: centroids, assignment: assignment)
      }
      if case .miniBatch(let size) = options.algorithm {
        return try MiniBatch(
          points: points, size: size, iterations: options.iterations, frozen: frozen, times: times
        ).run(from: centroids, &random, control: updates)
      }
      return try Lloyd(
        points: points, iterations: options.iterations, tolerance: options.tolerance,
        frozen: frozen, times: times
      ).run(from: centroids, control: updates)
    case .hierarchical:
      return try HierarchicalKMeans(points: points, options: options, times: times)
        .run(&random, control: control)
    case .exact1D:
      var numbers: [Float] = []
      try points.forEachChunk { numbers += $1 }
      let centroids = try ExactKMeans1D(numbers, weights: points.weights)
        .centroids(options.clusterCount)
      try control.report("final assignment", done: 0.9)
      let assignment = try times.measure(\.finalAssignment) { () throws(TesseraError) in
        try PointAssignment(points).assign(to: centroids)
      }
      return KMeansRun(centroids: centroids, assignment: assignment, converged: true)
    }
  }

  private var givenCentroids: Vectors? {
    if case .given(let centroids) = options.initialization { centroids } else { nil }
  }

  /// The points to train on, where those are not all; then a note says so.
  private func sampled(_ points: Vectors, _ notes: inout [TrainingNote]) throws(TesseraError)
    -> [Int32]?
  {
    guard let limit = options.trainingSampleLimit, limit < points.count else { return nil }
    notes.append(
      TrainingNote(
        quantizer: "k-means", knob: "trainingSampleLimit",
        effect: "trained on \(limit) of \(points.count) points"))
    // A stream of its own: the start is drawn as it is without a limit.
    var random = SplitMix64(seed: options.seed, stream: .max)
    return try random.nextSample(limit, below: points.count)
  }
}
