/// Products of matrices, and what k-means, quantizers and selections are made of.
public protocol MatrixOperations: AnyObject, Sendable {
  /// `scores[i, j] = sum over d of queries[i, d] * vectors[j, d]`, accumulated in Float32 or wider;
  /// the order of additions differs by device, so each score is within
  /// `dimension * 2^-23 * |queries[i]| * |vectors[j]|` of the exact one, and of what underflow
  /// takes: `dimension * 2^-126`.
  func innerProducts(_ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>)
    throws(TesseraError)

  /// `scores[i, j]` = the canonical score (``CanonicalScore``) of `queries[i]` with `vectors[j]`:
  /// what `innerProducts` gives within a bound, to the last bit. Infinite beyond Float32. Throws
  /// `.nonFinite`.
  func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, metric: Metric, into scores: Matrix<Float>)
    throws(TesseraError)

  /// The best `values.columns` scores of each row and the columns they stand in, best first, ties
  /// by lower column; NaN ranks last. Any k up to `scores.columns`. Bit-identical everywhere.
  func topK(
    _ scores: Matrix<Float>, order: ScoreOrder, into values: Matrix<Float>,
    _ columns: Matrix<Int32>) throws(TesseraError)

  /// The nearest centroid of each point and its canonical score, ties by lower centroid. Bit-
  /// identical everywhere. `labels` and `scores` are `points.rows` x 1. Throws `.nonFinite`.
  func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, metric: Metric,
    into labels: Matrix<Int32>, _ scores: Matrix<Float>) throws(TesseraError)

  /// For `assignNearest` of the same points again and again, to centroids that move; the points
  /// must not change meanwhile. May keep as much memory as the points take. Throws `.nonFinite`,
  /// here or when it is used.
  func assigner(for points: Matrix<Float>, metric: Metric) throws(TesseraError) -> any Assigner

  /// Per cluster, the sum of its points (`sums.rows` clusters) and how many there are
  /// (`counts`: clusters x 1). `labels` is `points.rows` x 1.
  ///
  /// Reproducible because the order of additions is fixed: a cluster's points in rising row order
  /// are cut into runs of 256; each run is summed in Float64 in that order, from 0, and the runs'
  /// sums are added in order, from 0. Throws `.invalidArgument` for a label outside the clusters.
  func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>) throws(TesseraError)

  /// Per point and subspace, the codeword at the smallest canonical squared L2, ties by lower
  /// codeword. `codes` is `points.rows` x `subspaceCount`. Bit-identical. Throws `.nonFinite`.
  func encode(_ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>)
    throws(TesseraError)

  /// Asymmetric scoring: `scores[i, j] = sum over m of tables[i, m * codewords + codes[j, m]]`,
  /// where `codewords = tables.columns / codes.columns`. Float32, added in rising m from 0, so
  /// bit-identical everywhere. Throws `.invalidArgument` for a code outside the table.
  func lookupScores(_ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>)
    throws(TesseraError)

  /// `target[i] = source[rows[i]]`, row by row. `rows` is `target.rows` x 1. Throws
  /// `.invalidArgument` for a row outside `source`.
  func gather(_ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>)
    throws(TesseraError)

  /// `result = alpha * A * B + beta * result`, A and B each optionally transposed; with beta 0 the
  /// old result is not read, and with alpha 0 A and B need not be. Float32, with the error bound of
  /// `innerProducts` for each product.
  func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, alpha: Float, beta: Float, into result: Matrix<Float>)
    throws(TesseraError)
}

extension Device {
  /// Copies both matrices to the host, multiplies them in Float64, and copies the scores back.
  public func innerProducts(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.innerProducts(queries, vectors, into: scores)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: scores.rows, columns: scores.columns)
    try host.innerProducts(onHost(queries), onHost(vectors), into: result)
    try upload(host.download(result), to: scores)
  }

  /// Copies both matrices to the host, scores there, and copies the scores back.
  public func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, metric: Metric, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.canonicalScores(queries, vectors, into: scores)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: scores.rows, columns: scores.columns)
    try host.canonicalScores(onHost(queries), onHost(vectors), metric: metric, into: result)
    try upload(host.download(result), to: scores)
  }

  /// Copies the scores to the host, sorts each row there, and copies the best back.
  public func topK(
    _ scores: Matrix<Float>, order: ScoreOrder, into values: Matrix<Float>,
    _ columns: Matrix<Int32>
  ) throws(TesseraError) {
    try Shapes.topK(scores, into: values, columns)
    let host = ReferenceDevice.shared
    let bestValues = try host.allocate(Float.self, rows: values.rows, columns: values.columns)
    let bestColumns = try host.allocate(Int32.self, rows: values.rows, columns: values.columns)
    try host.topK(onHost(scores), order: order, into: bestValues, bestColumns)
    try upload(host.download(bestValues), to: values)
    try upload(host.download(bestColumns), to: columns)
  }

  /// Copies points and centroids to the host, searches there, and copies labels and scores back.
  public func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, metric: Metric,
    into labels: Matrix<Int32>, _ scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.assignNearest(points, to: centroids, into: labels, scores)
    let host = ReferenceDevice.shared
    let hostLabels = try host.allocate(Int32.self, rows: labels.rows, columns: 1)
    let hostScores = try host.allocate(Float.self, rows: labels.rows, columns: 1)
    try host.assignNearest(
      onHost(points), to: onHost(centroids), metric: metric, into: hostLabels, hostScores)
    try upload(host.download(hostLabels), to: labels)
    try upload(host.download(hostScores), to: scores)
  }

  /// Returns an assigner that remembers nothing and calls `assignNearest` each time.
  public func assigner(
    for points: Matrix<Float>, metric: Metric
  ) throws(TesseraError) -> any Assigner {
    PlainAssigner(points, metric: metric, on: self)
  }

  /// Copies points and labels to the host, adds there, and copies sums and counts back.
  public func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>
  ) throws(TesseraError) {
    try Shapes.accumulateClusters(points, labels, into: sums, counts)
    let host = ReferenceDevice.shared
    let hostSums = try host.allocate(Double.self, rows: sums.rows, columns: sums.columns)
    let hostCounts = try host.allocate(Int32.self, rows: counts.rows, columns: 1)
    try host.accumulateClusters(onHost(points), onHost(labels), into: hostSums, hostCounts)
    try upload(host.download(hostSums), to: sums)
    try upload(host.download(hostCounts), to: counts)
  }

  /// Copies points and codewords to the host, encodes there, and copies the codes back.
  public func encode(
    _ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>
  ) throws(TesseraError) {
    try Shapes.encode(points, codebook, into: codes)
    let host = ReferenceDevice.shared
    let hostCodes = try host.allocate(UInt8.self, rows: codes.rows, columns: codes.columns)
    let hostCodebook = try ProductCodebook(
      onHost(codebook.codewords), subspaceCount: codebook.subspaceCount)
    try host.encode(onHost(points), hostCodebook, into: hostCodes)
    try upload(host.download(hostCodes), to: codes)
  }

  /// Copies tables and codes to the host, adds the entries there, and copies the scores back.
  public func lookupScores(
    _ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.lookupScores(tables, codes, into: scores)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: scores.rows, columns: scores.columns)
    try host.lookupScores(onHost(tables), onHost(codes), into: result)
    try upload(host.download(result), to: scores)
  }

  /// Copies source and row numbers to the host, gathers there, and copies the rows back.
  public func gather(
    _ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.gather(source, rows: rows, into: target)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: target.rows, columns: target.columns)
    try host.gather(onHost(source), rows: onHost(rows), into: result)
    try upload(host.download(result), to: target)
  }

  /// Copies the matrices to the host, multiplies them in Float64, and copies the result back.
  public func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, alpha: Float, beta: Float, into result: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.multiply(a, transposed: aTransposed, b, transposed: bTransposed, into: result)
    let host = ReferenceDevice.shared
    let hostResult = try onHost(result)
    try host.multiply(
      onHost(a), transposed: aTransposed, onHost(b), transposed: bTransposed, alpha: alpha,
      beta: beta, into: hostResult)
    try upload(host.download(hostResult), to: result)
  }
}
