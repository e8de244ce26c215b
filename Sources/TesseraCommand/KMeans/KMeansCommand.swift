import ArgumentParser
import Tessera
internal import TesseraHost
import protocol TesseraCompute.Device

struct KMeansCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kmeans",
    abstract: "Group vectors into k clusters.",
    discussion: """
      Equal seeds give the same bytes on every device. The objective is the sum of
      squared distances (l2), of 1 - similarity (cosine, spherical k-means) or of
      length - inner product with centroids of unit length (ip).

      Examples:
        tessera kmeans --input base.fbin -k 256 --out centroids.npy
        tessera kmeans --input base.npy -k 1000 --iterations 50 \\
          --metric cosine --out centroids.npy --assignments labels.npy
        tessera kmeans --input new.npy -k 256 --init centroids.npy \\
          --freeze 0:200 --out more.npy --json
        tessera kmeans --input base.npy -k 65536 --algorithm hierarchical \\
          --out centroids.npy
        tessera kmeans --input base.npy -k 64 --choose silhouette --out c.npy
      """)

  @Option(help: "The vectors to group.", completion: .file())
  var input: String

  @OptionGroup var arguments: KMeansArguments

  @Option(help: "Write the centroids, one row each.", completion: .file())
  var out: String

  @Option(help: "Write the cluster of each vector.", completion: .file())
  var assignments: String?

  @Option(
    help: ArgumentHelp(
      "Memory for the vectors on the device, as in 512M or 4G.",
      discussion: "Vectors that need more are passed through in blocks in every iteration, with "
        + "the same result. By default half of the device's memory.",
      valueName: "size"),
    transform: { try ByteSize.parse($0) })
  var memory: Int?

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if out == assignments { throw ValidationError("--out and --assignments name the same file") }
  }

  func run() throws {
    let loadStart = ContinuousClock.now
    let points = try VectorFile.open(input)
    let options = try arguments.options(pointCount: points.count, memoryLimit: memory)
    let loadSeconds = loadStart.secondsAgo
    try VectorFile.requireWritable(out, holding: .float32)
    if let assignments { try IDFile.requireWritable(assignments) }
    // Not those of --init: centroids may be improved where they are.
    let files = try OutputFiles(
      [out] + (assignments.map { [$0] } ?? []),
      inputs: [input] + (arguments.weights.map { [$0] } ?? []))

    // Assigning n points to k centroids is a search, done again for every update.
    let assignments = options.iterations.addingReportingOverflow(1)
    let queries = options.clusterCount.multipliedReportingOverflow(
      by: assignments.overflow ? .max : assignments.partialValue)
    let shape = SearchShape(
      rows: points.count, dimension: points.dimension, element: .float32, metric: options.metric,
      queryCount: queries.overflow ? .max : queries.partialValue, k: 1)
    let selection = try devices.select(for: shape, output)
    let clusterStart = ContinuousClock.now
    let (found, device) = try selection.run(input, output) { device throws(TesseraError) in
      try cluster(points, options, on: device)
    }
    let clusterSeconds = clusterStart.secondsAgo
    for note in found.clustering.notes { output.note(note.description) }

    try write(found.clustering, files)
    let summary = Summary(
      of: found.clustering, trials: found.trials, on: device.info, rows: points.count,
      loadSeconds: loadSeconds, clusterSeconds: clusterSeconds)
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// A clustering, and with --choose the numbers of clusters that were tried.
  private struct Found {
    let clustering: Clustering
    var trials: [KMeans.CountTrial]?
  }

  private func cluster(
    _ points: Vectors, _ options: KMeans.Options, on device: any Device
  ) throws(TesseraError) -> Found {
    var options = options
    var trials: [KMeans.CountTrial]?
    if let criterion = arguments.choose {
      let choice = try choose(points, criterion, options, on: device)
      (options.clusterCount, trials) = (choice.clusterCount, choice.trials)
    }
    let clustering = try following("kmeans", options.iterations, "iterations") {
      control throws(TesseraError) in
      try KMeans(options).cluster(points, on: device, control: control)
    }
    return Found(clustering: clustering, trials: trials)
  }

  private func choose(
    _ points: Vectors, _ criterion: KMeans.CountCriterion, _ options: KMeans.Options,
    on device: any Device
  ) throws(TesseraError) -> KMeans.CountChoice {
    // 2, 3, 4, 6, 8, 12, 16, ... and the most.
    let powers = (1...30).flatMap { [1 << $0, 3 << ($0 - 1)] }
    let candidates = powers.filter { $0 < options.clusterCount } + [options.clusterCount]
    return try following("choose", candidates.count, "counts") { control throws(TesseraError) in
      try KMeans.chooseClusterCount(
        of: points, among: candidates, by: criterion, options: options, on: device,
        control: control)
    }
  }

  /// Runs `work` with a progress bar.
  private func following<Result>(
    _ label: String, _ total: Int, _ unit: String,
    _ work: (RunControl) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    let bar = ProgressBar(label, total: total, unit: unit, isQuiet: output.quiet)
    defer { bar.finish() }
    return try work(RunControl(progress: { bar.update(min(1, $0.done)) }))
  }

  private func write(_ clustering: Clustering, _ files: OutputFiles) throws(TesseraError) {
    let centroids = try Vectors(clustering.centroids, dimension: clustering.dimension)
    try VectorFile.write(centroids, into: files[out])
    if let assignments {
      try IDFile.write(
        clustering.labels.map(Int64.init), rows: clustering.labels.count, columns: 1,
        into: files[assignments])
    }
    try files.commit()
  }
}
