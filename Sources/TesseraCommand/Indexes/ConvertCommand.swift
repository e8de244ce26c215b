import ArgumentParser
import Tessera
import TesseraDevices
internal import TesseraHost

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write an index in the format of FAISS, or in Tessera's.",
    discussion: """
      A name that ends in .faiss is written for FAISS, every other name for
      Tessera. What is read is told by the file itself. How many lists hold what
      share of the neighbors is measured where the file does not say. Changes in
      the journal of the index that is read are put into the new file.

      Examples:
        tessera convert old.faiss words.index
        tessera convert words.index words.faiss
      """)

  @Argument(help: "The index to read.", completion: .file())
  var input: String

  @Argument(help: "The file to write.", completion: .file())
  var out: String

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var output: OutputOptions

  func run() throws {
    try LivingIndex.requireReplaceable(out)
    let files = try OutputFiles([out], inputs: [input])
    let summary: Summary
    if out.hasSuffix(".faiss") {
      let file =
        try FAISSFile.isOne(input)
        ? FAISSFile.open(input) : FAISSFile(compacted(openSnapshot(input, output)))
      try file.write(into: files[out])
      summary = Summary(of: file.index, format: "faiss", bytes: files[out].byteCount)
    } else {
      let index = try measured(
        compacted(openSnapshot(input, output)), by: devices, input, output)
      try IndexFile.write(index, into: files[out])
      summary = Summary(of: index, format: "tessera", bytes: files[out].byteCount)
    }
    try files.commit()
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// An index with the changes in its journal.
  private func compacted(_ snapshot: IndexSnapshot) throws(TesseraError) -> Index {
    guard snapshot.isChanged else { return snapshot.base }
    let selection = try devices.select(for: snapshot.shape(queryCount: snapshot.count), output)
    return try selection.run(input, output) { device throws(TesseraError) in
      try snapshot.compacted(on: device)
    }.0
  }

  /// The result that `convert` prints: as JSON under these names, or as a table.
  struct Summary: Encodable {
    let format: String
    let spec: String
    let metric: String
    let rows: Int
    let dimension: Int
    let bytes: Int

    init(of index: Index, format: String, bytes: Int) {
      self.format = format
      spec = index.specification.description
      metric = index.metricName
      rows = index.count
      dimension = index.dimension
      self.bytes = bytes
    }

    func table() -> Table {
      var table = Table()
      table.add("index", "\(spec), \(metric)")
      table.add("rows", "\(rows) x \(dimension)")
      table.add("file", "\(bytes.asBytes), \(format)")
      return table
    }
  }
}

/// Returns an index with its lists measured; one that was built here is that already.
func measured(
  _ index: Index, by devices: DeviceOptions, _ name: String, _ output: OutputOptions
) throws(TesseraError) -> Index {
  guard !index.isMeasured else { return index }
  let shape = SearchShape(
    rows: index.count, dimension: index.dimension, element: .float32, metric: index.metric,
    queryCount: 256, k: 10)
  let selection = try devices.select(for: shape, output)
  let progress = ProgressBar("measure lists", total: 100, unit: "%", isQuiet: output.quiet)
  defer { progress.finish() }
  return try selection.run(name, output) { device throws(TesseraError) in
    try index.measured(on: device, control: progress.control(output))
  }.0
}
