internal import GRDB
internal import Synchronization
internal import TesseraCompute
internal import TesseraHost
internal import TesseraIndex

/// Keeps the items of a collection in a database, and their vectors in an index too.
///
/// The database is the truth. A change goes into the index before the database commits it; whatever
/// happens in between, ``follow(_:_:)`` makes the index hold what the database holds. Searches see
/// ``View``s, which change after the commit.
final class CollectionStore: Sendable {
  /// What searches see: an index and what it held after the last change.
  struct View: Sendable {
    var index: LivingIndex
    var search: LivingSearch
    var snapshot: IndexSnapshot
  }

  private struct State: Sendable {
    var view: View
    /// The number of the index.
    var number: Int
    /// False after an error that left the index in a state nobody knows.
    var isWhole = true
  }

  let form: CollectionForm
  /// What was found at opening, and may surprise.
  let notes: [String]
  private let device: any Device
  /// Nil where the collection is in memory.
  private let folder: CollectionFolder?
  private let database: any DatabaseWriter
  /// Changes are made one after the other.
  let turns = Turns()
  private let state: Mutex<State>

  /// Opens the collection at `place`, or makes it.
  ///
  /// - Parameter form: What it is to be of. Its provider is nil where vectors are given.
  /// - Throws: `.invalidArgument` for a collection of another form, `.busy` where another has opened it,
  ///   `.malformedFile`, `.unsupported`, `.cannotCreate`, `.inputOutput`, and what `device` throws.
  init(
    _ place: CollectionPlace, _ form: CollectionForm, on device: any Device, _ control: RunControl
  ) throws(TesseraError) {
    guard form.dimension > 0, form.dimension <= Int(Int32.max) else {
      throw TesseraError(
        .invalidShape, "collection: \(form.dimension) is no number of dimensions")
    }
    let folder: CollectionFolder? =
      switch place {
      case .memory: nil
      case .folder(let path): try CollectionFolder(path)
      }
    let path = folder?.database ?? "collection in memory"
    let (database, found) = try DatabaseFailure.translated(path) {
      let database: any DatabaseWriter
      if let folder {
        database = try DatabasePool(path: folder.database)
      } else {
        database = try DatabaseQueue()
      }
      // GRDB's choice for pools would keep a change through a crash of the process alone.
      try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
      try CollectionSchema.prepare(database, path: path)
      let found = try database.write { database in
        if let known = try CollectionSchema.settings(database, path: path) {
          let isEmpty = try ItemTable(database: database).isEmpty
          let form = try known.form.accepting(form, isEmpty: isEmpty, path: path)
          if let provider = form.provider {
            try CollectionSchema.set("provider", provider, database)
          }
          return (form: form, index: known.index)
        }
        try CollectionSchema.store(form, index: 0, database)
        return (form: form, index: 0)
      }
      return (database, found)
    }
    self.form = found.form
    self.device = device
    self.folder = folder
    self.database = database
    let opening = IndexOpening(
      form: found.form, folder: folder, database: database, path: path, device: device)
    let (index, number, notes) = try opening.open(found.index, control)
    self.notes = notes
    folder?.removeIndexes(but: number)
    state = Mutex(
      State(
        view: View(
          index: index, search: try LivingSearch(index, on: device), snapshot: index.snapshot),
        number: number))
  }

  private var path: String { folder?.database ?? "collection in memory" }

  private var opening: IndexOpening {
    IndexOpening(form: form, folder: folder, database: database, path: path, device: device)
  }

  /// What the collection holds now.
  var view: View { state.withLock(\.view) }

  /// Reads from the database as it is now.
  func read<Result>(_ body: (ItemTable) throws -> Result) throws(TesseraError) -> Result {
    try DatabaseFailure.translated(path) {
      try database.read { try body(ItemTable(database: $0)) }
    }
  }

  // MARK: Changes, by one at a time: see `turns`

  /// Makes one change of the database and the index: both are durable when this returns, or neither
  /// has changed.
  ///
  /// - Throws: `.inputOutput` also where an earlier change failed half way, and what `body` throws.
  func change<Result>(
    _ control: RunControl, _ body: (ItemTable) throws -> (IndexChange, Result)
  ) throws(TesseraError) -> Result {
    let index = try wholeIndex()
    var isTouched = false
    do throws(TesseraError) {
      let result = try DatabaseFailure.translated(path) {
        try database.write { database in
          let (change, result) = try body(ItemTable(database: database))
          isTouched = true
          try apply(change, to: index, control)
          return result
        }
      }
      state.withLock { $0.view.snapshot = index.snapshot }
      return result
    } catch {
      guard isTouched else { throw error }
      do throws(TesseraError) {
        try opening.follow(index, RunControl())
      } catch {
        state.withLock { $0.isWhole = false }
      }
      throw error
    }
  }

  private func wholeIndex() throws(TesseraError) -> LivingIndex {
    let (index, isWhole) = state.withLock { ($0.view.index, $0.isWhole) }
    guard isWhole else {
      throw TesseraError(
        .inputOutput,
        "\(path.printable): an earlier change failed half way; open the collection again")
    }
    return index
  }

  private func apply(
    _ change: IndexChange, to index: LivingIndex, _ control: RunControl
  ) throws(TesseraError) {
    if !change.removed.isEmpty { try index.remove(change.removed, requiringAll: true) }
    // In blocks, so that the work can be ended between them.
    let length = max(1, (8 << 20) / (4 * form.dimension))
    for start in stride(from: 0, to: change.added.count, by: length) {
      let block = start..<min(start + length, change.added.count)
      try control.report("index", done: 0.5 + 0.5 * Double(start) / Double(change.added.count))
      try index.add(
        Vectors(Array(change.vectors[block].joined()), dimension: form.dimension),
        ids: Array(change.added[block]))
    }
  }

  /// Puts the changes of the index into its file, and those of the database into its own.
  func compact(_ control: RunControl) throws(TesseraError) {
    let index = try wholeIndex()
    try index.compact(on: device, control: control)
    state.withLock { $0.view.snapshot = index.snapshot }
    try DatabaseFailure.translated(path) {
      try database.writeWithoutTransaction { database in
        // Readers may keep some of it where it is; it is put there the next time.
        if folder != nil { _ = try database.checkpoint(.passive) }
      }
    }
  }

  /// Builds another index of all vectors. Searches go on meanwhile.
  func rebuild(_ specification: String, _ control: RunControl) throws(TesseraError) {
    _ = try wholeIndex()
    let number = state.withLock(\.number) + 1
    let index = try opening.build(specification, number, control)
    let search = try LivingSearch(index, on: device)
    try DatabaseFailure.translated(path) {
      try database.write { try CollectionSchema.set("index", String(number), $0) }
    }
    state.withLock {
      $0.view = View(index: index, search: search, snapshot: index.snapshot)
      $0.number = number
    }
    folder?.removeIndexes(but: number)
  }
}

extension CollectionForm {
  /// Returns this form of a collection that is there, opened as `wanted`.
  ///
  /// - Throws: `.invalidArgument` where its vectors are other ones.
  func accepting(_ wanted: Self, isEmpty: Bool, path: String) throws(TesseraError) -> Self {
    guard dimension == wanted.dimension, metric == wanted.metric else {
      throw TesseraError(
        .invalidArgument,
        "\(path.printable): holds vectors of \(dimension) dimensions under \(metric.rawValue), not of "
          + "\(wanted.dimension) under \(wanted.metric.rawValue)")
    }
    guard let asked = wanted.provider, asked != provider else { return self }
    guard provider == nil, isEmpty else {
      throw TesseraError(
        .invalidArgument,
        "\(path.printable): its vectors were made by "
          + (provider.map { "the provider \($0.printable)" } ?? "no provider")
          + ", and those of \(asked.printable) cannot be compared with them; use the one it was made "
          + "with, or make a new collection")
    }
    var form = self
    form.provider = asked
    return form
  }
}
