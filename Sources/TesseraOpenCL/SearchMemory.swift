internal import TesseraCompute

/// The device memory one batch of queries is searched in, taken once and used for every batch.
struct SearchMemory {
  /// Queries that are packed side by side.
  static let blockQueries = 8

  /// Queries of the largest batch, a multiple of 8.
  let queryCount: Int
  let hitCount: Int
  /// Entries of a query's list.
  let capacity: Int

  let queries: OpenCLStorage
  /// The queries rounded, and what that did to them, for a filter on rounded numbers.
  let rounded: Rounded?
  let norms: OpenCLStorage
  let bounds: OpenCLStorage
  let thresholds: OpenCLStorage
  let counts: OpenCLStorage
  let lists: OpenCLStorage
  /// What the host reads back, all words of 32 bits: see ``SearchReport``.
  let report: OpenCLStorage

  struct Rounded {
    let queries: OpenCLStorage
    /// Per query, its factor and how far it may be off.
    let roundings: OpenCLStorage
  }

  /// Memory for as many of `queryCount` queries as `limits` allow, at least eight.
  init(
    _ device: OpenCLDevice, queryCount: Int, dimension: Int, filter: SearchFilter, rowCount: Int,
    hitCount: Int, limits: SearchLimits
  ) throws(TesseraError) {
    let size = Size(
      device.info, queryCount: queryCount, dimension: dimension, filter: filter,
      rowCount: rowCount, hitCount: hitCount, limits: limits)
    self.queryCount = size.queryCount
    self.hitCount = hitCount
    capacity = size.capacity
    queries = try device.reserve(size.queryCount * dimension, of: Float.self)
    if filter == .float32 {
      rounded = nil
    } else {
      let panelCount = RoundedLayout.panelCount(size.queryCount)
      let panelBytes = RoundedLayout(filter: filter, dimension: dimension).panelBytes
      rounded = Rounded(
        queries: try device.reserve(panelCount * panelBytes),
        roundings: try device.reserve(panelCount * RoundedLayout.panelLines * 2, of: Float.self))
    }
    norms = try device.reserve(size.queryCount, of: Float.self)
    bounds = try device.reserve(4 * size.queryCount, of: Float.self)
    thresholds = try device.reserve(size.queryCount, of: Float.self)
    counts = try device.reserve(size.queryCount, of: Int32.self)
    lists = try device.reserve(size.queryCount * capacity, of: UInt64.self)
    report = try device.reserve(
      SearchReport.wordCount(size.queryCount, hitCount: hitCount), of: UInt32.self)
  }

  /// What a batch takes, before it is taken.
  struct Size {
    let queryCount: Int
    let capacity: Int
    let byteCount: Int
    let largestAllocationBytes: Int

    init(
      _ device: DeviceInfo, queryCount: Int, dimension: Int, filter: SearchFilter, rowCount: Int,
      hitCount: Int, limits: SearchLimits
    ) {
      capacity = limits.listCapacity(hitCount: hitCount, rowCount: rowCount)
      let listBytes = capacity * 8
      let roundedBytes =
        filter == .float32
        ? 0
        : RoundedLayout(filter: filter, dimension: dimension).panelBytes / RoundedLayout.panelLines
          + 2 * 4
      // Dimensions, norm, bounds, threshold, count, and the report's words.
      let otherBytes =
        dimension * 4 + 7 * 4 + roundedBytes + SearchReport.wordCount(1, hitCount: hitCount) * 4
      let batchBytes = min(
        limits.batchBytes, device.maxAllocationBytes / 2, device.memoryBytes / 8)
      let fitting = batchBytes / (listBytes + otherBytes) / 8 * 8
      self.queryCount = max(8, min(fitting, (queryCount + 7) / 8 * 8))
      // Rounded queries fill panels of 32.
      let panelQueries = RoundedLayout.panelCount(self.queryCount) * RoundedLayout.panelLines
      byteCount =
        self.queryCount * (listBytes + otherBytes)
        + (panelQueries - self.queryCount) * roundedBytes
      largestAllocationBytes = max(
        self.queryCount * max(listBytes, dimension * 4), panelQueries * roundedBytes)
    }
  }
}
