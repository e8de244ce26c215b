public import TesseraCompute

extension FlatSearch {
  /// How to run a search; none of it changes the hits.
  public struct Options: Sendable {
    /// Bytes the device and its working memory may hold · 1 or more · never more than nine tenths
    /// of a GPU's memory or half of the host's, which is what nil means.
    public var memoryBudget: Int?
    /// Queries given to the device at a time · 1 or more · nil is 1024, or fewer where memory is
    /// short.
    public var batchSize: Int?
    /// Who takes over if the device fails · nil lets the error through.
    public var fallback: (any Device)?
    /// What messages call the rows · a file name, say.
    public var vectorsName: String
    /// What messages call the queries.
    public var queriesName: String
    /// Hears, in a sentence, of every shortage or failure that was overcome.
    public var note: @Sendable (String) -> Void

    public init(
      memoryBudget: Int? = nil, batchSize: Int? = nil, fallback: (any Device)? = nil,
      vectorsName: String = "vectors", queriesName: String = "queries",
      note: @escaping @Sendable (String) -> Void = { _ in }
    ) {
      self.memoryBudget = memoryBudget
      self.batchSize = batchSize
      self.fallback = fallback
      self.vectorsName = vectorsName
      self.queriesName = queriesName
      self.note = note
    }
  }
}
