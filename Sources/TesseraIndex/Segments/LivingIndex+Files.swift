internal import TesseraCompute
package import TesseraHost

extension LivingIndex {
  /// Writes records at the journal's end, and cuts off what was there behind it. An index in memory
  /// counts them only.
  static func write(
    _ records: [JournalRecord], to writer: inout Writer
  ) throws(TesseraError) {
    guard let file = writer.file else {
      writer.number += UInt64(records.count)
      return
    }
    var runs: [[UInt8]] = []
    var rows: [Vectors?] = []
    for record in records {
      let bytes = Journal.bytes(of: record, number: writer.number + UInt64(runs.count / 2) + 1)
      runs += [bytes.start, bytes.padding]
      rows += [bytes.rows, nil]
    }
    try append(runs, rows, to: file, &writer)
    writer.number += UInt64(records.count)
  }

  /// Appends each of `runs`, and behind it the rows in the same place.
  private static func append(
    _ runs: [[UInt8]], _ rows: [Vectors?], to file: AppendedFile, _ writer: inout Writer
  ) throws(TesseraError) {
    let memory = runs.map { HostMemory(copying: $0) }
    var parts = unsafe [UnsafeRawBufferPointer]()
    var byteCount = 0
    for (place, run) in memory.enumerated() {
      let rows = rows[place]
      unsafe parts.append(run.bytes)
      if let rows { unsafe parts.append(rows.storedBytes) }
      byteCount += runs[place].count + (rows.map { $0.count == 0 ? 0 : $0.byteCount } ?? 0)
    }
    var isRepaired = true
    try withExtendedLifetime((memory, rows)) { () throws(TesseraError) in
      do throws(TesseraError) {
        try unsafe file.write(parts, at: writer.end, isRepaired: &isRepaired)
      } catch {
        writer.isWhole = isRepaired
        throw error
      }
    }
    writer.end += byteCount
  }

  /// Begins the journal of an index that nothing was done to.
  static func restart(
    _ writer: inout Writer, for snapshot: IndexSnapshot
  ) throws(TesseraError) {
    guard let file = writer.file, let form = snapshot.journalForm else {
      preconditionFailure("an index of a file")
    }
    writer.end = 0
    writer.number = 0
    try append([Journal.header(form)], [nil], to: file, &writer)
  }

  /// Reads an index and its journal. The journal is read first: an index that was compacted in between
  /// says that it holds what that journal says.
  static func read(_ path: String) throws(TesseraError) -> State {
    let journalPath = Journal.path(of: path)
    for attempt in 0... {
      do throws(TesseraError) {
        return try read(path, AppendedFile.read(journalPath)).state
      } catch {
        // Compacted twice in between: what is there now is whole again.
        guard error.code == .malformedFile, attempt < 3 else { throw error }
      }
    }
    preconditionFailure("one of the attempts returns or throws")
  }

  static func read(
    _ path: String, _ memory: HostMemory?
  ) throws(TesseraError) -> (state: State, journal: Journal?) {
    try read(IndexFile.openFile(path), Journal.path(of: path), memory)
  }

  /// Returns what an index holds after the changes in a journal that was read already.
  ///
  /// - Throws: `.malformedFile`, `.unsupported`.
  package static func snapshot(
    of base: Index, _ journal: HostMemory, as path: String
  ) throws(TesseraError) -> IndexSnapshot {
    try read(base, path, journal).state.snapshot
  }

  /// Applies the journal with the name `journalPath` to an index.
  static func read(
    _ base: Index, _ journalPath: String, _ memory: HostMemory?
  ) throws(TesseraError) -> (state: State, journal: Journal?) {
    var state = State(
      snapshot: IndexSnapshot(base), journalBytes: unsafe memory?.bytes.count ?? 0, notes: [])
    guard let memory else { return (state, nil) }
    let form = try Journal.form(memory, path: journalPath)
    if let form, form != state.snapshot.journalForm {
      // What was compacted counts no more, whatever there is of it.
      if form.identity == base.history.follows { return (state, nil) }
      throw TesseraError(
        .malformedFile,
        "\(journalPath.printable): holds changes of another index file than the one beside it; put "
          + "back the file it belongs to, or remove the journal and lose them")
    }
    let journal = try Journal(memory, path: journalPath)
    if let tail = journal.tail {
      state.notes.append("\(journalPath.printable): \(text(of: tail)); they are left out")
    }
    for (place, record) in journal.records.enumerated() {
      do throws(TesseraError) {
        state.snapshot = try state.snapshot.applying(record)
      } catch {
        throw TesseraError(
          .malformedFile,
          "\(journalPath.printable): record \(place + 1), at byte \(journal.places[place]): "
            + error.message)
      }
    }
    return (state, journal)
  }

  /// Copies the bytes of a damaged record to a file beside the journal, before others take their place.
  /// Returns what to say of it.
  static func putAside(
    _ tail: Journal.Tail, of memory: HostMemory, path: String
  ) throws(TesseraError) -> String {
    let target = Journal.path(of: path) + ".damaged"
    let file = try AtomicFile(target)
    let bytes = unsafe Array(memory.bytes[tail.offset...])
    try unsafe file.append(bytes.span.bytes)
    try file.commit()
    return "\(target.printable): has the bytes that were taken off the journal"
  }

  static func text(of tail: Journal.Tail) -> String {
    tail.isDamaged
      ? "the last record, at byte \(tail.offset), is damaged"
      : "the last \(tail.byteCount) bytes, from byte \(tail.offset), are no whole record: a write that "
        + "was cut off before it was acknowledged, or damage"
  }

  /// Makes sure that an index may be written to `path`: that none is there whose journal holds changes.
  /// Removes a journal that holds none.
  ///
  /// - Throws: `.cannotCreate` where changes would be lost, `.busy` where they are being made.
  package static func requireReplaceable(_ path: String) throws(TesseraError) {
    let journalPath = Journal.path(of: path)
    guard let memory = try AppendedFile.read(journalPath) else { return }
    if unsafe memory.bytes.count > Journal.headerBytes {
      throw TesseraError(
        .cannotCreate,
        "\(path.printable): has changes in its journal, which would be lost; run tessera compact "
          + "first, choose another name, or remove \(journalPath.printable)")
    }
    try AppendedFile(journalPath).remove()
  }
}

extension IndexSnapshot {
  /// What a journal of changes of this index is made for; nil for an index without a file.
  var journalForm: Journal.Form? {
    base.identity.map { Journal.Form(identity: $0, dimension: base.dimension, element: element) }
  }
}
