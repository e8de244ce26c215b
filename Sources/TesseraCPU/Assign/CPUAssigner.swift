internal import CSIMD
public import TesseraCompute
internal import TesseraHost

extension CPUDevice {
  /// Returns an assigner that keeps bounds and bytes of the points, if the instruction set
  /// multiplies bytes and the dimension is small enough; else one that remembers nothing.
  public func assigner(
    for points: Matrix<Float>, metric: Metric
  ) throws(TesseraError) -> any Assigner {
    guard filterPolicy != .float32, kernels.canQuantize,
      (1...QuantizedBound.largestDimension).contains(points.columns)
    else { return PlainAssigner(points, metric: metric, on: self) }
    return try CPUAssigner(points, metric: metric, kernels: kernels, workers: workers)
  }
}

/// Assigns points to the nearest of centroids that move, and skips what cannot have changed.
///
/// A point's own centroid is scored canonically every time. Groups of centroids are gone over as
/// bytes only where the bound kept for point and group no longer rules them out; what passes that
/// filter is scored canonically.
final class CPUAssigner: Assigner, @unchecked Sendable {
  // Safe: for one caller at a time, and its workers write apart.
  private let matrix: Matrix<Float>
  private let points: AssignedPoints
  private let kernels: Kernels
  private let workers: WorkerPool
  private var centroids: MovingCentroids?
  private var bounds: HostStorage?
  /// True if the order of the centroids follows where they lie now, not where they lay at first.
  private var isRearranged = false

  /// - Throws: `.nonFinite`, `.outOfMemory`.
  init(
    _ points: Matrix<Float>, metric: Metric, kernels: Kernels, workers: WorkerPool
  ) throws(TesseraError) {
    matrix = points
    self.kernels = kernels
    self.workers = workers
    self.points = try AssignedPoints(
      points.hostVectors("assignNearest"), metric: metric, kernels: kernels, workers: workers)
  }

  func assign(
    to target: Matrix<Float>, into labels: Matrix<Int32>, _ scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.assignNearest(matrix, to: target, into: labels, scores)
    let labels = try labels.hostElements("assignNearest")
    let scores = try scores.hostElements("assignNearest")
    let vectors = try target.hostVectors("assignNearest")
    let (centroids, bounds) = try moved(to: vectors)
    // A call that ends halfway leaves nothing behind.
    (self.centroids, self.bounds) = (nil, nil)
    let largest = AssignTask.pointsPerChunk(
      dimension: points.dimension, centroids: centroids.count)
    try workers.split(points.count, minimum: min(256, largest), maximum: largest) {
      [self] range throws(TesseraError) in
      let task = try AssignTask(
        points, centroids, bounds: bounds, chunk: largest, kernels: kernels)
      for start in stride(from: range.lowerBound, to: range.upperBound, by: largest) {
        try task.run(start..<min(start + largest, range.upperBound))
      }
    }
    (self.centroids, self.bounds) = (centroids, bounds)
    let sign: Float = points.metric == .squaredL2 ? -1 : 1
    for index in 0..<points.count {
      labels[index] = centroids.order.centroids[Int(points.positions[index])]
      scores[index] = sign * points.merits[index]
    }
  }

  /// Returns what is known of the centroids after their move, and room for bounds.
  private func moved(
    to target: Vectors
  ) throws(TesseraError) -> (MovingCentroids, bounds: HostStorage) {
    guard let centroids, let bounds, centroids.count == target.count else {
      (self.centroids, self.bounds, isRearranged) = (nil, nil, false)
      let fresh = try arranged(target)
      points.forget()
      return (fresh, try HostStorage(allocating: points.count * fresh.groupCount * 4))
    }
    try centroids.move(to: target)
    guard !isRearranged, !centroids.hasMoved.contains(false) else { return (centroids, bounds) }
    // The first means lie far from where centroids started, so that few bounds hold: the time to
    // put together what is near now.
    (self.centroids, self.bounds) = (nil, nil)
    let rearranged = try arranged(target)
    points.rename(from: centroids.order, to: rearranged.order)
    for index in 0..<points.count * rearranged.groupCount { bounds.floats[index] = -.infinity }
    isRearranged = true
    return (rearranged, bounds)
  }

  private func arranged(_ target: Vectors) throws(TesseraError) -> MovingCentroids {
    try MovingCentroids(target, metric: points.metric, kernels: kernels, workers: workers)
  }
}
