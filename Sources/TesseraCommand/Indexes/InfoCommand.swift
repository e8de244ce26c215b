import ArgumentParser
import Tessera

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
      let opened = try IndexFile.open(index)
      if verify { try opened.verify() }
      summary = Summary(
        of: opened, format: "tessera", bytes: opened.fileByteCount ?? 0, verified: verify)
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

    init(of index: Index, format: String, bytes: Int, verified: Bool) {
      self.format = format
      spec = index.specification.description
      metric = index.metricName
      rows = index.count
      dimension = index.dimension
      lists = index.listCount
      emptyLists = (0..<index.listCount).count { index.lists[$0].isEmpty }
      listImbalance = index.listImbalance
      probesForRecall = index.probesForRecall
      self.bytes = bytes
      self.verified = verified
    }

    func table() -> Table {
      var table = Table()
      table.add("index", "\(spec), \(metric)")
      table.add("rows", "\(rows) x \(dimension)")
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
