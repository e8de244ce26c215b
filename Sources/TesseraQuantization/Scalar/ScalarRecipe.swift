public import TesseraCompute

/// Trains a ``ScalarQuantizer``: finds the least and greatest number of each dimension.
public struct ScalarRecipe: QuantizerRecipe, Hashable {
  /// The form in which each number is to be stored.
  public let kind: ScalarKind

  /// Makes the recipe of a kind; there is nothing else to choose.
  public init(_ kind: ScalarKind) { self.kind = kind }

  /// The name of the kind: `SQ8`, `SQfp16`, ...
  public var specification: String { kind.rawValue }

  /// - Throws: `.invalidArgument` without points or dimensions, or where a dimension's numbers lie
  ///   further apart than Float32 reaches; `.nonFinite`.
  public func train(
    _ points: Vectors, on device: any Device,
    progress: (TrainingStep) throws(TesseraError) -> Void
  ) throws(TesseraError) -> TrainedQuantizer {
    guard points.count > 0, points.dimension > 0 else {
      throw .badSpecification(
        specification,
        "\(points.count) training points of \(points.dimension) dimensions; give at least one")
    }
    try Shapes.requireFinite(points, "train")
    var minimums = kind.isTrained ? points.row(0) : []
    var maximums = minimums
    let blockRows = max(1, (1 << 20) / points.dimension)
    for start in stride(from: 0, to: kind.isTrained ? points.count : 0, by: blockRows) {
      let values = points.rows(start..<min(start + blockRows, points.count)).widened()
      for row in stride(from: 0, to: values.count, by: points.dimension) {
        for d in 0..<points.dimension {
          minimums[d] = min(minimums[d], values[row + d])
          maximums[d] = max(maximums[d], values[row + d])
        }
      }
    }
    let ranges = zip(maximums, minimums).map { $0 - $1 }
    if let d = ranges.firstIndex(where: { !$0.isFinite }) {
      throw .badSpecification(
        specification,
        "dimension \(d) goes from \(minimums[d]) to \(maximums[d]), further than Float32 reaches; "
          + "scale the points down")
    }
    let quantizer = ScalarQuantizer(
      kind, dimension: points.dimension, minimums: minimums, ranges: ranges)
    let error = try quantizer.meanSquaredError(of: points, on: device)
    try progress(TrainingStep("ranges", done: 1, objective: error))
    return TrainedQuantizer(quantizer: quantizer, meanSquaredError: error)
  }
}
