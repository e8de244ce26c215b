internal import Synchronization
public import TesseraCompute
internal import TesseraFormats
internal import TesseraHost

/// An index file that rows are added to and removed from.
///
///     let index = try LivingIndex("words.index", for: .writing)
///     try index.add(rows, ids: ids)          // durable when it returns
///     try index.remove([17, 18])
///     let search = try LivingSearch(index, on: device)
///     let hits = try search.nearest(queries, k: 10).neighbors
///     try index.compact(on: device)
///
/// Changes go to a journal beside the file, `words.index.journal`, until ``compact(on:control:)`` puts
/// them into the file. Any number of objects and processes may read at the same time; one may write.
/// Searches see all of a change or nothing of it. ``init(inMemory:)`` keeps changes in memory alone.
public final class LivingIndex: Sendable {
  /// What an index is opened for.
  public enum Access: Sendable {
    /// To be searched. Changes that others make are seen after ``LivingIndex/refresh()``.
    case reading
    /// To be changed: nobody else may at the same time.
    case writing
  }

  /// The path of the index file; empty where there is none.
  public let path: String
  /// True where this object may change the index.
  public let isWritable: Bool
  private let state: Mutex<State>
  private let writer: Mutex<Writer?>

  struct State: Sendable {
    var snapshot: IndexSnapshot
    var journalBytes: Int
    var notes: [String]
  }

  /// The journal that changes go to.
  struct Writer: Sendable {
    /// Nil for an index in memory.
    let file: AppendedFile?
    var end: Int
    var number: UInt64
    /// False after an error that left the journal in a state nobody knows.
    var isWhole = true
  }

  /// Opens the index at `path` and reads its journal.
  ///
  /// - Throws: `.busy` if another has opened it for writing, `.malformedFile` naming what is damaged,
  ///   `.unsupported` for newer versions and for a file of FAISS, `.inputNotFound`, `.inputOutput`, and
  ///   `.cannotCreate` where a journal cannot be written.
  public init(_ path: String, for access: Access = .reading) throws(TesseraError) {
    self.path = path
    isWritable = access == .writing
    guard access == .writing else {
      state = Mutex(try Self.read(path))
      writer = Mutex(nil)
      return
    }
    // Says of an index that is not there that it is not there, before a journal is made beside it.
    _ = try IndexFile.openFile(path)
    let file = try AppendedFile(Journal.path(of: path))
    let memory = try file.read()
    var (found, journal) = try Self.read(path, memory)
    var next = Writer(
      file: file, end: journal?.end ?? 0, number: UInt64(journal?.records.count ?? 0))
    if next.end < Journal.headerBytes {
      try Self.restart(&next, for: found.snapshot)
      try file.syncFolder()
    } else if let tail = journal?.tail {
      if tail.isDamaged {
        found.notes.append(try Self.putAside(tail, of: memory, path: path))
      }
      try Self.write([], to: &next)
    }
    found.journalBytes = next.end
    state = Mutex(found)
    writer = Mutex(next)
  }

  /// Takes an index whose changes are nowhere but in memory, and are gone when this object is.
  public init(inMemory index: Index) {
    path = ""
    isWritable = true
    state = Mutex(State(snapshot: IndexSnapshot(index), journalBytes: 0, notes: []))
    writer = Mutex(Writer(file: nil, end: 0, number: 0))
  }

  deinit {
    writer.withLock { writer in
      // Where nothing is left to be remembered, the index file is alone again.
      if let writer, writer.number == 0, writer.isWhole { writer.file?.remove() }
    }
  }

  /// What the index holds now. It stays as it is while the index changes.
  public var snapshot: IndexSnapshot { state.withLock { $0.snapshot } }
  /// Bytes of the journal.
  public var journalByteCount: Int { state.withLock { $0.journalBytes } }
  /// What was found at opening, and may surprise.
  public var notes: [String] { state.withLock { $0.notes } }

  /// Sees what others have changed since. Does nothing where this object is the one that writes.
  ///
  /// - Throws: As ``init(_:for:)``.
  public func refresh() throws(TesseraError) {
    guard !isWritable else { return }
    let found = try Self.read(path)
    state.withLock { $0 = found }
  }

  // MARK: Changing

  /// Adds rows. When this returns they are durable, and every later search sees them.
  ///
  /// - Parameter ids: Ids that no row has; nil gives each the next number after the highest there was.
  /// - Returns: The ids of the rows.
  /// - Complexity: O(rows); one write and one wait for the disk.
  /// - Throws: `.invalidArgument` for an id that a row has already, naming it, for a number that the
  ///   index's type does not have, and for an index opened for reading; `.invalidShape` for another
  ///   dimension; `.nonFinite`; `.inputOutput` for example for a full disk: then nothing is added.
  @discardableResult
  public func add(_ rows: Vectors, ids: [Int64]? = nil) throws(TesseraError) -> [Int64] {
    try change { snapshot throws(TesseraError) in
      let stored = try Self.stored(rows, in: snapshot, "add")
      var given = ids ?? []
      if ids == nil {
        let (end, overflow) = snapshot.nextID.addingReportingOverflow(Int64(rows.count))
        guard !overflow else {
          throw TesseraError(.invalidArgument, "add: no ids are left after the highest; give ids")
        }
        given = Array(snapshot.nextID..<end)
      }
      try Self.requireIDs(given, for: rows, "add")
      return (given.isEmpty ? nil : .add(stored, given), given)
    }
  }

  /// Puts rows in the places of those that have the same ids, all at once.
  ///
  /// - Throws: As ``add(_:ids:)``, but `.invalidArgument` for an id that no row has.
  public func update(_ rows: Vectors, ids: [Int64]) throws(TesseraError) {
    try change { snapshot throws(TesseraError) in
      let stored = try Self.stored(rows, in: snapshot, "update")
      try Self.requireIDs(ids, for: rows, "update")
      return (ids.isEmpty ? nil : .update(stored, ids), ())
    }
  }

  /// Removes the rows with these ids; ids that no row has count for nothing.
  ///
  /// - Parameter requiringAll: Refuse an id that no row has, and remove nothing.
  /// - Returns: How many rows were removed.
  /// - Throws: `.invalidArgument` for an id that no row has, where that was asked for, and for an index
  ///   opened for reading; `.inputOutput`: then nothing is removed.
  @discardableResult
  public func remove(
    _ ids: some Sequence<Int64>, requiringAll: Bool = false
  ) throws(TesseraError) -> Int {
    let asked = Set(ids).sorted()
    return try change { snapshot throws(TesseraError) in
      let there = asked.filter(snapshot.contains)
      if requiringAll, there.count < asked.count,
        let id = asked.first(where: { !snapshot.contains($0) })
      {
        throw TesseraError(.invalidArgument, "remove: no row has the id \(id)")
      }
      return (there.isEmpty ? nil : .remove(there), there.count)
    }
  }

  /// Removes the rows that a selector selects.
  ///
  /// - Returns: How many rows were removed.
  /// - Throws: As the other `remove`.
  @discardableResult
  public func remove(_ selector: IDSelector) throws(TesseraError) -> Int {
    try change { snapshot throws(TesseraError) in
      let there = snapshot.ids.filter { selector.contains($0) }
      return (there.isEmpty ? nil : .remove(there), there.count)
    }
  }

  /// Puts all changes into the index file. Centroids and codebooks stay as they are; rows that were
  /// added get lists and codes. Searches go on meanwhile, and other changes wait.
  ///
  /// A process that is killed at any moment leaves the index with all its rows.
  ///
  /// - Parameter memoryLimit: Bytes that may be held, as ``Index/BuildOptions/memoryLimit`` says, beside
  ///   the rows that were added; nil takes what there is.
  /// - Returns: False where there was nothing to do.
  /// - Throws: `.invalidArgument` for an index opened for reading and a limit below 1 MiB,
  ///   `.inputOutput`, `.cancelled`, `.deadlineExceeded`, and what the device throws; then the index is as it was.
  @discardableResult
  public func compact(
    on device: any Device, memoryLimit: Int? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> Bool {
    try writing { writer throws(TesseraError) in
      let snapshot = self.snapshot
      guard writer.number > 0 else { return false }
      guard writer.file != nil else {
        let index = try control.steer(on: device) { device throws(TesseraError) in
          try snapshot.compacted(on: device, control: control)
        }
        writer.number = 0
        state.withLock { $0.snapshot = IndexSnapshot(index) }
        return true
      }
      // Ids of rows that came and went are not given again.
      if snapshot.isChanged || snapshot.nextID != IndexSnapshot(snapshot.base).nextID {
        let index = try control.steer(on: device) { device throws(TesseraError) in
          try snapshot.compacted(on: device, memoryLimit: memoryLimit, control: control)
        }
        let file = try AtomicFile(path)
        try IndexFile.write(index, follows: snapshot.base.identity, into: file)
        try file.commit()
      }
      // From here on the journal that is there belongs to a file that is gone, and says so.
      writer.isWhole = false
      let base = try IndexFile.openFile(path)
      let compacted = IndexSnapshot(base)
      state.withLock { $0.snapshot = compacted }
      try Self.restart(&writer, for: compacted)
      writer.isWhole = true
      state.withLock { $0 = State(snapshot: compacted, journalBytes: writer.end, notes: []) }
      return true
    }
  }

  /// Reads both files anew and compares every checksum.
  ///
  /// - Throws: `.malformedFile` naming what is damaged, also for bytes at the end of the journal that
  ///   are no whole record.
  public func verify() throws(TesseraError) {
    guard !path.isEmpty else { return try snapshot.base.verify() }
    try IndexFile.openFile(path).verify()
    let journalPath = Journal.path(of: path)
    guard let memory = try AppendedFile.read(journalPath) else { return }
    if let tail = try Self.read(path, memory).journal?.tail {
      throw TesseraError(.malformedFile, "\(journalPath.printable): \(Self.text(of: tail))")
    }
  }

  private func writing<Result: Sendable>(
    _ body: (inout Writer) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    let path = path
    return try writer.withLock { writer throws(TesseraError) in
      guard var own = writer else {
        throw TesseraError(
          .invalidArgument, "\(path.printable): was opened for reading; open it for writing")
      }
      guard own.isWhole else {
        throw TesseraError(
          .inputOutput,
          "\(path.printable): an earlier change failed half way; open the index again")
      }
      defer { writer = own }
      return try body(&own)
    }
  }

  /// Makes one change: writes what `body` returns to the journal, then shows it to searches.
  private func change<Result: Sendable>(
    _ body: (IndexSnapshot) throws(TesseraError) -> (JournalRecord?, Result)
  ) throws(TesseraError) -> Result {
    try writing { writer throws(TesseraError) in
      let (record, result) = try body(snapshot)
      guard let record else { return result }
      let changed = try snapshot.applying(record)
      try Self.write([record], to: &writer)
      let end = writer.end
      state.withLock {
        $0.snapshot = changed
        $0.journalBytes = end
      }
      return result
    }
  }

  private static func stored(
    _ rows: Vectors, in snapshot: IndexSnapshot, _ operation: String
  ) throws(TesseraError) -> Vectors {
    try Shapes.require(
      rows.dimension == snapshot.base.dimension,
      "\(operation): rows have \(rows.dimension) dimensions, the index has \(snapshot.base.dimension)"
    )
    try Shapes.requireFinite(rows, operation)
    return try rows.converted(to: snapshot.element, operation)
  }

  private static func requireIDs(
    _ ids: [Int64], for rows: Vectors, _ operation: String
  ) throws(TesseraError) {
    try Shapes.require(
      ids.count == rows.count, "\(operation): \(ids.count) ids for \(rows.count) rows")
  }
}
