internal import TesseraCompute

/// The lists of an index: their centroids, how far rows are from them, and how many lists it takes to
/// find what is near.
struct CoarseLists: Sendable {
  /// One row for each list.
  let centroids: Vectors
  /// The largest distance of any row from its list's centroid; for the cosine, of unit vectors.
  let radius: Float
  /// `recall[p]` is the share of true neighbors in the p + 1 nearest lists, of rows that were asked
  /// when the index was built.
  let recall: [Float]

  var count: Int { centroids.count }

  /// The fewest lists whose rows held at least this share of the true neighbors.
  func probes(forRecall target: Double) -> Int {
    (recall.firstIndex { Double($0) >= target } ?? count - 1) + 1
  }

  /// Tells whether lists whose centroids are no nearer than `next` can hold no row that is better than
  /// `worst`, by the triangle inequality.
  ///
  /// - Parameters:
  ///   - next: The canonical score of the nearest centroid that was left out.
  ///   - worst: The canonical score of the last hit.
  ///   - length: That of the query.
  func ruleOut(_ metric: Metric, next: Float, worst: Float, length: Double) -> Bool {
    // Covers the rounding of scores and of the radius.
    let slack = 1e-5
    let radius = Double(radius) * (1 + slack)
    switch metric {
    case .squaredL2:
      let least = (Double(next).squareRoot() * (1 - slack) - radius)
      return least > 0 && least * least > Double(worst) * (1 + slack)
    case .innerProduct:
      let most = Double(next) + length * radius
      return most + slack * (abs(Double(next)) + length * radius) < Double(worst)
    case .cosine:
      return Double(next) + radius + slack < Double(worst)
    }
  }
}

/// The lists that queries look at, and what is known of those they do not.
struct CoarseProbes {
  let probes: Probes
  /// For each query the score of the nearest centroid that was left out; nil if none was.
  let next: [Float?]

  /// Takes the `count` nearest lists of each query.
  init(
    _ queries: Vectors, _ count: Int, among centroids: VectorSet, on device: any Device
  ) throws(TesseraError) {
    let lists = centroids.count
    let found = try device.nearest(queries, in: centroids, k: min(lists, count + 1))
    let kept = min(count, lists)
    var entries: [Int32] = []
    entries.reserveCapacity(queries.count * kept)
    var next: [Float?] = []
    for query in 0..<queries.count {
      let hits = found[query]
      entries += hits.prefix(kept).map { Int32($0.id) }
      next.append(hits.count > kept ? hits[kept].score : nil)
    }
    probes = Probes(
      checked: (0...queries.count).map { $0 * kept }, lists: entries, terms: nil)
    self.next = next
  }
}
