extension ReferenceDevice {
  /// Multiplies in Float64 and rounds each score once.
  public func innerProducts(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.innerProducts(queries, vectors, into: scores)
    try multiply(
      queries, transposed: false, vectors, transposed: true, alpha: 1, beta: 0, into: scores)
  }

  /// Scores each pair by ``CanonicalScore`` itself, which is the definition.
  public func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, metric: Metric, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.canonicalScores(queries, vectors, into: scores)
    let columns = queries.columns
    let queryElements = try Array(queries.hostElements("canonicalScores"))
    let vectorElements = try Array(vectors.hostElements("canonicalScores"))
    try Shapes.requireFinite(
      Vectors(queryElements, dimension: columns), "canonicalScores: queries")
    try Shapes.requireFinite(
      Vectors(vectorElements, dimension: columns), "canonicalScores: vectors")
    let results = try scores.hostElements("canonicalScores")
    for query in 0..<queries.rows {
      let row = Array(queryElements[query * columns..<(query + 1) * columns])
      for vector in 0..<vectors.rows {
        results[query * vectors.rows + vector] = CanonicalScore.score(
          metric, row, Array(vectorElements[vector * columns..<(vector + 1) * columns]))
      }
    }
  }

  /// Sorts each row of scores whole.
  public func topK(
    _ scores: Matrix<Float>, order: ScoreOrder, into values: Matrix<Float>,
    _ columns: Matrix<Int32>
  ) throws(TesseraError) {
    try Shapes.topK(scores, into: values, columns)
    let (k, width) = (values.columns, scores.columns)
    let scores = try scores.hostElements("topK")
    let values = try values.hostElements("topK")
    let chosen = try columns.hostElements("topK")
    for row in 0..<columns.rows {
      let ranked = (0..<width)
        .map { (score: scores[row * width + $0], id: Int64($0)) }
        .sorted { order.ranks($0, ahead: $1) }
      for place in 0..<k {
        values[row * k + place] = ranked[place].score
        chosen[row * k + place] = Int32(ranked[place].id)
      }
    }
  }

  /// Searches the centroids for each point with `nearest` and k = 1.
  public func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, metric: Metric,
    into labels: Matrix<Int32>, _ scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.assignNearest(points, to: centroids, into: labels, scores)
    let rows = try Vectors(
      Array(points.hostElements("assignNearest")), dimension: points.columns)
    let targets = try Vectors(
      Array(centroids.hostElements("assignNearest")), dimension: centroids.columns)
    try Shapes.requireFinite(rows, "assignNearest: points")
    try Shapes.requireFinite(targets, "assignNearest: centroids")
    let nearest = try nearest(rows, in: prepare(targets, metric: metric), k: 1)
    let labels = try labels.hostElements("assignNearest")
    let best = try scores.hostElements("assignNearest")
    for point in 0..<points.rows {
      labels[point] = Int32(nearest.ids[point])
      best[point] = nearest.scores[point]
    }
  }

  /// Collects each cluster's rows first, then adds them in runs of 256.
  public func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>
  ) throws(TesseraError) {
    try Shapes.accumulateClusters(points, labels, into: sums, counts)
    let (clusters, width) = (sums.rows, sums.columns)
    let values = try points.hostElements("accumulateClusters")
    let labels = try labels.hostElements("accumulateClusters")
    let sums = try sums.hostElements("accumulateClusters")
    let counts = try counts.hostElements("accumulateClusters")
    var members = [[Int]](repeating: [], count: clusters)
    for point in labels.indices {
      guard (0..<clusters).contains(Int(labels[point])) else {
        throw Shapes.outside(
          "accumulateClusters: label", value: Int(labels[point]), at: point, limit: clusters)
      }
      members[Int(labels[point])].append(point)
    }
    for cluster in 0..<clusters {
      counts[cluster] = Int32(members[cluster].count)
      for column in 0..<width {
        var total = 0.0
        for start in stride(from: 0, to: members[cluster].count, by: 256) {
          var run = 0.0
          for point in members[cluster][start...].prefix(256) {
            run += Double(values[point * width + column])
          }
          total += run
        }
        sums[cluster * width + column] = total
      }
    }
  }

  /// Scores each subspace of each point against every codeword canonically.
  public func encode(
    _ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>
  ) throws(TesseraError) {
    try Shapes.encode(points, codebook, into: codes)
    let pointRows = try Vectors(Array(points.hostElements("encode")), dimension: points.columns)
    let width = codebook.codewords.columns
    let codewords = try Vectors(
      Array(codebook.codewords.hostElements("encode")), dimension: width)
    try Shapes.requireFinite(pointRows, "encode: points")
    try Shapes.requireFinite(codewords, "encode: codewords")
    let codes = try codes.hostElements("encode")
    for point in 0..<points.rows {
      let row = pointRows.row(point)
      for subspace in 0..<codebook.subspaceCount {
        let values = Array(row[subspace * width..<(subspace + 1) * width])
        let scores = (0..<codebook.codewordCount).map {
          CanonicalScore.score(
            .squaredL2, values, codewords.row(subspace * codebook.codewordCount + $0))
        }
        var best = 0
        for codeword in scores.indices where scores[codeword] < scores[best] { best = codeword }
        codes[point * codebook.subspaceCount + subspace] = UInt8(best)
      }
    }
  }

  /// Adds the table entries of each code in rising order of its subspaces.
  public func lookupScores(
    _ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.lookupScores(tables, codes, into: scores)
    let (subspaceCount, width) = (codes.columns, tables.columns)
    let codewords = width / subspaceCount
    let tables = try tables.hostElements("lookupScores")
    let stored = try codes.hostElements("lookupScores")
    let results = try scores.hostElements("lookupScores")
    for (index, code) in stored.enumerated() where Int(code) >= codewords {
      throw Shapes.outside("lookupScores: code", value: Int(code), at: index, limit: codewords)
    }
    for query in 0..<scores.rows {
      for row in 0..<codes.rows {
        var sum: Float = 0
        for subspace in 0..<subspaceCount {
          sum +=
            tables[
              query * width + subspace * codewords + Int(stored[row * subspaceCount + subspace])]
        }
        results[query * codes.rows + row] = sum
      }
    }
  }

  /// Checks all row numbers, then copies row by row.
  public func gather(
    _ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.gather(source, rows: rows, into: target)
    let width = source.columns
    let values = try source.hostElements("gather")
    let rows = try rows.hostElements("gather")
    let target = try target.hostElements("gather")
    for (index, row) in rows.enumerated() where !(0..<source.rows).contains(Int(row)) {
      throw Shapes.outside("gather: row", value: Int(row), at: index, limit: source.rows)
    }
    for (index, row) in rows.enumerated() {
      for column in 0..<width {
        target[index * width + column] = values[Int(row) * width + column]
      }
    }
  }

  /// Adds each product in Float64 in rising order of the inner side and rounds once.
  public func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, alpha: Float, beta: Float, into result: Matrix<Float>
  ) throws(TesseraError) {
    let inner = try Shapes.multiply(
      a, transposed: aTransposed, b, transposed: bTransposed, into: result)
    let (aColumns, bColumns, columns) = (a.columns, b.columns, result.columns)
    let left = try a.hostElements("multiply")
    let right = try b.hostElements("multiply")
    let out = try result.hostElements("multiply")
    for i in 0..<result.rows {
      for j in 0..<columns {
        var sum = 0.0
        for d in 0..<inner {
          let x = aTransposed ? left[d * aColumns + i] : left[i * aColumns + d]
          let y = bTransposed ? right[j * bColumns + d] : right[d * bColumns + j]
          sum += Double(x) * Double(y)
        }
        let old = beta == 0 ? 0 : Double(beta) * Double(out[i * columns + j])
        out[i * columns + j] = Float(Double(alpha) * sum + old)
      }
    }
  }
}
