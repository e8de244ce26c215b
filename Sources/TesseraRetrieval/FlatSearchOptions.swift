public import TesseraCompute

extension FlatSearch {
  /// Options of a search; none of them changes the hits.
  public struct Options: Sendable {
    /// Bytes the device and its working memory may hold · 1 or more · never more than nine tenths
    /// of a GPU's memory or half of the host's, which is what nil means.
    public var memoryBudget: Int?
    /// Queries given to the device at a time · 1 or more · nil is 1024, or fewer where memory is
    /// short.
    public var batchSize: Int?
    /// The device that takes over if the chosen one fails · nil lets the error through.
    public var fallback: (any Device)?
    /// The name of the rows in messages · a file name, say.
    public var vectorsName: String
    /// The name of the queries in messages.
    public var queriesName: String
    /// Is told, in a sentence, of every shortage or failure that was overcome.
    public var note: @Sendable (String) -> Void

    /// Takes what should differ from the defaults; values are checked by `FlatSearch`.
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
