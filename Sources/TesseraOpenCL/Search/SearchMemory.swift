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
  init(
    _ device: OpenCLDevice, queryCount: Int, dimension: Int, filter: SearchFilter, rowCount: Int,
    hitCount: Int, limits: SearchLimits
  ) throws(TesseraError) {
    let size = Size(
      device.info, queryCount: queryCount, dimension: dimension, filter: filter,
      rowCount: rowCount, hitCount: hitCount, limits: limits)
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
      hitCount: Int, limits: SearchLimits
    ) {
      let roundedBytes =
        filter == .float32
        ? 0
        : RoundedLayout(filter: filter, dimension: dimension).panelBytes / RoundedLayout.panelLines
          + 2 * 4
      lists = SearchLists.Size(
        device, queryCount: queryCount, queryBytes: dimension * 4 + roundedBytes,
        rowCount: rowCount, hitCount: hitCount, limits: limits)
      // Rounded queries fill panels of 32.
      let panelQueries = RoundedLayout.panelCount(lists.queryCount) * RoundedLayout.panelLines
      byteCount = lists.byteCount + (panelQueries - lists.queryCount) * roundedBytes
      largestAllocationBytes = max(
        lists.entryBytes, lists.queryCount * dimension * 4, panelQueries * roundedBytes)
    }
  }
}
