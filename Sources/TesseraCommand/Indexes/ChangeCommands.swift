import ArgumentParser
import Tessera
import TesseraDevices
internal import TesseraHost

struct AddCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Add vectors to an index.",
    discussion: """
      Rows are durable when the command ends, and searches find them at once. They
      lie in a journal beside the index until tessera compact gives them lists and
      codes. Without --ids each gets the next number after the highest id there was.

      Examples:
        tessera add words.index --base more.npy
        tessera add words.index --base more.npy --ids more-ids.npy --json
      """)

  @Argument(help: "The index.", completion: .file())
  var index: String

  @Option(help: "The vectors to add.", completion: .file())
  var base: String

  @Option(help: "The ids of the vectors, one column, which no row has.", completion: .file())
  var ids: String?

  @Flag(help: "Put the vectors in the places of those with the same ids.")
  var update = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if update, ids == nil { throw ValidationError("--update needs --ids: which rows to replace") }
  }

  func run() throws {
    let rows = try VectorFile.open(base)
    let ids = try RowIDs.open(self.ids, count: rows.count)
    let living = try LivingIndex(index, for: .writing)
    for note in living.notes { output.note(note) }
    let start = ContinuousClock.now
    let given: [Int64]
    do throws(TesseraError) {
      if update, let ids {
        try living.update(rows, ids: ids)
        given = ids
      } else {
        given = try living.add(rows, ids: ids)
      }
    } catch {
      throw [.nonFinite, .invalidShape, .invalidArgument].contains(error.code)
        ? TesseraError(error.code, "\(base.printable): \(error.message)") : error
    }
    let summary = ChangeSummary(
      living, added: update ? 0 : given.count, updated: update ? given.count : 0,
      firstID: given.first, seconds: start.secondsAgo)
    try summary.show(output)
  }
}

struct RemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Remove rows from an index.",
    discussion: """
      Removed rows are found no more, and cost other rows no hits. Their bytes go
      with tessera compact. Ids that no row has are counted, and refused with
      --strict.

      Examples:
        tessera remove words.index --ids 100:200
        tessera remove words.index --ids gone.npy --json
      """)

  @Argument(help: "The index.", completion: .file())
  var index: String

  @Option(
    help: ArgumentHelp(
      "The ids of the rows to remove: FIRST:END, or a file.",
      discussion: "END is not among them.", valueName: "rows"),
    completion: .file(), transform: { try RowSelection($0) })
  var ids: RowSelection

  @Flag(help: "Remove nothing if a file names an id that no row has.")
  var strict = false

  @OptionGroup var output: OutputOptions

  func run() throws {
    let asked: [Int64]? =
      switch ids {
      case .range: nil
      case .file(let path): try Self.ids(in: path)
      }
    let living = try LivingIndex(index, for: .writing)
    for note in living.notes { output.note(note) }
    let start = ContinuousClock.now
    let removed: Int
    if let asked {
      removed = try living.remove(asked, requiringAll: strict)
    } else if case .range(let range) = ids {
      removed = try living.remove(.range(range))
    } else {
      removed = 0
    }
    let unknown = asked.map { Set($0).count - removed } ?? 0
    if unknown > 0 { output.note("\(unknown) of the ids are no row's") }
    let summary = ChangeSummary(
      living, removed: removed, unknown: unknown, seconds: start.secondsAgo)
    try summary.show(output)
  }

  private static func ids(in path: String) throws(TesseraError) -> [Int64] {
    let table = try IDFile.open(path)
    guard !table.holdsFlags else {
      throw TesseraError(
        .invalidShape,
        "\(path.printable): uint8 numbers are flags of rows, and ids are needed; save ids as np.int64"
      )
    }
    return (0..<table.rows).flatMap(table.row)
  }
}

struct CompactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compact",
    abstract: "Put the changes of an index into its file.",
    discussion: """
      Rows that were added get lists and codes by the centroids and codebooks there
      are; removed rows go. The index can be searched meanwhile. A process that is
      killed at any moment leaves the index with all its rows.

      Examples:
        tessera compact words.index
        tessera compact big.index --memory 2G
      """)

  @Argument(help: "The index.", completion: .file())
  var index: String

  @Option(
    help: ArgumentHelp(
      "Memory to compact in, as in 512M or 4G, beside the rows that were added.",
      discussion:
        "Rows pass through in blocks, and what is made of them lies in the folder TMPDIR, or "
        + "/var/tmp. The index is the same. By default as much as there is.",
      valueName: "size"),
    transform: { try ByteSize.parse($0) })
  var memory: Int?

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var output: OutputOptions

  func run() throws {
    let living = try LivingIndex(index, for: .writing)
    for note in living.notes { output.note(note) }
    let start = ContinuousClock.now
    let before = living.snapshot
    let selection = try devices.select(for: before.shape(queryCount: before.count), output)
    let progress = ProgressBar("compact", total: 100, unit: "%", isQuiet: output.quiet)
    defer { progress.finish() }
    _ = try selection.run(index, output) { device throws(TesseraError) in
      try living.compact(on: device, memoryLimit: memory, control: progress.control(output))
    }
    progress.finish()
    let summary = ChangeSummary(
      living, added: before.segmentRowCount, removed: before.removedCount,
      seconds: start.secondsAgo)
    try summary.show(output)
  }
}

/// The result that commands print which change an index: as JSON under these names, or as a table.
struct ChangeSummary: Encodable {
  /// Rows that the index has now.
  let rows: Int
  let added: Int
  let updated: Int
  let removed: Int
  /// Ids that were to be removed, and no row has.
  let unknown: Int
  /// The id of the first row that was added.
  let firstID: Int64?
  let bytes: Int
  let journalBytes: Int
  let seconds: Double

  init(
    _ index: LivingIndex, added: Int = 0, updated: Int = 0, removed: Int = 0, unknown: Int = 0,
    firstID: Int64? = nil, seconds: Double
  ) {
    let snapshot = index.snapshot
    rows = snapshot.count
    self.added = added
    self.updated = updated
    self.removed = removed
    self.unknown = unknown
    self.firstID = firstID
    bytes = snapshot.base.fileByteCount ?? 0
    journalBytes = index.journalByteCount
    self.seconds = seconds
  }

  func show(_ output: OutputOptions) throws {
    if output.json { return try JSONOutput.print(self) }
    var table = Table()
    table.add("rows", "\(rows)")
    if added > 0 { table.add("added", "\(added)" + (firstID.map { ", ids from \($0)" } ?? "")) }
    if updated > 0 { table.add("updated", "\(updated)") }
    if removed > 0 || unknown > 0 { table.add("removed", "\(removed)") }
    table.add("file", "\(bytes.asBytes), journal \(journalBytes.asBytes)")
    table.add("time", "\(seconds.short) s")
    table.print()
  }
}

/// Opens an index with the changes in its journal; one of FAISS has none.
func openSnapshot(_ path: String, _ output: OutputOptions) throws(TesseraError) -> IndexSnapshot {
  guard try !FAISSFile.isOne(path) else { return IndexSnapshot(try FAISSFile.open(path).index) }
  let living = try LivingIndex(path)
  for note in living.notes { output.note(note) }
  return living.snapshot
}

extension IndexSnapshot {
  /// The search that a device is chosen for.
  func shape(queryCount: Int, k: Int = 1) -> SearchShape {
    SearchShape(
      rows: max(1, count), dimension: base.dimension, element: .float32, metric: base.metric,
      queryCount: max(1, queryCount), k: k)
  }
}
