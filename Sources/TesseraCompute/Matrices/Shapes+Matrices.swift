extension Shapes {
  package static func innerProducts(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try require(
      queries.columns == vectors.columns,
      "innerProducts: queries have \(queries.columns) columns, vectors have \(vectors.columns)")
    try require(scores, is: queries.rows, by: vectors.rows, "innerProducts: scores")
  }

  package static func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try require(
      queries.columns == vectors.columns,
      "canonicalScores: queries have \(queries.columns) columns, vectors have \(vectors.columns)")
    try require(scores, is: queries.rows, by: vectors.rows, "canonicalScores: scores")
  }

  package static func topK(
    _ scores: Matrix<Float>, into values: Matrix<Float>, _ columns: Matrix<Int32>
  ) throws(TesseraError) {
    try require(
      values.columns <= scores.columns,
      "topK: k is \(values.columns), and each row has only \(scores.columns) scores")
    try require(values, is: scores.rows, by: values.columns, "topK: values")
    try require(columns, is: scores.rows, by: values.columns, "topK: columns")
    try require(scores.columns <= Int(Int32.max), "topK: more than \(Int32.max) columns")
  }

  package static func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, into labels: Matrix<Int32>,
    _ scores: Matrix<Float>
  ) throws(TesseraError) {
    try require(centroids.rows > 0, "assignNearest: there are no centroids")
    try require(points.columns > 0, "assignNearest: points have no columns")
    try require(
      points.columns == centroids.columns,
      "assignNearest: points have \(points.columns) columns, centroids have \(centroids.columns)")
    try require(labels, is: points.rows, by: 1, "assignNearest: labels")
    try require(scores, is: points.rows, by: 1, "assignNearest: scores")
  }

  package static func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>
  ) throws(TesseraError) {
    try require(labels, is: points.rows, by: 1, "accumulateClusters: labels")
    try require(sums, is: sums.rows, by: points.columns, "accumulateClusters: sums")
    try require(counts, is: sums.rows, by: 1, "accumulateClusters: counts")
  }

  package static func encode(
    _ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>
  ) throws(TesseraError) {
    try require(
      points.columns == codebook.dimension,
      "encode: points have \(points.columns) columns, the codebook has \(codebook.dimension)")
    try require(codes, is: points.rows, by: codebook.subspaceCount, "encode: codes")
  }

  package static func lookupScores(
    _ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try require(
      codes.columns > 0 && tables.columns % codes.columns == 0,
      "lookupScores: \(tables.columns) table entries do not divide into \(codes.columns) tables")
    try require(scores, is: tables.rows, by: codes.rows, "lookupScores: scores")
  }

  package static func gather(
    _ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>
  ) throws(TesseraError) {
    try require(rows, is: target.rows, by: 1, "gather: rows")
    try require(target, is: target.rows, by: source.columns, "gather: target")
  }

  /// Returns the number of products summed into each element of the result.
  @discardableResult
  package static func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, into result: Matrix<Float>
  ) throws(TesseraError) -> Int {
    let (rows, inner) = aTransposed ? (a.columns, a.rows) : (a.rows, a.columns)
    let (innerB, columns) = bTransposed ? (b.columns, b.rows) : (b.rows, b.columns)
    try require(
      inner == innerB,
      "multiply: A is \(rows) x \(inner) and B is \(innerB) x \(columns) as multiplied")
    try require(result, is: rows, by: columns, "multiply: result")
    return inner
  }
}
