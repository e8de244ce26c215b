internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// One thread's way through some of the points of an assigner.
struct AssignTask {
  private let points: AssignedPoints
  private let centroids: MovingCentroids
  private let kernels: Kernels
  private let bounds: UnsafeMutablePointer<Float>
  private let panels: csimd_panels
  private let pairRows: csimd_pair_rows
  private let largestMove: Float
  private let chunk: Int

  private let storage: HostStorage
  /// For each group, the points of the chunk that have to look at it, and how many.
  private let waiting: UnsafeMutablePointer<Int32>
  private let waitingCounts: UnsafeMutablePointer<Int32>
  private let near: UnsafeMutablePointer<Int32>
  /// The positions and merits the chunk's points came with.
  private let oldPositions: UnsafeMutablePointer<Int32>
  private let oldMerits: UnsafeMutablePointer<Float>
  /// Bounds of a group for the points that wait for it.
  private let groupBounds: UnsafeMutablePointer<Float>
  private let blockBounds: UnsafeMutablePointer<Float>
  private let listed: UnsafeMutablePointer<Int32>
  private let found: UnsafeMutablePointer<Int32>
  private let foundMerits: UnsafeMutablePointer<Float>
  private let pairPoints: UnsafeMutablePointer<Int32>

  /// Half a second-level cache of 1 MiB for points as bytes, the rest for panels; fewer where
  /// there are so many centroids that going over a chunk would take more than some milliseconds.
  static func pointsPerChunk(dimension: Int, centroids: Int) -> Int {
    let products = (1 << 29) / max(1, dimension * centroids)
    return min(4096, max(256, (512 << 10) / dimension), max(64, products))
  }

  /// - Throws: `.outOfMemory`.
  init(
    _ points: AssignedPoints, _ centroids: MovingCentroids, bounds: HostStorage, chunk: Int,
    kernels: Kernels
  ) throws(TesseraError) {
    self.points = points
    self.centroids = centroids
    self.kernels = kernels
    self.bounds = bounds.floats
    panels = centroids.set.suited(to: 1, of: centroids.count).kernelPanels
    pairRows = csimd_pair_rows(
      points: points.values.row(0), rows: centroids.set.vectors.floats,
      point_squares: points.values.squares.baseAddress, row_squares: centroids.set.squares,
      dimension: points.dimension)
    largestMove = centroids.movedUp.max() ?? 0
    self.chunk = chunk
    let groups = centroids.groupCount
    let pairs = kernels.queryBlock * panelWidth
    let slack = Int(CSIMD_SLACK)
    let sizes = [
      groups * chunk, groups, groups + slack, chunk, chunk, chunk, kernels.queryBlock,
      max(pairs, chunk), max(pairs, chunk) + slack, max(pairs, chunk), pairs,
    ]
    let storage = try HostStorage(allocating: sizes.reduce(0, +) * 4)
    self.storage = storage
    var next = 0
    let blocks = sizes.map { size in
      defer { next += size }
      return storage.start(as: Int32.self) + next
    }
    func floats(_ index: Int) -> UnsafeMutablePointer<Float> {
      UnsafeMutableRawPointer(blocks[index]).assumingMemoryBound(to: Float.self)
    }
    (waiting, waitingCounts, near, oldPositions) = (blocks[0], blocks[1], blocks[2], blocks[3])
    (oldMerits, groupBounds, blockBounds) = (floats(4), floats(5), floats(6))
    (listed, found, foundMerits, pairPoints) = (blocks[7], blocks[8], floats(9), blocks[10])
  }

  /// Assigns the points of `range`, at most a chunk.
  ///
  /// - Throws: `.cancelled` and `.deadlineExceeded` when the call is to end.
  func run(_ range: Range<Int>) throws(TesseraError) {
    scoreOwn(range)
    queue(range)
    for group in 0..<centroids.groupCount where waitingCounts[group] > 0 {
      try StopSignal.check()
      search(group, from: range.lowerBound)
    }
    for index in 0..<range.count where oldPositions[index] >= 0 {
      let point = range.lowerBound + index
      guard points.positions[point] != oldPositions[index] else { continue }
      // Bounds leave a point's own row out, and it has another one now.
      let group = centroids.group(ofPosition: oldPositions[index])
      let bound = (points.bound(point, merit: oldMerits[index]) + centroids.moved[group])
        .roundedDown
      let kept = bounds + point * centroids.groupCount + group
      kept.pointee = min(kept.pointee, bound)
    }
  }

  /// The canonical merits of the points' own rows, where those have moved.
  private func scoreOwn(_ range: Range<Int>) {
    var count = 0
    for point in range {
      let position = points.positions[point]
      guard position >= 0, centroids.hasMoved[Int(position)] else { continue }
      listed[count] = Int32(point)
      found[count] = position
      count += 1
    }
    score(count)
    for index in 0..<count { points.merits[Int(listed[index])] = foundMerits[index] }
  }

  private func score(_ count: Int) {
    withUnsafePointer(to: pairRows) { rows in
      kernels.table.pointee.score_pairs(
        rows, points.metric.kernelMetric, listed, found, count, foundMerits)
    }
  }

  /// Finds the groups that points have to look at.
  private func queue(_ range: Range<Int>) {
    let groups = centroids.groupCount
    let table = kernels.table.pointee
    for group in 0..<groups { waitingCounts[group] = 0 }
    centroids.movedUp.withUnsafeBufferPointer { moved in
      for point in range {
        let index = point - range.lowerBound
        let position = points.positions[point]
        oldPositions[index] = position
        oldMerits[index] = points.merits[point]
        points.points[point].own = position
        guard position >= 0 else {
          points.points[point].reached = points.metric == .squaredL2 ? .infinity : -.infinity
          for group in 0..<groups { wait(index, for: group) }
          continue
        }
        points.points[point].reached = points.reached(point, merit: points.merits[point])
        let count = table.near_groups(
          bounds + point * groups, moved.baseAddress, groups,
          points.limit(point, moved: largestMove), near)
        for position in 0..<count { wait(index, for: Int(near[position])) }
      }
    }
  }

  private func wait(_ index: Int, for group: Int) {
    waiting[group * chunk + Int(waitingCounts[group])] = Int32(index)
    waitingCounts[group] += 1
  }

  /// Goes over a group for the points that wait for it.
  private func search(_ group: Int, from first: Int) {
    let count = Int(waitingCounts[group])
    let indices = waiting + group * chunk
    for position in 0..<count { groupBounds[position] = .infinity }
    for panel in centroids.panels(group) {
      for start in stride(from: 0, to: count, by: kernels.queryBlock) {
        let size = min(kernels.queryBlock, count - start)
        search(panel, indices + start, size, from: first)
        for position in 0..<size {
          groupBounds[start + position] = min(groupBounds[start + position], blockBounds[position])
        }
      }
    }
    let moved = centroids.moved[group]
    for position in 0..<count {
      bounds[(first + Int(indices[position])) * centroids.groupCount + group] =
        (Double(groupBounds[position]) + moved).roundedDown
    }
  }

  /// Goes over a panel for a block of points.
  private func search(
    _ panel: Int, _ indices: UnsafePointer<Int32>, _ count: Int, from first: Int
  ) {
    var pairs = csimd_pairs(points: pairPoints, rows: found, count: 0)
    withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<csimd_point>?.self, capacity: count) {
      block in
      for position in 0..<count { block[position] = points.points + first + Int(indices[position]) }
      withUnsafePointer(to: panels) { panels in
        kernels.table.pointee.assign_panel(
          panels, panel, points.metric.kernelMetric, block.baseAddress, count, blockBounds, &pairs)
      }
    }
    guard pairs.count > 0 else { return }
    for pair in 0..<pairs.count {
      listed[pair] = Int32(first) + indices[Int(pairPoints[pair])]
    }
    score(pairs.count)
    for pair in 0..<pairs.count { join(Int(listed[pair]), found[pair], foundMerits[pair]) }
  }

  /// Makes a row a point's own if it is nearer, or as near and the lower centroid.
  private func join(_ point: Int, _ position: Int32, _ merit: Float) {
    let held = points.positions[point]
    if held >= 0 {
      guard merit >= points.merits[point] else { return }
      let ids = centroids.order.centroids
      guard merit > points.merits[point] || ids[Int(position)] < ids[Int(held)] else { return }
    }
    points.positions[point] = position
    points.merits[point] = merit
    let reached = points.reached(point, merit: merit)
    let known = points.points[point].reached
    points.points[point].reached =
      points.metric == .squaredL2 ? min(known, reached) : max(known, reached)
  }
}
