import TesseraCompute

/// The points of a clustering on a device, and the steps of Lloyd's algorithm over them.
struct DevicePoints {
  let metric: Metric
  private let device: any Device
  private let points: Matrix<Float>
  private let labels: Matrix<Int32>
  private let scores: Matrix<Float>
  /// Points of length 0 under cosine: near to nothing, so they never start a cluster.
  private let directionless: Set<Int>

  var count: Int { points.rows }
  var dimension: Int { points.columns }

  /// Widens, checks and uploads `source`, a block at a time: the host never holds it all.
  init(_ source: Vectors, metric: Metric, on device: any Device) throws(TesseraError) {
    self.metric = metric
    self.device = device
    points = try device.allocate(Float.self, rows: source.count, columns: source.dimension)
    labels = try device.allocate(Int32.self, rows: source.count, columns: 1)
    scores = try device.allocate(Float.self, rows: source.count, columns: 1)
    var directionless: Set<Int> = []
    let blockRows = max(1, (16 << 20) / (source.dimension * MemoryLayout<Float>.stride))
    for start in stride(from: 0, to: source.count, by: blockRows) {
      let range = start..<min(start + blockRows, source.count)
      let values = source.rows(range).widened()
      if let bad = values.firstIndex(where: { !$0.isFinite }) {
        throw Shapes.nonFinite("k-means", rows: [start + bad / source.dimension])
      }
      guard metric == .cosine else {
        try device.upload(values, to: points.rows(range))
        continue
      }
      let scaled = UnitLength.scaled(values, dimension: source.dimension)
      try device.upload(scaled.values, to: points.rows(range))
      directionless.formUnion(scaled.zeroRows.map { start + $0 })
    }
    self.directionless = directionless
  }

  /// Some of the points, on the same device.
  private init(_ chosen: [Int32], of all: DevicePoints) throws(TesseraError) {
    metric = all.metric
    device = all.device
    points = try device.allocate(Float.self, rows: chosen.count, columns: all.dimension)
    labels = try device.allocate(Int32.self, rows: chosen.count, columns: 1)
    scores = try device.allocate(Float.self, rows: chosen.count, columns: 1)
    directionless = Set(chosen.indices.filter { all.directionless.contains(Int(chosen[$0])) })
    try device.gather(
      all.points, rows: device.upload(chosen, rows: chosen.count, columns: 1), into: points)
  }

  /// At most `limit` of the points, every choice equally likely.
  func sample(_ limit: Int, _ random: inout SplitMix64) throws(TesseraError) -> DevicePoints {
    guard limit < count else { return self }
    return try DevicePoints(random.nextIndices(limit, below: count).sorted(), of: self)
  }

  /// The values of some rows.
  func rows(_ chosen: [Int32]) throws(TesseraError) -> [Float] {
    let target = try device.allocate(Float.self, rows: chosen.count, columns: dimension)
    try device.gather(
      points, rows: device.upload(chosen, rows: chosen.count, columns: 1), into: target)
    return try device.download(target)
  }

  /// Each point's nearest centroid. Empty clusters are moved, in `centroids`, to the points
  /// farthest from theirs, and the points assigned again, until none is empty or every point lies
  /// on its centroid: then there are fewer distinct points than clusters.
  func assign(repairing centroids: inout [Float]) throws(TesseraError) -> Assignment {
    var assignment = try assign(to: centroids)
    // A cluster moved to a point keeps that point, so each round leaves at least one more that
    // will never be empty again.
    for _ in 0..<assignment.counts.count where assignment.counts.contains(0) {
      let empty = assignment.counts.indices.filter { assignment.counts[$0] == 0 }
      let seeds = try farthest(empty.count, in: assignment)
      guard !seeds.isEmpty else { break }
      for (cluster, seed) in zip(empty, seeds) {
        centroids.replaceSubrange(cluster * dimension..<(cluster + 1) * dimension, with: seed)
      }
      assignment = try assign(to: centroids)
    }
    return assignment
  }

  private func assign(to centroids: [Float]) throws(TesseraError) -> Assignment {
    let clusters = centroids.count / dimension
    try device.assignNearest(
      points, to: device.upload(centroids, rows: clusters, columns: dimension), metric: metric,
      into: labels, scores)
    return try Assignment(
      labels: device.download(labels), distances: distances(device.download(scores)),
      clusterCount: clusters)
  }

  /// The values of up to `limit` points farthest from their centroids, no two alike, none that
  /// lies on its centroid. Ties by lower row.
  private func farthest(_ limit: Int, in assignment: Assignment) throws(TesseraError) -> [[Float]] {
    let distances = assignment.distances
    let ranked = distances.indices
      .filter { distances[$0] > 0 && !directionless.contains($0) }
      .sorted { (distances[$0], $1) > (distances[$1], $0) }
    var found: [[Float]] = []
    var seen: Set<[Float]> = []
    // Copies of one far point are common; fetch a few at a time until enough differ.
    for start in stride(from: 0, to: ranked.count, by: 4 * limit) where found.count < limit {
      let block = ranked[start...].prefix(4 * limit)
      let values = try rows(block.map(Int32.init))
      for index in block.indices.indices where found.count < limit {
        let row = Array(values[index * dimension..<(index + 1) * dimension])
        if seen.insert(row).inserted { found.append(row) }
      }
    }
    return found
  }

  /// The mean of each cluster's points; of unit length for cosine. A cluster without a mean (no
  /// points, or opposite ones that cancel) keeps its old centroid.
  func means(labels assigned: [Int32], old: [Float]) throws(TesseraError) -> [Float] {
    let clusters = old.count / dimension
    let sums = try device.allocate(Double.self, rows: clusters, columns: dimension)
    let counts = try device.allocate(Int32.self, rows: clusters, columns: 1)
    try device.upload(assigned, to: labels)
    try device.accumulateClusters(points, labels, into: sums, counts)
    let totals = try device.download(sums)
    let members = try device.download(counts)
    var centroids = old
    for cluster in 0..<clusters where members[cluster] > 0 {
      let range = cluster * dimension..<(cluster + 1) * dimension
      var divisor = Double(members[cluster])
      if metric == .cosine {
        var squares = 0.0
        for i in range { squares += totals[i] * totals[i] }
        divisor = squares.squareRoot()
      }
      guard divisor > 0 else { continue }
      for i in range { centroids[i] = Float(totals[i] / divisor) }
    }
    return centroids
  }

  /// k-means++: rows chosen one after the other, with chances proportional to the distance from
  /// the nearest row chosen before.
  func spreadRows(_ limit: Int, _ random: inout SplitMix64) throws(TesseraError) -> [Int32] {
    var chosen = [Int32(random.nextIndex(below: count))]
    var weights = [Double](repeating: .infinity, count: count)
    for row in directionless { weights[row] = 0 }
    while chosen.count < limit {
      let newest = try device.upload(rows([chosen[chosen.count - 1]]), rows: 1, columns: dimension)
      try device.assignNearest(points, to: newest, metric: metric, into: labels, scores)
      let distances = try distances(device.download(scores))
      for row in weights.indices { weights[row] = min(weights[row], distances[row]) }
      chosen.append(Int32(pick(weights, &random)))
    }
    return chosen
  }

  /// A row with a chance proportional to its weight, by Float64 sums in row order. Where all
  /// weights are 0, every point equals a chosen one, and any row will do.
  private func pick(_ weights: [Double], _ random: inout SplitMix64) -> Int {
    let total = weights.reduce(0, +)
    guard total > 0, total.isFinite else { return random.nextIndex(below: count) }
    let target = random.nextUnit() * total
    var sum = 0.0
    var last = 0
    for row in weights.indices where weights[row] > 0 {
      sum += weights[row]
      if sum > target { return row }
      last = row
    }
    return last
  }

  /// How far a point is from a centroid, from the canonical score.
  ///
  /// Unit vectors in Float32 have a similarity to themselves that is off 1 by 2^-23 at most, so
  /// what is within 2^-22 of 1 counts as the same direction.
  private func distances(_ scores: [Float]) -> [Double] {
    guard metric == .cosine else { return scores.map(Double.init) }
    return scores.map { score in
      let distance = 1 - Double(score)
      return distance > 0x1p-22 ? distance : 0
    }
  }
}

/// Which cluster each point belongs to.
struct Assignment {
  let labels: [Int32]
  let distances: [Double]
  let counts: [Int]
  /// The distances added in row order.
  let objective: Double

  init(labels: [Int32], distances: [Double], clusterCount: Int) {
    self.labels = labels
    self.distances = distances
    var counts = [Int](repeating: 0, count: clusterCount)
    for label in labels { counts[Int(label)] += 1 }
    self.counts = counts
    objective = distances.reduce(0, +)
  }
}
