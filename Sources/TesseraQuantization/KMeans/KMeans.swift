public import TesseraCompute

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
  /// - Parameter progress: Called after each iteration with the number done and the objective. What
  ///   it throws ends the work.
  /// - Throws: `.invalidArgument` and `.unsupported` for options without a meaning, `.invalidShape`
  ///   for more clusters than points, `.nonFinite`, `.outOfMemory`, `.deviceFailure`, and
  ///   `.cancelled` in a task that is.
  public func cluster(
    _ points: Vectors, on device: any Device,
    progress: (_ iteration: Int, _ objective: Double) throws(TesseraError) -> Void = { _, _ in }
  ) throws(TesseraError) -> Clustering {
    try options.check(against: points)
    var notes: [TrainingNote] = []
    let sample = sampled(points, &notes)
    let training = try TrainingPoints(
      sample.map { rows throws(TesseraError) in try points.gathering(rows) } ?? points,
      metric: options.metric,
      weights: sample.map { rows in options.weights.map { all in rows.map { all[Int($0)] } } }
        ?? options.weights,
      memoryLimit: options.memoryLimit, on: device)
    var best: KMeansRun?
    var ends: [Double] = []
    for restart in 0..<options.restarts {
      var random =
        restart == 0
        ? SplitMix64(seed: options.seed)
        : SplitMix64(seed: options.seed, stream: UInt64(restart))
      let found = try run(training, &random, progress: progress)
      ends.append(found.assignment.objective)
      if best.map({ found.assignment.objective < $0.assignment.objective }) ?? true {
        best = found
      }
    }
    guard let best else { preconditionFailure("at least one run was checked for") }
    var assignment = best.assignment
    if sample != nil {
      let all = try TrainingPoints(
        points, metric: options.metric, weights: options.weights,
        memoryLimit: options.memoryLimit, on: device)
      assignment = try PointAssignment(all).assign(to: best.centroids)
    }
    return Clustering(
      clusterCount: options.clusterCount, dimension: points.dimension, metric: options.metric,
      centroids: best.centroids, labels: assignment.labels, counts: assignment.counts,
      finalObjective: assignment.objective, history: best.history, converged: best.converged,
      restartObjectives: ends, notes: notes)
  }

  private func run(
    _ points: TrainingPoints, _ random: inout SplitMix64, progress: KMeansProgress
  ) throws(TesseraError) -> KMeansRun {
    let frozen = Set(options.frozen)
    switch options.algorithm {
    case .lloyd:
      let centroids = try start(points, &random)
      return try Lloyd(
        points: points, iterations: options.iterations, tolerance: options.tolerance,
        frozen: frozen
      ).run(from: centroids, progress: progress)
    case .miniBatch(let size):
      let centroids = try start(points, &random)
      return try MiniBatch(
        points: points, size: size, iterations: options.iterations, frozen: frozen
      ).run(from: centroids, &random, progress: progress)
    case .hierarchical:
      return try HierarchicalKMeans(points: points, options: options)
        .run(&random, progress: progress)
    case .exact1D:
      let numbers = points.values(0..<points.count)
      let centroids = try ExactKMeans1D(numbers, weights: points.weights)
        .centroids(options.clusterCount)
      return KMeansRun(
        centroids: centroids, assignment: try PointAssignment(points).assign(to: centroids),
        converged: true)
    }
  }

  private func start(
    _ points: TrainingPoints, _ random: inout SplitMix64
  ) throws(TesseraError) -> [Float] {
    try KMeansStart(points: points, clusterCount: options.clusterCount)
      .centroids(options.initialization, &random)
  }

  /// The points to train on, where those are not all; then a note says so.
  private func sampled(_ points: Vectors, _ notes: inout [TrainingNote]) -> [Int32]? {
    guard let limit = options.trainingSampleLimit, limit < points.count else { return nil }
    notes.append(
      TrainingNote(
        quantizer: "k-means", knob: "trainingSampleLimit",
        effect: "trained on \(limit) of \(points.count) points"))
    // A stream of its own: the start is drawn as it is without a limit.
    var random = SplitMix64(seed: options.seed, stream: .max)
    return random.nextIndices(limit, below: points.count).sorted()
  }
}
