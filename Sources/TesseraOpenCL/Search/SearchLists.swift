internal import TesseraCompute

/// The lists of a batch of queries, in which rows that may be hits gather, and what is known of
/// each query: taken once and used for every batch. `Kernels/cl/search/search_common.cl` says what is in
/// them.
struct SearchLists {
  /// Queries of the largest batch, a multiple of 8.
  let queryCount: Int
  let hitCount: Int
  /// Entries of a query's list.
  let capacity: Int

  let norms: OpenCLStorage
  let bounds: OpenCLStorage
  let thresholds: OpenCLStorage
  let counts: OpenCLStorage
  let entries: OpenCLStorage
  /// The words of 32 bits that the host reads back: see ``BatchReport``.
  let report: OpenCLStorage

  init(_ device: OpenCLDevice, _ size: Size, hitCount: Int) throws(TesseraError) {
    queryCount = size.queryCount
    self.hitCount = hitCount
    capacity = size.capacity
    norms = try device.reserve(size.queryCount, of: Float.self)
    bounds = try device.reserve(4 * size.queryCount, of: Float.self)
    thresholds = try device.reserve(size.queryCount, of: Float.self)
    counts = try device.reserve(size.queryCount, of: Int32.self)
    entries = try device.reserve(size.queryCount * capacity, of: UInt64.self)
    report = try device.reserve(
      BatchReport.wordCount(size.queryCount, hitCount: hitCount), of: UInt32.self)
  }

  /// The sizes of lists for as many of the queries as limits allow, at least eight.
  struct Size {
    let queryCount: Int
    let capacity: Int
    /// Bytes of the lists and of whatever else a query takes.
    let byteCount: Int

    var entryBytes: Int { queryCount * capacity * 8 }

    /// - Parameters:
    ///   - queryBytes: Bytes that a query takes besides its list.
    ///   - entriesPerHit: Entries that a list is to hold for each hit, at least.
    init(
      _ device: DeviceInfo, queryCount: Int, queryBytes: Int, rowCount: Int, hitCount: Int,
      entriesPerHit: Int = 8, limits: SearchLimits
    ) {
      capacity = limits.listCapacity(
        hitCount: hitCount, rowCount: rowCount, entriesPerHit: entriesPerHit)
      // Entries, norm, bounds, threshold, count, and the report's words.
      let bytes =
        queryBytes + capacity * 8 + 7 * 4 + BatchReport.wordCount(1, hitCount: hitCount) * 4
      let fitting = limits.batchBytes(device) / bytes / 8 * 8
      self.queryCount = max(8, min(fitting, (queryCount + 7) / 8 * 8))
      byteCount = self.queryCount * bytes
    }
  }
}
