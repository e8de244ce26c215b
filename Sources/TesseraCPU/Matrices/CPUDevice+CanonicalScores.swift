internal import CSIMD
public import TesseraCompute
internal import TesseraHost

extension CPUDevice {
  /// Adds in Float64 with SIMD kernels, queries divided among threads, vectors in blocks that stay
  /// in the cache.
  public func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, metric: Metric, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.canonicalScores(queries, vectors, into: scores)
    let querySquares = try squares(queries, "canonicalScores: queries")
    let vectorSquares = try squares(vectors, "canonicalScores: vectors")
    let rows = try HostSpan(queries, "canonicalScores")
    let result = try HostSpan(scores, "canonicalScores")
    let source = try vectors.hostVectors("canonicalScores")
    let count = vectors.rows
    guard count > 0 else { return }
    let listed = (0..<Int32(count)).map { $0 }
    // Vectors that stay in the cache while the queries of a task pass by.
    let block = max(1, (256 << 10) / max(1, 4 * vectors.columns))
    try workers.split(queries.rows, minimum: max(1, 65536 / count)) { range throws(TesseraError) in
      let sums = try HostStorage(allocating: block * MemoryLayout<Double>.stride)
      for first in stride(from: 0, to: count, by: block) {
        let last = min(first + block, count)
        for query in range {
          if query % 64 == 0 { try StopSignal.check() }
          var scorer = csimd_scorer()
          scorer.query = UnsafePointer(rows.start + query * queries.columns)
          scorer.rows = source.kernelRows
          scorer.metric = metric.kernelMetric
          listed.withUnsafeBufferPointer { listed in
            kernels.table.pointee.canonical_sums(
              &scorer, listed.baseAddress.map { $0 + first }, last - first, sums.doubles)
          }
          let scores = result.start + query * count
          for vector in first..<last {
            scores[vector] = CanonicalScore.finish(
              metric, sum: sums.doubles[vector - first],
              querySquares: querySquares.doubles[query],
              vectorSquares: vectorSquares.doubles[vector])
          }
        }
      }
    }
  }

  /// Adds in Float64 with SIMD kernels, queries divided among threads.
  public func canonicalScores(
    _ queries: Vectors, with rows: Vectors, listed: [Int32], starts: [Int], metric: Metric
  ) throws(TesseraError) -> [Float] {
    try Shapes.canonicalScores(queries, with: rows, listed: listed, starts: starts)
    let prepared = try PreparedQueries(
      queries, "canonicalScores: queries", kernels: kernels, workers: workers)
    let longest = zip(starts, starts.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) }
    let each = max(1, 4096 * queries.count / max(1, listed.count))
    let scores = try HostStorage(allocating: listed.count * 4)
    try workers.split(queries.count, minimum: each) { range throws(TesseraError) in
      let sums = try HostStorage(allocating: longest * MemoryLayout<Double>.stride)
      let row = try HostStorage(allocating: rows.dimension * MemoryLayout<Float>.stride)
      var scorer = csimd_scorer()
      scorer.rows = rows.kernelRows
      scorer.metric = metric.kernelMetric
      for query in range {
        if query % 64 == 0 { try StopSignal.check() }
        let own = starts[query]..<starts[query + 1]
        scorer.query = prepared.row(query)
        listed.withUnsafeBufferPointer { listed in
          kernels.table.pointee.canonical_sums(
            &scorer, listed.baseAddress.map { $0 + own.lowerBound }, own.count, sums.doubles)
        }
        for (place, entry) in own.enumerated() {
          var squares = 0.0
          if metric == .cosine {
            kernels.table.pointee.widen_rows(
              scorer.rows, Int(listed[entry]), 1, row.floats, &squares)
          }
          scores.floats[entry] = CanonicalScore.finish(
            metric, sum: sums.doubles[place], querySquares: prepared.squares[query],
            vectorSquares: squares)
        }
      }
    }
    return Array(UnsafeBufferPointer(start: scores.floats, count: listed.count))
  }

  /// The canonical sum of squares of each row.
  ///
  /// - Throws: `.nonFinite`, naming rows of `name`.
  private func squares(
    _ matrix: Matrix<Float>, _ name: String
  ) throws(TesseraError) -> HostStorage {
    let squares = try HostStorage(allocating: matrix.rows * MemoryLayout<Double>.stride)
    let rows = try matrix.hostVectors("canonicalScores")
    try workers.split(matrix.rows, minimum: max(1, 65536 / max(1, matrix.columns))) { range in
      kernels.table.pointee.widen_rows(
        rows.kernelRows, range.lowerBound, range.count, nil, squares.doubles + range.lowerBound)
    }
    let bad = (0..<matrix.rows).filter { !squares.doubles[$0].isFinite }
    guard bad.isEmpty else { throw Shapes.nonFinite(name, rows: bad) }
    return squares
  }
}
