/// Rows made ready for searching on one device: the canonical rows, and whatever the device packs
/// beside them. Each device subclasses it.
///
/// Safe to share: nothing changes after `prepare` has returned it.
open class VectorSet: @unchecked Sendable {
  /// The canonical rows, as they were given. A view: a mapped file stays in the file.
  public let vectors: Vectors
  /// The metric that the rows were made ready for.
  public let metric: Metric
  /// The lists that the rows are in, and their ids.
  public let lists: RowLists

  /// Keeps a view of the rows; a subclass packs what its device needs.
  ///
  /// - Precondition: There is one id for each row.
  public init(_ vectors: Vectors, in lists: RowLists, metric: Metric) {
    precondition(vectors.count == lists.ids.count, "one id for each row")
    self.vectors = vectors
    self.metric = metric
    self.lists = lists
  }

  /// The number of rows.
  public var count: Int { vectors.count }
  /// Numbers of a row.
  public var dimension: Int { vectors.dimension }

  /// Bytes this set keeps beyond the caller's rows, on the device and on the host together.
  open var residentBytes: Int { 0 }
}
