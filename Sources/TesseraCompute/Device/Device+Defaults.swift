/// What a device that has no version of its own does: bring the inputs to the host, let the
/// reference device work, take the results back. Correct everywhere and fast nowhere, which is why
/// `info.accelerated` does not list it.
extension Device {
  public var faults: [TesseraError] { [] }

  public func synchronize() throws(TesseraError) {}

  public func cost(of search: SearchShape) -> SearchCost {
    ReferenceDevice.shared.cost(of: search)
  }

  public func prepare(
    _ vectors: Vectors, metric: Metric, firstID: Int64
  ) throws(TesseraError) -> VectorSet {
    try ReferenceDevice.shared.prepare(vectors, metric: metric, firstID: firstID)
  }

  /// Prepares rows whose ids start at 0.
  public func prepare(_ vectors: Vectors, metric: Metric) throws(TesseraError) -> VectorSet {
    try prepare(vectors, metric: metric, firstID: 0)
  }

  public func nearest(
    _ queries: Vectors, in set: VectorSet, k: Int, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try ReferenceDevice.shared.nearest(queries, in: set, k: k, only: selector)
  }

  /// The `k` nearest rows of all.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, k: Int
  ) throws(TesseraError) -> Neighbors {
    try nearest(queries, in: set, k: k, only: nil)
  }

  public func innerProducts(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.innerProducts(queries, vectors, into: scores)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: scores.rows, columns: scores.columns)
    try host.innerProducts(onHost(queries), onHost(vectors), into: result)
    try upload(host.download(result), to: scores)
  }

  public func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, metric: Metric, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.canonicalScores(queries, vectors, into: scores)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: scores.rows, columns: scores.columns)
    try host.canonicalScores(onHost(queries), onHost(vectors), metric: metric, into: result)
    try upload(host.download(result), to: scores)
  }

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

  public func assigner(
    for points: Matrix<Float>, metric: Metric
  ) throws(TesseraError) -> any Assigner {
    PlainAssigner(points, metric: metric, on: self)
  }

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

  public func lookupScores(
    _ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.lookupScores(tables, codes, into: scores)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: scores.rows, columns: scores.columns)
    try host.lookupScores(onHost(tables), onHost(codes), into: result)
    try upload(host.download(result), to: scores)
  }

  public func prepare(_ codes: ProductCodes) throws(TesseraError) -> CodeSet {
    try ReferenceDevice.shared.prepare(codes)
  }

  public func nearestCodes(
    _ tables: Matrix<Float>, in set: CodeSet, order: ScoreOrder, k: Int
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearestCodes(tables, in: set, k: k)
    return try ReferenceDevice.shared.nearestCodes(onHost(tables), in: set, order: order, k: k)
  }

  public func gather(
    _ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.gather(source, rows: rows, into: target)
    let host = ReferenceDevice.shared
    let result = try host.allocate(Float.self, rows: target.rows, columns: target.columns)
    try host.gather(onHost(source), rows: onHost(rows), into: result)
    try upload(host.download(result), to: target)
  }

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

  private func onHost<Element>(_ matrix: Matrix<Element>) throws(TesseraError) -> Matrix<Element> {
    try ReferenceDevice.shared.upload(
      download(matrix), rows: matrix.rows, columns: matrix.columns)
  }
}
