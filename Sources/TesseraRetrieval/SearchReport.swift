public import TesseraCompute

/// The hits of a search and how it went.
public struct SearchReport: Sendable {
  /// Hits of all queries, in query order.
  public let neighbors: Neighbors
  /// The device that found them: the fallback, if the chosen one failed.
  public let device: DeviceInfo
  /// Pieces the rows were cut into; 1 where everything fits the memory.
  public let chunkCount: Int
  /// Queries given to the device at a time.
  public let batchSize: Int
  /// The most the device and its working memory held, in bytes, beyond the caller's rows.
  public let peakBytes: Int
  /// Seconds spent making rows ready. 0 where they were ready from the search before.
  public let prepareSeconds: Double
  /// Seconds spent searching. Where rows are streamed, every search makes them ready again, and
  /// this includes that.
  public let searchSeconds: Double
}

/// How far a search is, in query-row pairs.
public struct SearchProgress: Sendable, Hashable {
  public let done: Int
  public let total: Int
}
