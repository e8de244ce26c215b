public import ArgumentParser
public import Tessera

/// The options of `kmeans` that decide how points are grouped.
struct KMeansArguments: ParsableArguments {
  @Option(name: .customShort("k"), help: "Clusters to make; with --choose, the most to try.")
  var k: Int

  @Option(help: "Updates at most.")
  var iterations: Int = 20

  @Option(help: "Chooses the random start.")
  var seed: UInt64 = 1234

  @Option(help: "What near means: l2, cosine or ip.")
  var metric: Metric = .squaredL2

  @Option(help: "Start from the k centroids of this file.", completion: .file())
  var `init`: String?

  @Option(
    help: ArgumentHelp(
      "Given centroids that stay where they are: FIRST:END, as in 0:16.", valueName: "range"))
  var freeze: String?

  @Option(
    help: ArgumentHelp(
      "How to start without --init: plusplus (k-means++, the default), parallel (k-means||) or "
        + "random."))
  var start: Start?

  @Option(help: "lloyd, minibatch, hierarchical (for very many clusters) or exact (1 dimension).")
  var algorithm: Algorithm = .lloyd

  @Option(help: "Points of a batch of --algorithm minibatch.")
  var batchSize: Int?

  @Option(help: "How much each vector counts: a file of one number each.", completion: .file())
  var weights: String?

  @Option(help: "Runs from different starts, of which the best is kept.")
  var restarts: Int = 1

  @Option(help: "Stop when an update improves the objective by less than this share.")
  var tolerance: Double = 0

  @Option(
    help: ArgumentHelp(
      "Train on so many vectors, chosen at random; all are assigned.", valueName: "count"))
  var trainLimit: Int?

  @Option(help: "Try numbers of clusters up to -k and take the best by elbow or silhouette.")
  var choose: KMeans.CountCriterion?

  enum Start: String, ExpressibleByArgument, CaseIterable {
    case plusplus, parallel, random
  }

  enum Algorithm: String, ExpressibleByArgument, CaseIterable {
    case lloyd, minibatch, hierarchical, exact
  }

  func validate() throws {
    if k < 1 { throw ValidationError("-k is \(k), it must be at least 1") }
    if iterations < 0 {
      throw ValidationError("--iterations is \(iterations), it must be at least 0")
    }
    if !(tolerance >= 0) {
      throw ValidationError("--tolerance is \(tolerance), it must be at least 0")
    }
    if restarts < 1 { throw ValidationError("--restarts is \(restarts), it must be at least 1") }
    if start != nil, `init` != nil {
      throw ValidationError("--start and --init both say where centroids start; give one")
    }
    if freeze != nil, `init` == nil {
      throw ValidationError("--freeze needs the centroids of --init")
    }
    if (batchSize != nil) != (algorithm == .minibatch) {
      throw ValidationError("--algorithm minibatch and --batch-size need each other")
    }
    if let batchSize, batchSize < 1 {
      throw ValidationError("--batch-size is \(batchSize), it must be at least 1")
    }
    if choose != nil, `init` != nil {
      throw ValidationError("--choose tries several numbers of clusters, --init gives one")
    }
  }

  /// The options of the library.
  func options(pointCount: Int, memoryLimit: Int?) throws(TesseraError) -> KMeans.Options {
    let initial = try `init`.map { path throws(TesseraError) in try VectorFile.open(path) }
    let start: KMeans.Initialization =
      switch self.start ?? .plusplus {
      case .plusplus: .kMeansPlusPlus
      case .parallel: .kMeansParallel
      case .random: .random
      }
    return KMeans.Options(
      clusterCount: k, iterations: iterations, seed: seed, metric: metric,
      initialization: initial.map { .given($0) } ?? start, tolerance: tolerance,
      algorithm: chosenAlgorithm, weights: try openWeights(pointCount), restarts: restarts,
      frozen: try frozen(), trainingSampleLimit: trainLimit, memoryLimit: memoryLimit)
  }

  private var chosenAlgorithm: KMeans.Algorithm {
    switch algorithm {
    case .lloyd: .lloyd
    case .minibatch: .miniBatch(size: batchSize ?? 1)
    case .hierarchical: .hierarchical
    case .exact: .exact1D
    }
  }

  private func openWeights(_ pointCount: Int) throws(TesseraError) -> [Float]? {
    guard let weights else { return nil }
    let (_, columns, values) = try ScoreFile.open(weights)
    guard columns == 1 else {
      throw TesseraError(
        .invalidShape, "\(weights): \(columns) columns, expected one number for each vector")
    }
    do throws(TesseraError) {
      try KMeans.Options.checkWeights(values, count: pointCount)
    } catch {
      // The numbers of a file are data.
      throw TesseraError(
        error.code == .invalidArgument ? .malformedFile : error.code,
        "\(weights): \(error.message)")
    }
    return values
  }

  private func frozen() throws(TesseraError) -> [Int] {
    guard let freeze else { return [] }
    guard case .range(let range) = try RowSelection(freeze) else {
      throw TesseraError(
        .invalidArgument, "--freeze is \(freeze), expected FIRST:END, as in 0:16")
    }
    guard range.upperBound <= Int64(k) else {
      throw TesseraError(
        .invalidArgument, "--freeze is \(freeze), and there are only the centroids 0:\(k)")
    }
    return range.map(Int.init)
  }
}

extension KMeans.CountCriterion: ExpressibleByArgument {}
