public import TesseraCompute

/// Trains a ``ScalarQuantizer``: finds the least and greatest number of each dimension.
public struct ScalarRecipe: QuantizerRecipe, Hashable {
  public let kind: ScalarKind

  public init(_ kind: ScalarKind) { self.kind = kind }

  public var specification: String { kind.rawValue }

  /// - Throws: `.invalidArgument` without points or dimensions, or where a dimension's numbers lie
  ///   further apart than Float32 reaches; `.nonFinite`.
  public func train(
    _ points: Vectors, on device: any Device,
    progress: (TrainingStep) throws(TesseraError) -> Void
  ) throws(TesseraError) -> Training {
    guard points.count > 0, points.dimension > 0 else {
      throw .badSpecification(
        specification,
        "\(points.count) training points of \(points.dimension) dimensions; give at least one")
    }
    try Shapes.requireFinite(points, "train")
    var minimums = kind.isTrained ? points.row(0) : []
    var maximums = minimums
    if kind.isTrained {
      for index in 1..<max(1, points.count) {
        let row = points.row(index)
        for d in row.indices {
          minimums[d] = min(minimums[d], row[d])
          maximums[d] = max(maximums[d], row[d])
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
    return Training(quantizer: quantizer, meanSquaredError: error)
  }
}
