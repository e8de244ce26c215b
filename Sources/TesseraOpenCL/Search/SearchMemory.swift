internal import TesseraCompute

/// The device memory one batch of queries is searched in, taken once and used for every batch.
struct SearchMemory {
  /// Queries that are packed side by side.
  static let blockQueries = 8

  let lists: SearchLists
  let queries: OpenCLStorage
  /// The queries rounded, and what that did to them, for a filter on rounded numbers.
  let rounded: Rounded?

  /// Queries of the largest batch, a multiple of 8.
  var queryCount: Int { lists.queryCount }

  struct Rounded {
    let queries: OpenCLStorage
    /// Per query, its factor and how far it may be off.
    let roundings: OpenCLStorage
  }

  /// Memory for as many of `queryCount` queries as `limits` allow, at least eight.
  ///
  /// - Parameter workBytes: What else a batch takes for each query.
  init(
    _ device: OpenCLDevice, queryCount: Int, dimension: Int, filter: SearchFilter, rowCount: Int,
    hitCount: Int, workBytes: Int = 0, limits: SearchLimits
  ) throws(TesseraError) {
    let size = Size(
      device.info, queryCount: queryCount, dimension: dimension, filter: filter,
      rowCount: rowCount, hitCount: hitCount, workBytes: workBytes, limits: limits)
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
    lists = try SearchLists(device, size.lists, hitCount: hitCount)
  }

  /// Computes the bytes that a batch takes, before they are taken.
  struct Size {
    let lists: SearchLists.Size
    let byteCount: Int
    let largestAllocationBytes: Int

    var queryCount: Int { lists.queryCount }

    init(
      _ device: DeviceInfo, queryCount: Int, dimension: Int, filter: SearchFilter, rowCount: Int,
      hitCount: Int, workBytes: Int = 0, limits: SearchLimits
    ) {
      let roundedBytes =
        filter == .float32
        ? 0
        : RoundedLayout(filter: filter, dimension: dimension).panelBytes / RoundedLayout.panelLines
          + 2 * 4
      lists = SearchLists.Size(
        device, queryCount: queryCount, queryBytes: dimension * 4 + roundedBytes + workBytes,
        rowCount: rowCount, hitCount: hitCount, limits: limits)
      // Rounded queries fill panels of 32.
      let panelQueries = RoundedLayout.panelCount(lists.queryCount) * RoundedLayout.panelLines
      byteCount = lists.byteCount + (panelQueries - lists.queryCount) * roundedBytes
      largestAllocationBytes = max(
        lists.entryBytes, lists.queryCount * max(dimension * 4, workBytes),
        panelQueries * roundedBytes)
    }
  }
}

/// Holds the sizes that bound a search: they decide speed and memory, never results.
struct SearchLimits: Sendable {
  /// Bytes of one segment of packed rows · nil is the device's largest allocation.
  var segmentBytes: Int?
  /// Rows of the caller on their way to the device.
  var stagingBytes = 32 << 20
  /// Memory of one batch of queries.
  var batchBytes = 256 << 20
  /// Entries of a query's list · nil follows from k. Too small a value is raised to what k needs.
  var capacity: Int?
  /// True if the device may compute canonical scores, where it can.
  var scoresOnDevice = true
  /// True if the filter takes its largest tiles however little there is to do: to try them.
  var usesLargeTiles = false

  /// Entries of a query's list when the `hitCount` best of `rowCount` rows are wanted.
  ///
  /// Twice the hits is the least: half a list stays free for what the next rows add. A list that
  /// holds every row never overflows.
  func listCapacity(hitCount: Int, rowCount: Int, entriesPerHit: Int) -> Int {
    max(64, 2 * hitCount, capacity ?? min(rowCount, max(1024, entriesPerHit * hitCount)))
  }

  /// Memory of one batch on a device that may have little.
  func batchBytes(_ device: DeviceInfo) -> Int {
    min(batchBytes, device.maxAllocationBytes / 2, device.memoryBytes / 8)
  }
}

extension OpenCLDevice {
  /// Runs `work` under `limits`; where memory runs out, again with batches half as large, down to
  /// the smallest there are.
  ///
  /// - Parameter batch: The bytes of a batch under given limits, and whether it can be smaller.
  func shrinking<Result>(
    _ limits: SearchLimits, batch: (SearchLimits) -> (byteCount: Int, canShrink: Bool),
    _ work: (SearchLimits) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    var limits = limits
    while true {
      do throws(TesseraError) {
        return try work(limits)
      } catch {
        let size = batch(limits)
        guard error.code == .outOfMemory, size.canShrink else { throw error }
        limits.batchBytes = size.byteCount / 2
      }
    }
  }

  /// A batch of a search among vectors.
  func searchBatch(
    _ search: SearchShape, filter: SearchFilter? = nil, workBytes: Int = 0, _ limits: SearchLimits
  ) -> (byteCount: Int, canShrink: Bool) {
    let size = SearchMemory.Size(
      info, queryCount: search.queryCount, dimension: search.dimension,
      filter: filter ?? self.filter(dimension: search.dimension), rowCount: search.rows,
      hitCount: search.k, workBytes: workBytes, limits: limits)
    return (size.byteCount, size.queryCount > SearchMemory.blockQueries)
  }
}
