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
  let norms: OpenCLStorage
  let bounds: OpenCLStorage
  let thresholds: OpenCLStorage
  let counts: OpenCLStorage
  let lists: OpenCLStorage
  /// What the host reads back, all words of 32 bits: see ``SearchReport``.
  let report: OpenCLStorage

  /// Memory for as many of `queryCount` queries as `limits` allow, at least eight.
  init(
    _ device: OpenCLDevice, queryCount: Int, dimension: Int, rowCount: Int, hitCount: Int,
    limits: SearchLimits
  ) throws(TesseraError) {
    let size = Size(
      device.info, queryCount: queryCount, dimension: dimension, rowCount: rowCount,
      hitCount: hitCount, limits: limits)
    self.queryCount = size.queryCount
    self.hitCount = hitCount
    capacity = size.capacity
    queries = try device.reserve(size.queryCount * dimension, of: Float.self)
    norms = try device.reserve(size.queryCount, of: Float.self)
    bounds = try device.reserve(2 * size.queryCount, of: Float.self)
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
      _ device: DeviceInfo, queryCount: Int, dimension: Int, rowCount: Int, hitCount: Int,
      limits: SearchLimits
    ) {
      capacity = limits.listCapacity(hitCount: hitCount, rowCount: rowCount)
      let listBytes = capacity * 8
      // Dimensions, norm, bound, threshold, count, and the report's words.
      let otherBytes =
        dimension * 4 + 5 * 4 + SearchReport.wordCount(1, hitCount: hitCount) * 4
      let batchBytes = min(
        limits.batchBytes, device.maxAllocationBytes / 2, device.memoryBytes / 8)
      let fitting = batchBytes / (listBytes + otherBytes) / 8 * 8
      self.queryCount = max(8, min(fitting, (queryCount + 7) / 8 * 8))
      byteCount = self.queryCount * (listBytes + otherBytes)
      largestAllocationBytes = self.queryCount * max(listBytes, dimension * 4)
    }
  }
}
