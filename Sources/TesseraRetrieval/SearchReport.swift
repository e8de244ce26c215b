public import TesseraCompute

/// The hits of a search and how it went.
public struct SearchReport: Sendable {
  /// Hits of all queries, in query order.
  public let neighbors: Neighbors
  /// The device that found them: the fallback, if the chosen one failed.
  public let device: DeviceInfo
  /// Pieces of the rows that were searched: 1 where everything fits the memory, 0 where no row is
  /// selected.
  public let chunkCount: Int
  /// Queries given to the device at a time.
  public let batchSize: Int
  /// Bytes the largest prepared piece kept beyond the caller's rows.
  public let residentBytes: Int
  /// Bytes planned for the work on one piece and one batch, and given back.
  public let workingBytes: Int
  /// The most the device and its working memory were planned to hold, in bytes, beyond the caller's
  /// rows.
  public let peakBytes: Int
  /// Seconds spent making rows ready. 0 where they were ready from the search before.
  public let prepareSeconds: Double
  /// Seconds spent searching. Where rows are streamed, every search makes them ready again, and
  /// this includes that.
  public let searchSeconds: Double
}
