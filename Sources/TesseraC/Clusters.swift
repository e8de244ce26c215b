public import CTessera
import Tessera

/// Groups points into clusters.
@c @implementation
public func tessera_kmeans(
  _ points: UnsafePointer<tessera_rows>?, _ k: Int64,
  _ options: UnsafePointer<tessera_kmeans_options>?, _ device: OpaquePointer?,
  _ control: OpaquePointer?, _ centroids: UnsafeMutablePointer<Float>?,
  _ labels: UnsafeMutablePointer<Int32>?, _ counts: UnsafeMutablePointer<Int64>?,
  _ report: UnsafeMutablePointer<tessera_kmeans_report>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let points = try TesseraC.vectors(points, "k-means: points")
    let device: CDevice = try Handles.get(device)
    let options = try kMeansOptions(kMeansOptions(options), k, weightCount: points.count)
    // Checked before anything is made that has this size.
    _ = try byteCount(k, by: Int64(points.dimension), of: 4, "k-means: centroids")
    try requireSize(report, "k-means: report")
    let control = try CControl.of(control, device)
    let start = ContinuousClock.now
    let found = try KMeans(options).cluster(points, on: device.device, control: control)
    for note in found.notes { control.note(note.description) }
    copy(found.centroids, to: centroids)
    copy(found.labels, to: labels)
    copy(found.counts.map { Int64($0) }, to: counts)
    var result = tessera_kmeans_report()
    result.objective = found.finalObjective
    result.seconds = start.duration(to: .now) / .seconds(1)
    result.iterations = Int64(found.iterations)
    result.converged = found.converged ? 1 : 0
    fill(report, result)
  }
}

/// Returns the options of a call, as its version has them.
func kMeansOptions(
  _ options: UnsafePointer<tessera_kmeans_options>?
) throws(TesseraError) -> tessera_kmeans_options {
  try TesseraC.options(
    options, or: tessera_kmeans_options(), "k-means: options",
    first: MemoryLayout<tessera_kmeans_options>.offset(of: \.chunk_rows))
}

/// Returns options as Swift has them.
///
/// - Parameter weightCount: Points that weights are of; nil where there are none yet.
func kMeansOptions(
  _ given: tessera_kmeans_options, _ k: Int64, weightCount: Int?
) throws(TesseraError) -> KMeans.Options {
  guard Int(given.flags) & ~TESSERA_ASSIGN_ONLY == 0 else {
    throw TesseraError(
      .unsupported, "k-means: the flags \(given.flags) are not known to this version")
  }
  for number in [
    given.iterations, given.restarts, given.batch_size, given.training_limit,
    given.chunk_rows,
  ]
  where number < 0 {
    throw TesseraError(.invalidArgument, "k-means: \(number) as a number of things is negative")
  }
  guard given.tolerance >= 0 else {
    throw TesseraError(
      .invalidArgument, "k-means: a tolerance of \(given.tolerance) is not 0 or more")
  }
  var options = KMeans.Options(
    clusterCount: Int(k), iterations: given.iterations == 0 ? 20 : Int(given.iterations),
    seed: given.seed == 0 ? 1234 : given.seed, metric: try metric(given.metric))
  options.tolerance = given.tolerance
  options.chunkRows = given.chunk_rows == 0 ? nil : Int(given.chunk_rows)
  options.restarts = given.restarts == 0 ? 1 : Int(given.restarts)
  options.trainingSampleLimit = given.training_limit == 0 ? nil : Int(given.training_limit)
  switch Int(given.algorithm) {
  case TESSERA_LLOYD: options.algorithm = .lloyd
  case TESSERA_MINI_BATCH:
    options.algorithm = .miniBatch(size: given.batch_size == 0 ? 1024 : Int(given.batch_size))
  case TESSERA_HIERARCHICAL: options.algorithm = .hierarchical
  case TESSERA_EXACT_1D: options.algorithm = .exact1D
  default:
    throw TesseraError(.invalidArgument, "k-means: \(given.algorithm) is no algorithm")
  }
  switch Int(given.start) {
  case TESSERA_PLUS_PLUS: options.initialization = .kMeansPlusPlus
  case TESSERA_RANDOM: options.initialization = .random
  case TESSERA_PARALLEL: options.initialization = .kMeansParallel
  case TESSERA_GIVEN:
    options.initialization = .given(try vectors(given.centroids, "k-means: centroids"))
  default:
    throw TesseraError(.invalidArgument, "k-means: \(given.start) is no way to start")
  }
  if Int(given.flags) & TESSERA_ASSIGN_ONLY != 0 {
    guard Int(given.start) == TESSERA_GIVEN else {
      throw TesseraError(
        .invalidArgument, "k-means: only given centroids can be left where they are; give them")
    }
    options.iterations = 0
  }
  if let weights = given.weights, let weightCount {
    options.weights = try array(weights, Int64(weightCount), "k-means: weights")
  }
  return options
}
