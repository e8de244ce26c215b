extension FlatSearch {
  /// Options of a search; none of them changes the hits.
  public struct Options: Sendable {
    /// Bytes the device and its working memory may hold · 1 or more · never more than nine tenths
    /// of a GPU's memory or half of the host's, which is what nil means.
    public var memoryBudget: Int?
    /// Queries given to the device at a time · 1 or more · nil is 1024, or fewer where memory is
    /// short.
    public var batchSize: Int?
    /// The name of the rows in messages · a file name, say.
    public var vectorsName: String
    /// The name of the queries in messages.
    public var queriesName: String
    /// Takes what should differ from the defaults; values are checked by `FlatSearch`.
    public init(
      memoryBudget: Int? = nil, batchSize: Int? = nil,
      vectorsName: String = "vectors", queriesName: String = "queries"
    ) {
      self.memoryBudget = memoryBudget
      self.batchSize = batchSize
      self.vectorsName = vectorsName
      self.queriesName = queriesName
    }
  }
}
