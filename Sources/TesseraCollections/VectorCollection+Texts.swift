public import TesseraCompute
internal import TesseraHost
public import TesseraIndex

extension VectorCollection {
  /// Adds texts: all of them or none. The provider makes vectors of `batchSize` texts at a time.
  ///
  /// - Throws: What the provider throws; `.unsupported` for a collection that was opened without one,
  ///   `.wrongResult` for a provider that returns other vectors than it should, and else as
  ///   ``add(_:control:)``.
  public func add(
    texts: [Text], batchSize: Int = 64, control: RunControl = RunControl()
  ) async throws {
    let vectors = try await vectors(of: texts.map(\.text), batchSize, "add", control)
    try await add(
      zip(texts, vectors).map { Item(id: $0.id, vector: $1, metadata: $0.metadata) },
      control: control.stage("", 0.5...1))
  }

  /// Gives items that are there the vectors of other texts, and other metadata: all of them or none.
  ///
  /// - Throws: As ``add(texts:batchSize:control:)`` and ``update(_:control:)``.
  public func update(
    texts: [Text], batchSize: Int = 64, control: RunControl = RunControl()
  ) async throws {
    let vectors = try await vectors(of: texts.map(\.text), batchSize, "update", control)
    try await update(
      zip(texts, vectors).map { Item(id: $0.id, vector: $1, metadata: $0.metadata) },
      control: control.stage("", 0.5...1))
  }

  /// Finds the `k` items nearest to a text, as `search` does for a vector.
  ///
  /// - Throws: What the provider throws, `.unsupported` for a collection that was opened without one, and
  ///   else as that search.
  public func search(
    text: String, k: Int = 10, where predicate: (@Sendable (Metadata) -> Bool)? = nil,
    effort: IndexSearch.Effort = .recall(0.95), control: RunControl = RunControl()
  ) async throws -> [Hit] {
    let vectors = try await vectors(of: [text], 1, "search", control)
    return try await search(
      vectors[0], k: k, where: predicate, effort: effort, control: control.stage("", 0.5...1))
  }

  private func vectors(
    of texts: [String], _ batchSize: Int, _ operation: String, _ control: RunControl
  ) async throws -> [[Float]] {
    guard let provider else {
      throw TesseraError(
        .unsupported,
        "\(operation): the collection was opened without a provider, which makes vectors of texts")
    }
    guard batchSize > 0 else {
      throw TesseraError(
        .invalidArgument, "\(operation): a batch size of \(batchSize) is not at least 1")
    }
    var vectors: [[Float]] = []
    for start in stride(from: 0, to: texts.count, by: batchSize) {
      try control.report("embed", done: 0.5 * Double(start) / Double(texts.count))
      let batch = Array(texts[start..<min(start + batchSize, texts.count)])
      let made = try await provider.embed(batch)
      guard made.count == batch.count, made.dimension == dimension else {
        throw TesseraError(
          .wrongResult,
          "\(operation): the provider \(provider.identity.printable) made \(made.count) vectors of "
            + "\(made.dimension) dimensions of \(batch.count) texts; \(dimension) dimensions were due"
        )
      }
      vectors += (0..<made.count).map { made.row($0) }
    }
    return vectors
  }
}
