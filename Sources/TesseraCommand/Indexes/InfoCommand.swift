import ArgumentParser
import Tessera
import TesseraDevices

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info",
    abstract: "Show what an index holds.",
    discussion: """
      Examples:
        tessera info words.index
        tessera info words.index --json
        tessera info words.index --verify
        tessera info old.faiss
      """)

  @Argument(help: "The index.", completion: .file())
  var index: String

  @Flag(help: "Read the whole file and compare every checksum.")
  var verify = false

  @OptionGroup var output: OutputOptions

  func run() throws {
    let summary: Summary
    if try FAISSFile.isOne(index) {
      let file = try FAISSFile.open(index)
      if verify {
        output.note("\(index): FAISS's files have no checksums; its counts and sizes fit")
      }
      summary = Summary(of: file.index, format: "faiss", bytes: file.byteCount, verified: false)
    } else {
      let opened = try LivingIndex(index)
      if verify { try opened.verify() }
      for note in opened.notes { output.note(note) }
      let snapshot = opened.snapshot
      summary = Summary(
        of: snapshot.base, format: "tessera", bytes: snapshot.base.fileByteCount ?? 0,
        verified: verify, snapshot, journalBytes: opened.journalByteCount,
        drift: try snapshot.drift(on: Devices.choose(.cpu)))
    }
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// The result that `info` prints: as JSON under these names, or as a table.
  struct Summary: Encodable {
    let format: String
    let spec: String
    let metric: String
    let rows: Int
    let dimension: Int
    let lists: Int
    let emptyLists: Int
    let listImbalance: Double
    let probesForRecall: [String: Int]
    let bytes: Int
    let verified: Bool
    /// Rows that were added and removed since the file was written, as far as they are not forgotten.
    let addedRows: Int
    let removedRows: Int
    let journalBytes: Int
    /// How many times as far added rows are from what the index was trained on as the rows it was
    /// trained on; nil where nothing was added, or that has no meaning.
    let drift: Double?
    let needsRetrain: Bool

    init(
      of index: Index, format: String, bytes: Int, verified: Bool, _ snapshot: IndexSnapshot? = nil,
      journalBytes: Int = 0, drift: IndexDrift? = nil
    ) {
      self.format = format
      spec = index.specification.description
      metric = index.metricName
      rows = snapshot?.count ?? index.count
      dimension = index.dimension
      lists = index.listCount
      emptyLists = (0..<index.listCount).count { index.lists[$0].isEmpty }
      listImbalance = index.listImbalance
      probesForRecall = index.probesForRecall
      self.bytes = bytes
      self.verified = verified
      addedRows = snapshot?.segmentRowCount ?? 0
      removedRows = snapshot?.removedCount ?? 0
      self.journalBytes = journalBytes
      self.drift = drift?.ratio
      needsRetrain = drift?.needsRetrain ?? false
    }

    func table() -> Table {
      var table = Table()
      table.add("index", "\(spec), \(metric)")
      table.add("rows", "\(rows) x \(dimension)")
      if journalBytes > 0 {
        table.add(
          "journal", "\(addedRows) rows added, \(removedRows) removed, \(journalBytes.asBytes)")
      }
      if let drift {
        table.add(
          "drift",
          "added rows are \(drift.short) times as far from what the index was trained on"
            + (needsRetrain ? "; build it anew" : ""))
      }
      if lists > 1 {
        table.add("lists", "\(lists), \(emptyLists) empty, imbalance \(listImbalance.short)")
        for (share, probes) in probesForRecall.sorted(by: { $0.key < $1.key }) {
          table.add("recall \(share)", "\(probes) lists")
        }
      }
      table.add(
        "file", "\(bytes.asBytes), \(format)" + (verified ? ", every checksum is right" : ""))
      return table
    }
  }
}
