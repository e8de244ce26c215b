/// Points whose nearest centroids are asked for again and again while the centroids move.
///
/// Every call gives what ``MatrixOperations/assignNearest(_:to:metric:into:_:)`` gives for the same points
/// and centroids, to the last bit. What an assigner may do is remember: a point whose centroid
/// moved little cannot have become nearer to one that was far.
///
/// For one caller at a time.
public protocol Assigner: AnyObject {
  /// The nearest of `centroids` for each point and its canonical score, ties by lower centroid.
  ///
  /// Cost: that of ``MatrixOperations/assignNearest(_:to:metric:into:_:)`` at first and after a change of the
  /// number of centroids; the less the centroids have moved since the call before, the less.
  func assign(
    to centroids: Matrix<Float>, into labels: Matrix<Int32>, _ scores: Matrix<Float>
  ) throws(TesseraError)
}

/// An assigner that remembers nothing.
public final class PlainAssigner: Assigner {
  private let points: Matrix<Float>
  private let metric: Metric
  private let device: any Device

  /// Keeps `points` (rows x dimension) for later calls; nothing is computed yet.
  public init(_ points: Matrix<Float>, metric: Metric, on device: any Device) {
    self.points = points
    self.metric = metric
    self.device = device
  }

  /// Calls ``MatrixOperations/assignNearest(_:to:metric:into:_:)`` for all points, at its full cost each
  /// time.
  public func assign(
    to centroids: Matrix<Float>, into labels: Matrix<Int32>, _ scores: Matrix<Float>
  ) throws(TesseraError) {
    try device.assignNearest(points, to: centroids, metric: metric, into: labels, scores)
  }
}
