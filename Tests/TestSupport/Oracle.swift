import COracle
public import TesseraCompute

/// Finds the right answers by brute force in Float64. Shares no arithmetic and no ordering with the
/// code under test.
public enum Oracle {
  /// The canonical score of every query with every vector, row-major.
  public static func scores(
    _ metric: Metric, _ queries: [Float], _ vectors: [Float], dimension: Int
  ) -> [Float] {
    let (queryCount, vectorCount) = (queries.count / dimension, vectors.count / dimension)
    return [Float](unsafeUninitializedCapacity: queryCount * vectorCount) { scores, initialized in
      initialized = queryCount * vectorCount
      guard initialized > 0 else { return }
      oracle_scores(
        metric.oracle, queries, Int64(queryCount), vectors, Int64(vectorCount), Int64(dimension),
        scores.baseAddress!)
    }
  }

  /// The places of `scores` best first; ties by lower place, NaN last.
  public static func rank(_ scores: [Float], _ order: ScoreOrder) -> [Int64] {
    [Int64](unsafeUninitializedCapacity: scores.count) { places, initialized in
      initialized = scores.count
      guard initialized > 0 else { return }
      oracle_rank(scores, Int64(scores.count), order == .largestFirst, places.baseAddress!)
    }
  }

  /// Every vector for every query, best first.
  public static func neighbors(
    _ queries: Sample, in rows: Sample, metric: Metric, firstID: Int64 = 0
  ) -> Neighbors {
    let count = rows.count
    let all = scores(metric, queries.values, rows.values, dimension: rows.dimension)
    var ids: [Int64] = []
    var best: [Float] = []
    ids.reserveCapacity(all.count)
    best.reserveCapacity(all.count)
    for query in 0..<queries.count {
      let scores = Array(all[query * count..<(query + 1) * count])
      for place in rank(scores, metric == .squaredL2 ? .smallestFirst : .largestFirst) {
        ids.append(firstID + place)
        best.append(scores[Int(place)])
      }
    }
    return Neighbors(
      queryCount: queries.count, hitCount: count, ids: ids, scores: best,
      statistics: SearchStatistics(certified: true, candidates: 0, rescored: 0))
  }

  /// A product summed in Float64, and the product of both lengths, which scales its error bound.
  ///
  /// `a[aStart + d * aStep] * b[bStart + d * bStep]` for d in 0..<count.
  public static func innerProduct(
    _ a: [Float], from aStart: Int, by aStep: Int, _ b: [Float], from bStart: Int, by bStep: Int,
    count: Int
  ) -> (sum: Double, magnitude: Double) {
    guard count > 0 else { return (0, 0) }
    var magnitude = 0.0
    let sum = a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        oracle_inner_product_near(
          a.baseAddress! + aStart, Int64(aStep), b.baseAddress! + bStart, Int64(bStep),
          Int64(count), &magnitude)
      }
    }
    return (sum, magnitude)
  }
}

extension Neighbors {
  /// The first `k` hits of every query.
  public func best(_ k: Int) -> Neighbors {
    let kept = min(k, hitCount)
    return Neighbors(
      queryCount: queryCount, hitCount: kept,
      ids: (0..<queryCount).flatMap { ids[$0 * hitCount..<$0 * hitCount + kept] },
      scores: (0..<queryCount).flatMap { scores[$0 * hitCount..<$0 * hitCount + kept] },
      statistics: statistics)
  }
}

extension Metric {
  var oracle: oracle_metric {
    switch self {
    case .innerProduct: oracle_inner_product
    case .squaredL2: oracle_squared_l2
    case .cosine: oracle_cosine
    }
  }
}
