/// Rows made ready for searching on one device: the canonical rows, and whatever the device packs
/// beside them. Each device subclasses it.
///
/// Safe to share: nothing changes after `prepare` has returned it.
open class VectorSet: @unchecked Sendable {
  /// The canonical rows, as they were given. A view: a mapped file stays in the file.
  public let vectors: Vectors
  public let metric: Metric
  /// The id of row 0; row i has id `firstID + i`.
  public let firstID: Int64

  public init(_ vectors: Vectors, metric: Metric, firstID: Int64) {
    self.vectors = vectors
    self.metric = metric
    self.firstID = firstID
  }

  public var count: Int { vectors.count }
  public var dimension: Int { vectors.dimension }

  /// How many rows `selector` lets a search return.
  package func count(of selector: IDSelector?) -> Int {
    selector?.count(in: firstID..<firstID + Int64(count)) ?? count
  }

  /// Bytes this set keeps beyond the caller's rows, on the device and on the host together.
  open var residentBytes: Int { 0 }
}
