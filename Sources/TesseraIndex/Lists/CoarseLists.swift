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
  /// The mean of the centroids.
  let middle: [Float]

  init(centroids: Vectors, radius: Float, recall: [Float]) {
    self.centroids = centroids
    self.radius = radius
    self.recall = recall
    var sums = [Double](repeating: 0, count: centroids.dimension)
    for list in 0..<centroids.count {
      for (d, value) in centroids.row(list).enumerated() { sums[d] += Double(value) }
    }
    let count = Double(max(1, centroids.count))
    middle = sums.map { Float($0 / count) }
  }

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
