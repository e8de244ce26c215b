import TesseraCompute
internal import TesseraHost

/// Finds the centroids to start from.
struct KMeansStart {
  let points: TrainingPoints
  let clusterCount: Int

  func centroids(
    _ initialization: KMeans.Initialization, _ random: inout SplitMix64
  ) throws(TesseraError) -> [Float] {
    switch initialization {
    case .random:
      return points.centroids(at: random.nextIndices(clusterCount, below: points.count))
    case .kMeansPlusPlus:
      // All points would be passed over often for little more.
      let sample = try points.sample(max(1 << 14, 32 * clusterCount), &random)
      return try Self.spread(clusterCount, among: sample, &random)
    case .kMeansParallel: return try parallel(&random)
    case .given(let centroids):
      let values = centroids.widened()
      return points.metric == .squaredL2
        ? values : UnitLength.scaled(values, dimension: points.dimension)
    }
  }

  /// k-means++: rows chosen with chances proportional to weight and distance from the nearest
  /// chosen before, the first by weight alone.
  private static func spread(
    _ limit: Int, among points: TrainingPoints, _ random: inout SplitMix64
  ) throws(TesseraError) -> [Float] {
    var chances = Chances(points)
    let assigning = try PointAssignment(points)
    var chosen = chances.take(1, &random)
    var newest = chosen
    while chosen.count < limit {
      try StopSignal.check()
      chances.lower(to: try assigning.assign(to: points.centroids(at: newest)))
      // One at a time would take a pass each; an eighth more are nearly as far apart.
      newest = chances.take(min(limit - chosen.count, max(1, chosen.count / 8)), &random)
      chosen += newest
    }
    return points.centroids(at: chosen)
  }

  /// k-means||: more rows than needed in a few rounds, and k-means++ among those.
  private func parallel(_ random: inout SplitMix64) throws(TesseraError) -> [Float] {
    let rounds = 5
    var chances = Chances(points)
    let assigning = try PointAssignment(points)
    var chosen = chances.take(1, &random)
    var newest = chosen
    for _ in 0..<rounds {
      try StopSignal.check()
      chances.lower(to: try assigning.assign(to: points.centroids(at: newest)))
      newest = chances.takeIndependently(expected: Double(clusterCount) / 2, &random)
      guard !newest.isEmpty else { break }
      chosen += newest
    }
    if chosen.count < clusterCount {
      if !newest.isEmpty {
        chances.lower(to: try assigning.assign(to: points.centroids(at: newest)))
      }
      chosen += chances.take(clusterCount - chosen.count, &random)
    }
    guard chosen.count > clusterCount else { return points.centroids(at: chosen) }
    let nearest = try assigning.assign(to: points.centroids(at: chosen))
    var masses = [Float](repeating: 0, count: chosen.count)
    for (point, label) in nearest.labels.enumerated() {
      masses[Int(label)] += Float(points.weight(point))
    }
    let candidates = try points.subset(chosen, weights: masses)
    return try Self.spread(clusterCount, among: candidates, &random)
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

  mutating func lower(to assignment: Assignment) {
    for point in distances.indices where assignment.distances[point] < distances[point] {
      distances[point] = assignment.distances[point]
      values[point] =
        points.directionless.contains(point) ? 0 : distances[point] * points.weight(point)
    }
  }

  /// `limit` different points, one after the other, by Float64 sums in row order. Where no chance
  /// is left, every point equals a chosen one, and any will do.
  mutating func take(_ limit: Int, _ random: inout SplitMix64) -> [Int32] {
    var sums: [Double] = []
    sums.reserveCapacity(values.count)
    var total = 0.0
    for value in values {
      total += value
      sums.append(total)
    }
    var taken: [Int32] = []
    var isTaken: Set<Int32> = []
    // The chance to hit a point twice is small; where it is not, few are left.
    for _ in 0..<4 * limit where taken.count < limit && total > 0 && total.isFinite {
      let target = random.nextUnit() * total
      var (low, high) = (0, sums.count - 1)
      while low < high {
        let middle = (low + high) / 2
        if sums[middle] > target { high = middle } else { low = middle + 1 }
      }
      if values[low] > 0, isTaken.insert(Int32(low)).inserted { taken.append(Int32(low)) }
    }
    while taken.count < limit {
      let point = Int32(random.nextIndex(below: values.count))
      if isTaken.insert(point).inserted || isTaken.count >= values.count { taken.append(point) }
    }
    return taken
  }

  /// Each point by itself, so many that `expected` are to be expected.
  func takeIndependently(expected: Double, _ random: inout SplitMix64) -> [Int32] {
    let total = values.reduce(0, +)
    guard total > 0, total.isFinite else { return [] }
    return values.indices.compactMap { point in
      random.nextUnit() < expected * values[point] / total ? Int32(point) : nil
    }
  }
}

extension SplitMix64 {
  /// `count` different numbers below `bound`, every set equally likely (Floyd's sampling).
  mutating func nextIndices(_ count: Int, below bound: Int) -> [Int32] {
    var chosen: Set<Int32> = []
    var indices: [Int32] = []
    for last in bound - count..<bound {
      let candidate = Int32(nextIndex(below: last + 1))
      let index = chosen.contains(candidate) ? Int32(last) : candidate
      chosen.insert(index)
      indices.append(index)
    }
    return indices
  }
}
