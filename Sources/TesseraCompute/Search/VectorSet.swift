/// Rows made ready for searching on one device: the canonical rows, and whatever the device packs
/// beside them. Each device subclasses it.
///
/// Safe to share: nothing changes after `prepare` has returned it.
open class VectorSet: @unchecked Sendable {
  /// The canonical rows, as they were given. A view: a mapped file stays in the file.
  public let vectors: Vectors
  /// The metric that the rows were made ready for.
  public let metric: Metric
  /// The id of row 0; row i has id `firstID + i`.
  public let firstID: Int64

  /// Keeps a view of the rows; a subclass packs what its device needs.
  public init(_ vectors: Vectors, metric: Metric, firstID: Int64) {
    self.vectors = vectors
    self.metric = metric
    self.firstID = firstID
  }

  /// The number of rows.
  public var count: Int { vectors.count }
  /// Numbers of a row.
  public var dimension: Int { vectors.dimension }

  /// Returns how many rows `selector` lets a search return.
  package func count(of selector: IDSelector?) -> Int {
    selector?.count(in: firstID..<firstID + Int64(count)) ?? count
  }

  /// Bytes this set keeps beyond the caller's rows, on the device and on the host together.
  open var residentBytes: Int { 0 }
}
