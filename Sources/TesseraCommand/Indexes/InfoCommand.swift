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
    let opened = try IndexFile.open(index)
    if verify { try opened.verify() }
    let summary = Summary(of: opened, verified: verify)
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// The result that `info` prints: as JSON under these names, or as a table.
  struct Summary: Encodable {
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

    init(of index: Index, verified: Bool) {
      spec = index.specification.description
      metric = index.metric.rawValue
      rows = index.count
      dimension = index.dimension
      lists = index.listCount
      emptyLists = (0..<index.listCount).count { index.lists[$0].isEmpty }
      listImbalance = index.listImbalance
      probesForRecall = index.probesForRecall
      bytes = index.fileByteCount ?? 0
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
      table.add("file", bytes.asBytes + (verified ? ", every checksum is right" : ""))
      return table
    }
  }
}
