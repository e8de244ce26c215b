import TesseraCompute

/// Matrix operations at sizes that a kernel simulator finishes, each kernel at least once with more
/// than one group and with a ragged edge.
let matrixChecks: [Check] =
  [
    multiplyCheck(rows: 13, inner: 20, columns: 37, transposed: (false, true), beta: 0),
    multiplyCheck(rows: 70, inner: 17, columns: 33, transposed: (true, false), beta: 0.5),
    canonicalCheck(.innerProduct, queries: 2, vectors: 70, dimension: 37),
    canonicalCheck(.squaredL2, queries: 1, vectors: 130, dimension: 3),
    canonicalCheck(.cosine, queries: 3, vectors: 20, dimension: 16),
    topKCheck(rows: 2, columns: 300, k: 20, .largestFirst),
    topKCheck(rows: 1, columns: 40_000, k: 3, .smallestFirst, kinds: 50_000),
    topKCheck(rows: 1, columns: 2600, k: 2100, .largestFirst),
    Check("gather") { device in
      let target = try device.allocate(Float.self, rows: 40, columns: 5)
      try device.gather(
        device.upload(numbers(35, seed: 1), rows: 7, columns: 5),
        rows: device.upload((0..<40).map { Int32($0 * 3 % 7) }, rows: 40, columns: 1),
        into: target)
      return try device.download(target)
    },
  ]

private func multiplyCheck(
  rows: Int, inner: Int, columns: Int, transposed: (a: Bool, b: Bool), beta: Float
) -> Check {
  Check("multiply \(rows) x \(inner) x \(columns), transposed \(transposed)") { device in
    let a = numbers(rows * inner, seed: 1)
    let b = numbers(inner * columns, seed: 2)
    let result = try device.upload(
      numbers(rows * columns, seed: 3), rows: rows, columns: columns)
    try device.multiply(
      device.upload(
        a, rows: transposed.a ? inner : rows, columns: transposed.a ? rows : inner),
      transposed: transposed.a,
      device.upload(
        b, rows: transposed.b ? columns : inner, columns: transposed.b ? inner : columns),
      transposed: transposed.b, alpha: 2, beta: beta, into: result)
    return try device.download(result)
  }
}

private func canonicalCheck(
  _ metric: Metric, queries: Int, vectors: Int, dimension: Int
) -> Check {
  Check("canonicalScores \(queries) x \(vectors) x \(dimension), \(metric)") { device in
    let scores = try device.allocate(Float.self, rows: queries, columns: vectors)
    try device.canonicalScores(
      device.upload(numbers(queries * dimension, seed: 1), rows: queries, columns: dimension),
      device.upload(numbers(vectors * dimension, seed: 2), rows: vectors, columns: dimension),
      metric: metric, into: scores)
    return try device.download(scores)
  }
}

/// - Parameter kinds: How many different scores there can be; few make ties.
private func topKCheck(
  rows: Int, columns: Int, k: Int, _ order: ScoreOrder, kinds: Int = 64
) -> Check {
  Check("topK \(k) of \(columns), \(rows) rows, \(order)") { device in
    let scores = (0..<rows * columns).map { Float($0 &* 7919 % kinds) - 5 }
    let values = try device.allocate(Float.self, rows: rows, columns: k)
    let chosen = try device.allocate(Int32.self, rows: rows, columns: k)
    try device.topK(
      device.upload(scores, rows: rows, columns: columns), order: order, into: values, chosen)
    return try [device.download(values), device.download(chosen).map(Float.init)]
  }
}
