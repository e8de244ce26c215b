internal import Synchronization
import TesseraCompute
internal import TesseraHost

/// Finds the centroids to start from.
struct KMeansStart {
  let points: TrainingPoints
  let clusterCount: Int

  func centroids(
    _ initialization: KMeans.Initialization, _ random: inout SplitMix64, control: RunControl
  ) throws(TesseraError) -> [Float] {
    try control.report("seeding", done: 0)
    switch initialization {
    case .random:
      return points.centroids(at: random.nextIndices(clusterCount, below: points.count))
    case .kMeansPlusPlus:
      let sample = try points.sample(Self.sampleSize(clusterCount), &random)
      return try Self.spread(clusterCount, among: sample, &random, control)
    case .kMeansParallel: return try parallel(&random, control)
    case .given(let centroids): return points.trained(centroids: centroids)
    }
  }

  /// Points that k-means++ chooses among: all would be passed over often for little more.
  static func sampleSize(_ clusterCount: Int) -> Int { max(1 << 11, 4 * clusterCount) }

  /// k-means++: rows chosen with chances proportional to weight and distance from the nearest
  /// chosen before, the first by weight alone.
  static func spread(
    _ limit: Int, among points: TrainingPoints, _ random: inout SplitMix64,
    _ control: RunControl
  ) throws(TesseraError) -> [Float] {
    var chances = Chances(points)
    let assigning = try PointAssignment(points)
    var newest = points.centroids(at: try chances.take(1, &random))
    var chosen = newest
    while chosen.count < limit * points.dimension {
      let count = chosen.count / points.dimension
      try control.report("seeding", done: Double(count) / Double(limit))
      try chances.lower(to: assigning.assign(to: newest))
      // A panel of centroids costs a pass as much as one does.
      let batch = min(max(3 * count, 31), largestBatch, limit - count)
      newest = try chances.spread(batch, &random)
      chosen += newest
    }
    return chosen
  }

  /// Most rows chosen between two passes over the points: more would be compared among each other,
  /// on the host, for longer than a pass takes.
  private static let largestBatch = 512

  /// k-means||: more rows than needed in a few rounds, and k-means++ among those.
  private func parallel(
    _ random: inout SplitMix64, _ control: RunControl
  ) throws(TesseraError) -> [Float] {
    let rounds = 5
    var chances = Chances(points)
    let assigning = try PointAssignment(points)
    var chosen = try chances.take(1, &random)
    var newest = chosen
    for round in 0..<rounds {
      try control.report("seeding", done: Double(round) / Double(rounds))
      try chances.lower(to: assigning.assign(to: points.centroids(at: newest)))
      newest = try chances.takeIndependently(expected: Double(clusterCount) / 2, &random)
      guard !newest.isEmpty else { break }
      chosen += newest
    }
    if chosen.count < clusterCount {
      if !newest.isEmpty {
        try chances.lower(to: assigning.assign(to: points.centroids(at: newest)))
      }
      chosen += try chances.take(clusterCount - chosen.count, &random)
    }
    guard chosen.count > clusterCount else { return points.centroids(at: chosen) }
    let nearest = try assigning.assign(to: points.centroids(at: chosen))
    var masses = [Float](repeating: 0, count: chosen.count)
    for (point, label) in nearest.labels.enumerated() {
      masses[Int(label)] += Float(points.weight(point))
    }
    let candidates = try points.subset(chosen, weights: masses)
    return try Self.spread(clusterCount, among: candidates, &random, control)
  }
}

/// Holds each point's chance to be chosen next: its weight times its distance from the nearest
/// point chosen so far.
private struct Chances {
  private let points: TrainingPoints
  /// Infinite before anything is chosen.
  private var distances: [Double]
  private var values: [Double]

  init(_ points: TrainingPoints) {
    self.points = points
    distances = Array(repeating: .infinity, count: points.count)
    values = (0..<points.count).map { points.directionless.contains($0) ? 0 : points.weight($0) }
  }

  mutating func lower(to assignment: Assignment) throws(TesseraError) {
    try StopSignal.checkEvery(Assignment.run, of: distances.count) { range in
      for point in range where assignment.distances[point] < distances[point] {
        distances[point] = assignment.distances[point]
        values[point] =
          points.directionless.contains(point) ? 0 : distances[point] * points.weight(point)
      }
    }
  }

  /// `limit` different points, one after the other, by Float64 sums in row order. Where no chance
  /// is left, every point equals a chosen one, and any will do.
  mutating func take(
    _ limit: Int, _ random: inout SplitMix64
  ) throws(TesseraError) -> [Int32] {
    let (sums, total) = try cumulated()
    var taken: [Int32] = []
    var isTaken: Set<Int32> = []
    // The chance to hit a point twice is small; where it is not, few are left.
    for _ in 0..<4 * limit where taken.count < limit && total > 0 && total.isFinite {
      let low = Self.draw(sums, total, &random)
      if values[low] > 0, isTaken.insert(Int32(low)).inserted { taken.append(Int32(low)) }
    }
    while taken.count < limit {
      let point = Int32(random.nextIndex(below: values.count))
      if isTaken.insert(point).inserted || isTaken.count >= values.count { taken.append(point) }
    }
    return taken
  }

  /// Returns the values of some points, at least 1 and at most `limit`, that are chosen as by
  /// k-means++, one after the other.
  ///
  /// A pass over all points after each would be slow. Instead points are proposed by the chances of
  /// before, and taken with a probability of the chance they have now over the one they had: the
  /// same distribution (rejection sampling). Once half of the proposals are refused, it is time for
  /// a pass.
  func spread(_ limit: Int, _ random: inout SplitMix64) throws(TesseraError) -> [Float] {
    let (sums, total) = try cumulated()
    guard total > 0, total.isFinite else {
      var copy = self
      return points.centroids(at: try copy.take(limit, &random))
    }
    let width = points.dimension
    var taken: [Float] = []
    var (count, tried) = (0, 0)
    while count < limit, tried < 2 * count + 16 {
      try StopSignal.check()
      let proposals = (0..<min(64, limit - count)).map { _ in Self.draw(sums, total, &random) }
      tried += proposals.count
      let rows = points.centroids(at: proposals.map(Int32.init))
      var nearest = try RowDistances.nearest(
        rows, among: taken, width: width, workers: points.device.hostWorkers)
      for (index, point) in proposals.enumerated() {
        let chance = random.nextUnit()
        let now = points.distances([nearest[index]], from: point)[0]
        guard values[point] > 0, chance * distances[point] < now else { continue }
        taken += rows[index * width..<(index + 1) * width]
        count += 1
        for other in index + 1..<max(index + 1, proposals.count) {
          nearest[other] = min(
            nearest[other], RowDistances.squared(rows, index, rows, other, width: width))
        }
      }
    }
    return taken
  }

  private func cumulated() throws(TesseraError) -> (sums: [Double], total: Double) {
    var sums: [Double] = []
    sums.reserveCapacity(values.count)
    var total = 0.0
    try StopSignal.checkEvery(Assignment.run, of: values.count) { range in
      for value in values[range] {
        total += value
        sums.append(total)
      }
    }
    return (sums, total)
  }

  /// Returns a point with its chance.
  private static func draw(
    _ sums: [Double], _ total: Double, _ random: inout SplitMix64
  ) -> Int {
    let target = random.nextUnit() * total
    var (low, high) = (0, sums.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if sums[middle] > target { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Each point by itself, so many that `expected` are to be expected.
  func takeIndependently(
    expected: Double, _ random: inout SplitMix64
  ) throws(TesseraError) -> [Int32] {
    let total = values.reduce(0, +)
    guard total > 0, total.isFinite else { return [] }
    var taken: [Int32] = []
    try StopSignal.checkEvery(Assignment.run, of: values.count) { range in
      for point in range where random.nextUnit() < expected * values[point] / total {
        taken.append(Int32(point))
      }
    }
    return taken
  }
}

/// Squared distances between rows on the host, in Float32 and a fixed order: the same everywhere.
enum RowDistances {
  /// Returns the squared distance of row `first` of `a` and row `second` of `b`.
  static func squared(
    _ a: [Float], _ first: Int, _ b: [Float], _ second: Int, width: Int
  ) -> Float {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        let (a, b) = (a.dropFirst(first * width), b.dropFirst(second * width))
        return squared(
          UnsafeBufferPointer(rebasing: a.prefix(width)),
          UnsafeBufferPointer(rebasing: b.prefix(width)))
      }
    }
  }

  private static func squared(
    _ a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>
  ) -> Float {
    var lanes = SIMD16<Float>()
    let whole = a.count / 16 * 16
    if let a = UnsafeRawPointer(a.baseAddress), let b = UnsafeRawPointer(b.baseAddress) {
      for start in stride(from: 0, to: whole * 4, by: 64) {
        let difference =
          a.loadUnaligned(fromByteOffset: start, as: SIMD16<Float>.self)
          - b.loadUnaligned(fromByteOffset: start, as: SIMD16<Float>.self)
        lanes += difference * difference
      }
    }
    let eight = lanes.lowHalf + lanes.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    var sum = two.x + two.y
    for index in whole..<a.count {
      let difference = a[index] - b[index]
      sum += difference * difference
    }
    return sum
  }

  /// Returns the squared distance of each row from the nearest of `others`; infinite if there is none.
  static func nearest(
    _ rows: [Float], among others: [Float], width: Int, workers: WorkerPool
  ) throws(TesseraError) -> [Float] {
    let (count, otherCount) = (rows.count / width, others.count / width)
    let found = Mutex([Float](repeating: .infinity, count: count))
    guard otherCount > 0 else { return found.withLock { $0 } }
    try workers.split(count, minimum: max(1, (1 << 16) / (otherCount * width))) { range in
      let best = range.map { row in
        (0..<otherCount).reduce(Float.infinity) {
          min($0, squared(rows, row, others, $1, width: width))
        }
      }
      found.withLock { $0.replaceSubrange(range, with: best) }
    }
    return found.withLock { $0 }
  }
}

extension SplitMix64 {
  /// `count` different numbers below `bound`, every set equally likely (Floyd's sampling).
  mutating func nextIndices<Index: FixedWidthInteger>(
    _ count: Int, below bound: Int, as _: Index.Type = Int32.self
  ) -> [Index] {
    var chosen: Set<Index> = []
    var indices: [Index] = []
    for last in bound - count..<bound {
      let candidate = Index(nextIndex(below: last + 1))
      let index = chosen.contains(candidate) ? Index(last) : candidate
      chosen.insert(index)
      indices.append(index)
    }
    return indices
  }
}
