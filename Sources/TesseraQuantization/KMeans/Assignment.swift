import TesseraCompute
internal import TesseraHost

/// Holds the cluster of each point.
struct Assignment {
  let labels: [Int32]
  let distances: [Double]
  let counts: [Int]
  /// Weights times distances, added in row order, chunk by chunk.
  let objective: Double

  /// Points that are gone over between two looks at the stop signal: some milliseconds.
  static let run = 1 << 20

  /// - Throws: `.deviceFailure` for a label that names no cluster, `.cancelled` and
  ///   `.deadlineExceeded`.
  init(
    labels: [Int32], distances: [Double], weights: [Float]?, clusterCount: Int,
    chunkRows: Int? = nil
  ) throws(TesseraError) {
    self.labels = labels
    self.distances = distances
    var counts = [Int](repeating: 0, count: clusterCount)
    try StopSignal.checkEvery(Self.run, of: labels.count) { range throws(TesseraError) in
      for point in range {
        let label = labels[point]
        guard counts.indices.contains(Int(label)) else {
          throw TesseraError(
            .deviceFailure,
            "k-means: the device put point \(point) into cluster \(label), and there are only "
              + "0..<\(clusterCount); use another device")
        }
        counts[Int(label)] += 1
      }
    }
    self.counts = counts
    objective = try ChunkTree.total(of: labels.count, inChunksOf: chunkRows) {
      chunk throws(TesseraError) in
      var sum = 0.0
      try StopSignal.checkEvery(Self.run, of: chunk.count) { run in
        for point in chunk.lowerBound + run.lowerBound..<chunk.lowerBound + run.upperBound {
          sum += weights.map { Double($0[point]) * distances[point] } ?? distances[point]
        }
      }
      return sum
    }
  }

  /// Returns how many points belong to another cluster than in `other`.
  func moved(since other: Assignment) throws(TesseraError) -> Int {
    var count = 0
    try StopSignal.checkEvery(Self.run, of: labels.count) { range in
      count += zip(labels[range], other.labels[range]).count { $0 != $1 }
    }
    return count
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
        try device.assigner(for: resident, metric: .squaredL2)
      } else { nil }
    let rows = points.resident?.rows ?? points.blockRows
    labels = try device.allocate(Int32.self, rows: rows, columns: 1)
    scores = try device.allocate(Float.self, rows: rows, columns: 1)
  }

  /// Returns each point's nearest centroid.
  func assign(to centroids: [Float]) throws(TesseraError) -> Assignment {
    let device = points.device
    let clusters = centroids.count / points.dimension
    let directionless = directionlessClusters(centroids)
    let target = try device.upload(
      outOfReach(centroids, directionless), rows: clusters, columns: points.dimension)
    var found: [Int32] = []
    var distances: [Double] = []
    try points.forEachBlock { range, block throws(TesseraError) in
      try StopSignal.check()
      let labels = labels.rows(0..<range.count)
      let scores = scores.rows(0..<range.count)
      if let assigner {
        try assigner.assign(to: target, into: labels, scores)
      } else {
        try device.assignNearest(block, to: target, metric: .squaredL2, into: labels, scores)
      }
      try StopSignal.checkEvery(Assignment.run, of: range.count) { rows throws(TesseraError) in
        found += try device.download(labels.rows(rows))
        distances += try points.distances(
          device.download(scores.rows(rows)), from: range.lowerBound + rows.lowerBound)
      }
    }
    for point in points.directionless {
      // As similar to one as to another: not at all.
      (found[point], distances[point]) = (0, points.metric == .cosine ? 1 : 0)
    }
    if directionless.count == clusters {
      for point in distances.indices {
        distances[point] = points.metric == .cosine ? 1 : points.lengths[point]
      }
    }
    return try Assignment(
      labels: found, distances: distances, weights: points.weights, clusterCount: clusters,
      chunkRows: points.chunkRows)
  }

  /// Returns the centroids of length 0 where only directions count: nothing is near them.
  private func directionlessClusters(_ centroids: [Float]) -> [Int] {
    guard points.metric != .squaredL2 else { return [] }
    return (0..<centroids.count / points.dimension).filter { cluster in
      centroids[cluster * points.dimension..<(cluster + 1) * points.dimension]
        .allSatisfy { $0 == 0 }
    }
  }

  /// Returns `centroids` with `clusters` so far away that no point of unit length is near them.
  private func outOfReach(_ centroids: [Float], _ clusters: [Int]) -> [Float] {
    guard !clusters.isEmpty else { return centroids }
    var centroids = centroids
    for cluster in clusters { centroids[cluster * points.dimension] = 0x1p20 }
    return centroids
  }

  /// Returns the same; before, empty clusters, but for frozen ones, are moved, in `centroids`, to
  /// the points farthest from theirs, and the points assigned again, until none is empty or every
  /// point lies on its centroid: then there are fewer distinct points than clusters.
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
      let seeds = try points.farthest(empty.count, in: assignment)
      guard !seeds.isEmpty else { break }
      for (cluster, seed) in zip(empty, seeds) {
        centroids.replaceSubrange(
          cluster * dimension..<(cluster + 1) * dimension, with: seed.values)
      }
      assignment = try assign(to: centroids)
      // Unless the distances between points vanish even in Float32.
      guard seeds.contains(where: { assignment.distances[$0.point] == 0 }) else { break }
    }
    return assignment
  }
}

extension TrainingPoints {
  /// Returns up to `limit` points farthest from their centroids and their values as centroids, no
  /// two alike, none that lies on its centroid or has no weight. Ties by lower row.
  func farthest(
    _ limit: Int, in assignment: Assignment
  ) throws(TesseraError) -> [(point: Int, values: [Float])] {
    let distances = assignment.distances
    var ranked = Heap(
      distances.indices.filter {
        distances[$0] > 0 && weight($0) > 0 && !directionless.contains($0)
      }
    ) { (distances[$0], $1) > (distances[$1], $0) }
    var found: [(Int, [Float])] = []
    var seen: Set<[Float]> = []
    var visited = 0
    while found.count < limit, let point = ranked.popFirst() {
      visited += 1
      if visited % 1024 == 0 { try StopSignal.check() }
      let row = centroids(at: [Int32(point)])
      if seen.insert(row).inserted { found.append((point, row)) }
    }
    return found
  }
}

/// Numbers that come out in order: only as many are sorted as are asked for.
struct Heap {
  private var numbers: [Int]
  private let isBefore: (Int, Int) -> Bool

  init(_ numbers: [Int], by isBefore: @escaping (Int, Int) -> Bool) {
    self.numbers = numbers
    self.isBefore = isBefore
    for index in (0..<numbers.count / 2).reversed() { sink(index) }
  }

  mutating func popFirst() -> Int? {
    guard let first = numbers.first, let last = numbers.popLast() else { return nil }
    if !numbers.isEmpty {
      numbers[0] = last
      sink(0)
    }
    return first
  }

  private mutating func sink(_ start: Int) {
    var index = start
    while true {
      var best = index
      for child in [2 * index + 1, 2 * index + 2] where child < numbers.count {
        if isBefore(numbers[child], numbers[best]) { best = child }
      }
      guard best != index else { return }
      numbers.swapAt(best, index)
      index = best
    }
  }
}
