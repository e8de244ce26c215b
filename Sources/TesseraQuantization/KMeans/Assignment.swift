import TesseraCompute

/// Holds the cluster of each point.
struct Assignment {
  let labels: [Int32]
  let distances: [Double]
  let counts: [Int]
  /// Weights times distances, added in row order.
  let objective: Double

  /// - Throws: `.deviceFailure` for a label that names no cluster.
  init(
    labels: [Int32], distances: [Double], weights: [Float]?, clusterCount: Int
  ) throws(TesseraError) {
    self.labels = labels
    self.distances = distances
    var counts = [Int](repeating: 0, count: clusterCount)
    for (point, label) in labels.enumerated() {
      guard counts.indices.contains(Int(label)) else {
        throw TesseraError(
          .deviceFailure,
          "k-means: the device put point \(point) into cluster \(label), and there are only "
            + "0..<\(clusterCount); use another device")
      }
      counts[Int(label)] += 1
    }
    self.counts = counts
    var sum = 0.0
    if let weights {
      for (distance, weight) in zip(distances, weights) { sum += Double(weight) * distance }
    } else {
      for distance in distances { sum += distance }
    }
    objective = sum
  }

  /// Points that belong to another cluster than in `other`.
  func moved(since other: Assignment) -> Int {
    zip(labels, other.labels).count { $0 != $1 }
  }
}

/// Assigns the points of one training to centroids that move.
struct PointAssignment {
  let points: TrainingPoints
  /// Only for points that stay on the device.
  private let assigner: (any Assigner)?
  private let labels: Matrix<Int32>
  private let scores: Matrix<Float>

  init(_ points: TrainingPoints) throws(TesseraError) {
    self.points = points
    let device = points.device
    assigner =
      if let resident = points.resident {
        try device.assigner(for: resident, metric: points.metric)
      } else { nil }
    let rows = points.resident?.rows ?? points.blockRows
    labels = try device.allocate(Int32.self, rows: rows, columns: 1)
    scores = try device.allocate(Float.self, rows: rows, columns: 1)
  }

  /// Each point's nearest centroid.
  func assign(to centroids: [Float]) throws(TesseraError) -> Assignment {
    let device = points.device
    let clusters = centroids.count / points.dimension
    let target = try device.upload(centroids, rows: clusters, columns: points.dimension)
    var found: [Int32] = []
    var distances: [Double] = []
    try points.forEachBlock { range, block throws(TesseraError) in
      let labels = labels.rows(0..<range.count)
      let scores = scores.rows(0..<range.count)
      if let assigner {
        try assigner.assign(to: target, into: labels, scores)
      } else {
        try device.assignNearest(
          block, to: target, metric: points.metric, into: labels, scores)
      }
      found += try device.download(labels)
      distances += try points.distances(device.download(scores), from: range.lowerBound)
    }
    return try Assignment(
      labels: found, distances: distances, weights: points.weights, clusterCount: clusters)
  }

  /// The same; then empty clusters, but for frozen ones, are moved, in `centroids`, to the points
  /// farthest from theirs, and the points assigned again, until none is empty or every point lies
  /// on its centroid: then there are fewer distinct points than clusters.
  func assign(
    repairing centroids: inout [Float], frozen: Set<Int>
  ) throws(TesseraError) -> Assignment {
    let dimension = points.dimension
    var assignment = try assign(to: centroids)
    // A cluster moved to a point keeps that point, so each round leaves at least one more that
    // will never be empty again.
    for _ in 0..<assignment.counts.count where assignment.counts.contains(0) {
      let empty = assignment.counts.indices.filter {
        assignment.counts[$0] == 0 && !frozen.contains($0)
      }
      guard !empty.isEmpty else { break }
      let seeds = points.farthest(empty.count, in: assignment)
      guard !seeds.isEmpty else { break }
      for (cluster, seed) in zip(empty, seeds) {
        centroids.replaceSubrange(cluster * dimension..<(cluster + 1) * dimension, with: seed)
      }
      assignment = try assign(to: centroids)
    }
    return assignment
  }
}

extension TrainingPoints {
  /// The values of up to `limit` points farthest from their centroids, no two alike, none that
  /// lies on its centroid or has no weight. Ties by lower row.
  fileprivate func farthest(_ limit: Int, in assignment: Assignment) -> [[Float]] {
    let distances = assignment.distances
    let ranked = distances.indices
      .filter { distances[$0] > 0 && !directionless.contains($0) && weight($0) > 0 }
      .sorted { (distances[$0], $1) > (distances[$1], $0) }
    var found: [[Float]] = []
    var seen: Set<[Float]> = []
    for point in ranked {
      guard found.count < limit else { break }
      let row = centroids(at: [Int32(point)])
      if seen.insert(row).inserted { found.append(row) }
    }
    return found
  }

  /// Returns the distances of points, from `first` on, to their centroids, from canonical scores.
  ///
  /// Unit vectors in Float32 have a similarity to themselves that is off 1 by 2^-23 at most, so
  /// what is within 2^-22 of 1 counts as the same direction.
  func distances(_ scores: [Float], from first: Int) -> [Double] {
    switch metric {
    case .squaredL2: scores.map(Double.init)
    case .cosine:
      scores.map { score in
        let distance = 1 - Double(score)
        return distance > 0x1p-22 ? distance : 0
      }
    case .innerProduct:
      scores.enumerated().map { index, score in
        let length = lengths[first + index]
        let distance = length - Double(score)
        return distance > length * 0x1p-22 ? distance : 0
      }
    }
  }
}
