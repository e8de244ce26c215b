internal import Synchronization
public import TesseraCompute
internal import TesseraHost
internal import TesseraIndex

/// Items with an id, a vector and metadata, which are added, changed, removed, and found by nearness.
///
///     struct Note: Codable { var title: String; var year: Int }
///
///     let notes = try await VectorCollection<Note>(.folder("notes"), dimension: 384, on: device)
///     try await notes.add([.init(id: "a", vector: vector, metadata: Note(title: "Tea", year: 1998))])
///     for hit in try await notes.search(query, k: 10, where: { $0.year < 2000 }) {
///       print(hit.id, hit.score, hit.metadata.title)
///     }
///
/// A change is durable when its call returns, and a process that is killed at any moment leaves all of a
/// change or nothing of it. Searches may run at any time, many at once, and see each change whole; changes
/// are made one after the other. All calls wait without blocking a thread of Swift's pool, and end within a
/// tenth of a second after their task was cancelled, but for the moment in which a change becomes durable.
///
/// In a folder, `collection.sqlite` has everything; `vectors-<n>.index` and its journal are made of it, and
/// are mended or made anew where they are not what it says. Keep the folder together when you copy it, and
/// copy it while nobody has it open. One object of one process may have a collection open at a time.
///
/// Searches compare a query with all vectors, exactly, until ``rebuild(_:control:)`` divides them into
/// lists. Vectors are kept as Float32, in the database and in the index.
public final class VectorCollection<Metadata: Codable & Sendable>: Sendable {
  /// Numbers of a vector.
  public var dimension: Int { store.form.dimension }
  /// How vectors are compared.
  public var metric: Metric { store.form.metric }
  /// What makes vectors of texts; nil for a collection that was opened without.
  public let provider: (any EmbeddingProvider)?
  /// What was found at opening, and may surprise.
  public var notes: [String] { store.notes }
  let store: CollectionStore
  /// Metadata by the numbers of vectors, to which they belong for ever, once a search needed those of all
  /// items.
  let known = Mutex<[Int64: Known]>([:])

  /// What is known of an item.
  struct Known: Sendable {
    let id: String
    let metadata: Metadata
  }

  /// Opens a collection of vectors, or makes it.
  ///
  /// - Parameters:
  ///   - place: Where it is kept.
  ///   - dimension: Numbers of a vector.
  ///   - metric: How vectors are compared.
  ///   - device: What searches and builds.
  ///   - control: Hears of progress where the index has to be made anew.
  /// - Throws: `.invalidArgument` for a collection with other vectors, `.busy` where another has opened
  ///   it, `.malformedFile` for a damaged database, `.unsupported` for that of a newer version,
  ///   `.cannotCreate` where something else is in the way, `.inputOutput`, `.cancelled`, and what the
  ///   device throws.
  public init(
    _ place: CollectionPlace, dimension: Int, metric: Metric = .cosine, on device: any Device,
    control: RunControl = RunControl()
  ) async throws(TesseraError) {
    let form = CollectionForm(dimension: dimension, metric: metric, provider: nil)
    store = try await control.offThread { control throws(TesseraError) in
      try CollectionStore(place, form, on: device, control)
    }
    provider = nil
  }

  /// Opens a collection of texts, or makes it. It remembers the identity of the provider that makes vectors
  /// of texts.
  ///
  /// - Throws: As the other `init`; `.invalidArgument` for a collection whose vectors were made by another
  ///   provider, or by none.
  public init(
    _ place: CollectionPlace, provider: any EmbeddingProvider, metric: Metric = .cosine,
    on device: any Device, control: RunControl = RunControl()
  ) async throws(TesseraError) {
    let form = CollectionForm(
      dimension: provider.dimension, metric: metric, provider: provider.identity)
    store = try await control.offThread { control throws(TesseraError) in
      try CollectionStore(place, form, on: device, control)
    }
    self.provider = provider
  }

  /// The number of items.
  public var count: Int { store.view.snapshot.count }

  /// The specification of the index, as FAISS writes it: `Flat` until ``rebuild(_:control:)``.
  public var specification: String { store.view.index.snapshot.base.specification.description }

  /// Returns the item with this id; nil if there is none.
  ///
  /// - Throws: `.malformedFile` for metadata that are no `Metadata`, `.inputOutput`.
  public func item(_ id: String) async throws(TesseraError) -> Item? {
    try await RunControl().offThread { [store] _ throws(TesseraError) in
      let found = try store.read { try $0.item(id, dimension: store.form.dimension) }
      guard let found else { return nil }
      return Item(
        id: id, vector: found.vector, metadata: try MetadataText.metadata(found.metadata, of: id))
    }
  }

  /// Returns the ids of all items, or of those whose metadata `predicate` accepts, in the order they were
  /// added or changed last.
  ///
  /// - Throws: `.malformedFile` for metadata that are no `Metadata`, `.inputOutput`, `.cancelled`.
  public func ids(
    where predicate: (@Sendable (Metadata) -> Bool)? = nil
  ) async throws(TesseraError) -> [String] {
    try await RunControl().offThread { [self] control throws(TesseraError) in
      let snapshot = store.view.snapshot
      let items = try known(of: snapshot, control)
      return snapshot.ids.compactMap { number in
        items[number].flatMap { predicate?($0.metadata) ?? true ? $0.id : nil }
      }
    }
  }

  /// Returns what is known of all items of a snapshot, and maybe of others.
  func known(
    of snapshot: IndexSnapshot, _ control: RunControl
  ) throws(TesseraError) -> [Int64: Known] {
    var items = known.withLock { $0 }
    let numbers = snapshot.ids
    let missing = numbers.filter { items[$0] == nil }
    guard !missing.isEmpty else { return items }
    // Looking up many by number takes longer than reading all.
    let asked = missing.count > numbers.count / 4 ? nil : missing
    for (number, item) in try read(asked, control) { items[number] = item }
    if items.count > 2 * numbers.count {
      let kept = Set(numbers)
      items = items.filter { kept.contains($0.key) }
    }
    let all = items
    known.withLock { $0 = all }
    return all
  }

  /// Reads items by the numbers of their vectors, all for nil. Those that are gone are left out.
  func read(_ numbers: [Int64]?, _ control: RunControl) throws(TesseraError) -> [Int64: Known] {
    try store.read { table in
      var items: [Int64: Known] = [:]
      try table.each(numbers, control) { number, id, text in
        items[number] = Known(id: id, metadata: try MetadataText.metadata(text, of: id))
      }
      return items
    }
  }
}
