public import TesseraCompute
internal import TesseraHost

extension VectorCollection {
  /// Adds items: all of them or none. When this returns they are durable, and searches find them.
  ///
  /// - Throws: `.invalidArgument` for an id that is there already or given twice and for metadata that
  ///   are no JSON, `.invalidShape` and `.nonFinite` for vectors that do not fit, `.inputOutput`,
  ///   `.cancelled`, `.deadlineExceeded`; then nothing is added.
  public func add(
    _ items: [Item], control: RunControl = RunControl()
  ) async throws(TesseraError) {
    let items = try await stored(items, "add", control)
    guard !items.isEmpty else { return }
    try await store.turns.run(control) { [store] control throws(TesseraError) in
      try store.change(control) { (try $0.add(items, control), ()) }
    }
  }

  /// Gives items that are there other vectors and metadata: all of them or none.
  ///
  /// - Throws: `.invalidArgument` for an id that no item has, or that is given twice, and else as
  ///   ``add(_:control:)``; then nothing is changed.
  public func update(
    _ items: [Item], control: RunControl = RunControl()
  ) async throws(TesseraError) {
    let items = try await stored(items, "update", control)
    guard !items.isEmpty else { return }
    try await store.turns.run(control) { [store] control throws(TesseraError) in
      try store.change(control) { (try $0.update(items, control), ()) }
    }
  }

  /// Gives an item that is there other metadata.
  ///
  /// - Throws: As ``update(_:control:)``.
  public func update(_ id: String, metadata: Metadata) async throws(TesseraError) {
    let text = try MetadataText.text(metadata, of: id)
    try await store.turns.run(RunControl()) { [store] control throws(TesseraError) in
      try store.change(control) { table in
        guard let item = try table.item(id, dimension: store.form.dimension) else {
          throw ItemTable.unknown(id, "update")
        }
        let changed = StoredItem(key: id, metadata: text, vector: item.vector)
        return (try table.update([changed], control), ())
      }
    }
  }

  /// Removes items: all of them or none. Ids that no item has count for nothing.
  ///
  /// - Returns: How many were removed.
  /// - Throws: `.inputOutput`, `.cancelled`, `.deadlineExceeded`; then nothing is removed.
  @discardableResult
  public func remove(
    _ ids: [String], control: RunControl = RunControl()
  ) async throws(TesseraError) -> Int {
    try await store.turns.run(control) { [store] control throws(TesseraError) in
      try store.change(control) { try $0.remove(ids, control) }
    }
  }

  /// Puts the changes since the last time into the index's file, which keeps opening and searching fast.
  /// Searches go on meanwhile, and other changes wait.
  ///
  /// - Throws: `.inputOutput`, `.cancelled`, `.deadlineExceeded`, and what the device throws; then the
  ///   collection is as it was.
  public func compact(control: RunControl = RunControl()) async throws(TesseraError) {
    try await store.turns.run(control) { [store] control throws(TesseraError) in
      try store.compact(control)
    }
  }

  /// Builds the index anew of all vectors: with lists, once there are many (`IVF1024,Flat`), with codes
  /// where memory is short, or again where items have changed much. Searches go on meanwhile, and other
  /// changes wait. The specification is FAISS's.
  ///
  /// - Complexity: Holds all vectors in memory.
  /// - Throws: `.invalidArgument` and `.unsupported` for a specification without a meaning here,
  ///   `.invalidShape` where there are fewer vectors than lists, and else as ``compact(control:)``.
  public func rebuild(
    _ specification: String, control: RunControl = RunControl()
  ) async throws(TesseraError) {
    try await store.turns.run(control) { [store] control throws(TesseraError) in
      try store.rebuild(specification, control)
    }
  }

  /// Checks items and writes their metadata as JSON, before it is their turn.
  private func stored(
    _ items: [Item], _ operation: String, _ control: RunControl
  ) async throws(TesseraError) -> [StoredItem] {
    try await control.offThread { [dimension] control throws(TesseraError) in
      var stored: [StoredItem] = []
      stored.reserveCapacity(items.count)
      for item in items {
        try control.stop.check()
        guard item.vector.count == dimension else {
          throw TesseraError(
            .invalidShape,
            "\(operation): the vector of item \(item.id.printable) has \(item.vector.count) "
              + "dimensions, the collection has \(dimension)")
        }
        guard item.vector.allSatisfy(\.isFinite) else {
          throw TesseraError(
            .nonFinite,
            "\(operation): the vector of item \(item.id.printable) holds NaN or infinity")
        }
        let metadata = try MetadataText.text(item.metadata, of: item.id)
        stored.append(StoredItem(key: item.id, metadata: metadata, vector: item.vector))
      }
      return stored
    }
  }
}
