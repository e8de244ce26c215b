internal import TesseraCompute

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
