import ArgumentParser
import Tessera

struct KMeansCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kmeans",
    abstract: "Group vectors into k clusters.",
    discussion: """
      Lloyd's algorithm. Equal seeds give the same bytes on every device. The
      objective is the sum of squared distances (l2) or of 1 - similarity (cosine,
      spherical k-means).

      Examples:
        tessera kmeans --input base.fbin -k 256 --out centroids.npy
        tessera kmeans --input base.npy -k 1000 --iterations 50 \\
          --metric cosine --out centroids.npy --assignments labels.npy
        tessera kmeans --input new.npy -k 256 --init centroids.npy \\
          --out more.npy --json
      """)

  @Option(help: "The vectors to group.", completion: .file())
  var input: String

  @Option(name: .customShort("k"), help: "Clusters to make.")
  var k: Int

  @Option(help: "Updates at most.")
  var iterations: Int = 20

  @Option(help: "Chooses the random start.")
  var seed: UInt64 = 1234

  @Option(help: "What near means: l2 or cosine.")
  var metric: Metric = .squaredL2

  @Option(help: "Start from the k centroids of this file.", completion: .file())
  var `init`: String?

  @Option(help: "Start without --init: plusplus (k-means++) or random.")
  var start: Start = .plusplus

  @Option(help: "Stop when an update improves the objective by less than this share.")
  var tolerance: Double = 0

  @Option(help: "Write the centroids, one row each.", completion: .file())
  var out: String

  @Option(help: "Write the cluster of each vector.", completion: .file())
  var assignments: String?

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var output: OutputOptions

  enum Start: String, ExpressibleByArgument, CaseIterable {
    case plusplus, random
  }

  func validate() throws {
    if k < 1 { throw ValidationError("-k is \(k), it must be at least 1") }
    if iterations < 0 {
      throw ValidationError("--iterations is \(iterations), it must be at least 0")
    }
    if metric == .innerProduct { throw ValidationError("--metric is ip; choose l2 or cosine") }
    if !(tolerance >= 0) {
      throw ValidationError("--tolerance is \(tolerance), it must be at least 0")
    }
    if out == assignments { throw ValidationError("--out and --assignments name the same file") }
  }

  func run() throws {
    let loadStart = ContinuousClock.now
    let points = try VectorFile.open(input)
    let initial = try `init`.map { path throws(TesseraError) in try VectorFile.open(path) }
    let loadSeconds = loadStart.secondsAgo
    let files = try OutputFiles([out] + (assignments.map { [$0] } ?? []))

    // Assigning n points to k centroids is a search, done again for every update.
    let shape = SearchShape(
      rows: points.count, dimension: points.dimension, element: .float32, metric: metric,
      queryCount: k.multipliedReportingOverflow(by: iterations + 1).partialValue, k: 1)
    let selection = try devices.select(for: shape, output)
    let options = KMeans.Options(
      clusterCount: k, iterations: iterations, seed: seed, metric: metric,
      initialization: initial.map { .given($0) }
        ?? (start == .random ? .random : .kMeansPlusPlus),
      tolerance: tolerance)
    let clusterStart = ContinuousClock.now
    let (clustering, device) = try cluster(points, options, selection)
    let clusterSeconds = clusterStart.secondsAgo

    try write(clustering, files)
    let summary = Summary(
      of: clustering, on: device, rows: points.count, loadSeconds: loadSeconds,
      clusterSeconds: clusterSeconds)
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// The clustering and the device that made it: under auto the CPU takes over from one that fails.
  private func cluster(
    _ points: Vectors, _ options: KMeans.Options, _ selection: DeviceSelection
  ) throws(TesseraError) -> (Clustering, DeviceInfo) {
    let recovery = Recovery(
      of: selection.device, fallback: selection.fallback, note: output.note)
    do throws(TesseraError) {
      let (clustering, device) = try recovery.run { device throws(TesseraError) in
        try cluster(points, options, on: device)
      }
      return (clustering, device.info)
    } catch {
      throw error.code == .nonFinite || error.code == .invalidShape
        ? TesseraError(error.code, "\(input): \(error.message)") : error
    }
  }

  private func cluster(
    _ points: Vectors, _ options: KMeans.Options, on device: any Device
  ) throws(TesseraError) -> Clustering {
    let progress = ProgressBar(
      "kmeans", total: options.iterations, unit: "iterations", isQuiet: output.quiet)
    defer { progress.finish() }
    return try KMeans(options).cluster(points, on: device) { iteration, _ in
      progress.update(Double(iteration) / Double(options.iterations))
    }
  }

  private func write(_ clustering: Clustering, _ files: OutputFiles) throws(TesseraError) {
    let centroids = try Vectors(clustering.centroids, dimension: clustering.dimension)
    try files.stage(out) { path throws(TesseraError) in
      try VectorFile.write(centroids, to: path)
    }
    if let assignments {
      try files.stage(assignments) { path throws(TesseraError) in
        try IDFile.write(
          clustering.labels.map(Int64.init), rows: clustering.labels.count, columns: 1, to: path)
      }
    }
    try files.commit()
  }

  /// What `kmeans` prints: as JSON under these names, or as a table.
  struct Summary: Encodable {
    let device: String
    let variant: String
    let metric: String
    let rows: Int
    let dimension: Int
    let k: Int
    let seconds: Seconds
    let iterations: Int
    let converged: Bool
    let objective: [Double]
    let emptyClusters: Int
    let peakBytes: Int

    struct Seconds: Encodable {
      let load: Double
      let cluster: Double
    }

    init(
      of clustering: Clustering, on device: DeviceInfo, rows: Int, loadSeconds: Double,
      clusterSeconds: Double
    ) {
      self.device = device.identifier
      variant = device.variant
      metric = clustering.metric.rawValue
      self.rows = rows
      dimension = clustering.dimension
      k = clustering.clusterCount
      seconds = Seconds(load: loadSeconds, cluster: clusterSeconds)
      iterations = clustering.iterations
      converged = clustering.converged
      objective = clustering.objective
      emptyClusters = clustering.emptyClusterCount
      peakBytes = HostLimits.peakResidentBytes
    }

    func table() -> Table {
      var table = Table()
      table.add("device", "\(device) (\(variant))")
      table.add("input", "\(rows) x \(dimension), \(metric)")
      table.add("clusters", "\(k), \(emptyClusters) empty")
      table.add("iterations", "\(iterations)" + (converged ? ", converged" : ""))
      if let first = objective.first, let last = objective.last {
        table.add("objective", "\(first.short) to \(last.short)")
      }
      table.add("time", "\(seconds.cluster.short) s")
      table.add("peak memory", peakBytes.asBytes)
      return table
    }
  }
}
