public import TesseraCompute

extension OpenCLDevice {
  /// Cost: one Float64 operation per query, vector and dimension, two for squared L2, three for
  /// cosine. Without Float64 the host does it.
  public func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, metric: Metric, into scores: Matrix<Float>
  ) throws(TesseraError) {
    guard scoresCanonically else {
      return try HostPath(self).canonicalScores(queries, vectors, metric: metric, into: scores)
    }
    try Shapes.canonicalScores(queries, vectors, into: scores)
    try requireFinite(queries, "canonicalScores", "queries")
    try requireFinite(vectors, "canonicalScores", "vectors")
    guard scores.count > 0 else { return }
    let span = body == .wideItem ? 64 : workGroupSize
    let number = metric == .innerProduct ? 0 : metric == .squaredL2 ? 1 : 2
    try launch(
      "canonical_scores", of: KernelSource("canonical_scores", ["SPAN": span, "METRIC": number]),
      [
        argument(queries, "canonicalScores"), argument(vectors, "canonicalScores"),
        .int(vectors.rows), .int(queries.columns), argument(scores, "canonicalScores"),
      ],
      over: Grid(
        workGroups: ((vectors.rows + span - 1) / span, queries.rows), local: (workGroupSize, 1),
        workEach: 4 * span * max(1, queries.columns)))
  }
}
