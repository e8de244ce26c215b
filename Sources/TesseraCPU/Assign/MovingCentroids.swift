internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// The centroids of an assigner in panels, and how far they have come since they were first seen.
///
/// Panels make groups. If none of a group's rows was within b of a point (a distance for squared
/// L2; for the others `-q·x / |q|`, of which a row that moves by m changes no more than m), and
/// none has moved farther than m since, none is within b - m: the triangle inequality, and that of
/// Cauchy and Schwarz (Ding and others, Yinyang k-means, 2015). For the cosine rows count at unit
/// length.
final class MovingCentroids: @unchecked Sendable {
  // Safe: changed only between assignments.
  let order: CentroidOrder
  let count: Int
  let dimension: Int
  let metric: Metric
  let panelsPerGroup: Int
  let groupCount: Int
  /// In the order of positions.
  private(set) var set: CPUVectorSet
  /// For each group, the sum of its farthest moves; and that rounded up.
  private(set) var moved: [Double]
  private(set) var movedUp: [Float]
  /// For each row, true if it is not as it was a call before.
  private(set) var hasMoved: [Bool]
  private let kernels: Kernels
  private let workers: WorkerPool

  /// - Throws: `.nonFinite`, `.outOfMemory`.
  init(
    _ centroids: Vectors, metric: Metric, kernels: Kernels, workers: WorkerPool
  ) throws(TesseraError) {
    count = centroids.count
    dimension = centroids.dimension
    self.metric = metric
    self.kernels = kernels
    self.workers = workers
    order = CentroidOrder(centroids.floats, count: count, dimension: dimension)
    set = try Self.pack(centroids, order, metric, kernels, workers)
    let panels = (count + panelWidth - 1) / panelWidth
    // Bounds take at most half as much memory as the points.
    panelsPerGroup = (panels + max(1, dimension / 2) - 1) / max(1, dimension / 2)
    groupCount = (panels + panelsPerGroup - 1) / panelsPerGroup
    moved = Array(repeating: 0, count: groupCount)
    movedUp = Array(repeating: 0, count: groupCount)
    hasMoved = Array(repeating: true, count: count)
  }

  private static let name = "assignNearest: centroids"

  private static func pack(
    _ centroids: Vectors, _ order: CentroidOrder, _ metric: Metric, _ kernels: Kernels,
    _ workers: WorkerPool
  ) throws(TesseraError) -> CPUVectorSet {
    let width = centroids.dimension
    let arranged = try HostStorage(allocating: centroids.count * width * 4)
    for (position, centroid) in order.centroids.enumerated() {
      (arranged.floats + position * width).update(
        from: centroids.floats + Int(centroid) * width, count: width)
    }
    do throws(TesseraError) {
      return try CPUVectorSet(
        Matrix<Float>(arranged, rows: centroids.count, columns: width).hostVectors(name),
        in: RowLists(one: .consecutive(count: centroids.count)), metric: metric,
        filters: ChosenFilters(main: .quantized(zero: 128, exact: false)), as: name,
        kernels: kernels, workers: workers)
    } catch {
      // Rows by the numbers the caller knows.
      if error.code == .nonFinite { try Shapes.requireFinite(centroids, name) }
      throw error
    }
  }

  /// Goes on to new values of as many centroids.
  ///
  /// - Throws: `.nonFinite`, `.outOfMemory`; then nothing has changed.
  func move(to centroids: Vectors) throws(TesseraError) {
    let next = try Self.pack(centroids, order, metric, kernels, workers)
    let distances = try HostStorage(allocating: count * 8)
    let (from, to) = (set, next)
    try workers.split(count, minimum: 64) { [self] range in
      for position in range { distances.doubles[position] = distance(position, from, to) }
    }
    set = next
    for group in 0..<groupCount {
      let rows = group * panelsPerGroup * panelWidth
      let last = min(count, rows + panelsPerGroup * panelWidth)
      var farthest = 0.0
      for position in rows..<last {
        farthest = max(farthest, distances.doubles[position])
        hasMoved[position] = distances.doubles[position] != 0
      }
      moved[group] += farthest * (1 + 0x1p-20)
      movedUp[group] = moved[group].roundedUp
    }
  }

  /// Returns the distance that a row has moved, 0 only if it has not.
  private func distance(_ position: Int, _ from: CPUVectorSet, _ to: CPUVectorSet) -> Double {
    let (old, new) = (
      from.vectors.floats + position * dimension, to.vectors.floats + position * dimension
    )
    var isSame = true
    for d in 0..<dimension where old[d] != new[d] {
      isSame = false
      break
    }
    if isSame { return 0 }
    let scales = (Self.scale(from, position), Self.scale(to, position))
    var squares = 0.0
    for d in 0..<dimension {
      let difference = Double(new[d]) * scales.1 - Double(old[d]) * scales.0
      squares += difference * difference
    }
    // Scaled rows are off by roundings of Float64.
    return squares.squareRoot() + 0x1p-40 * (metric == .cosine ? 1 : 0) + .leastNormalMagnitude
  }

  private static func scale(_ set: CPUVectorSet, _ position: Int) -> Double {
    guard let squares = set.squares else { return 1 }
    return squares[position] > 0 ? 1 / squares[position].squareRoot() : 0
  }

  /// The panels of a group.
  func panels(_ group: Int) -> Range<Int> {
    let panels = (count + panelWidth - 1) / panelWidth
    return group * panelsPerGroup..<min(panels, (group + 1) * panelsPerGroup)
  }

  func group(ofPosition position: Int32) -> Int { Int(position) / (panelsPerGroup * panelWidth) }
}

extension Vectors {
  /// Rows that are known to be Float32 without gaps.
  var floats: UnsafePointer<Float> {
    // Aligned allocations are never null, not even of 0 bytes.
    baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
  }
}
