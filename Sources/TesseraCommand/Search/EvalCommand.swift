import ArgumentParser
import Tessera

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Compare found ids with true ones.",
    discussion: """
      Recall is the share of the first K true ids that are among the first K found
      ids. Files are .npy (int32, int64), .ivecs, .ibin or .bin, one row a query;
      distances after the ids, as in ground truths of big-ann, are not read.

      Examples:
        tessera eval --found found.ids.npy --truth truth.ivecs
        tessera eval --found found.ids.npy --truth truth.npy -k 10 --json
      """)

  @Option(help: "Ids a search found.", completion: .file())
  var found: String

  @Option(help: "Ids of the true nearest, best first.", completion: .file())
  var truth: String

  @Option(name: .customShort("k"), help: "Ids of each row to compare; by default all both have.")
  var k: Int?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let k, k < 1 { throw ValidationError("-k is \(k), it must be at least 1") }
  }

  func run() throws {
    let found = try IDFile.open(self.found)
    let truth = try Recall.openTruth(self.truth, k: k ?? found.columns)
    guard found.rows == truth.rows else {
      throw TesseraError(
        .invalidShape,
        "\(self.found) answers \(found.rows) queries, \(self.truth) \(truth.rows); give files of "
          + "the same queries")
    }
    for (path, table) in [(self.found, found), (self.truth, truth)] where k ?? 0 > table.columns {
      throw TesseraError(
        .invalidShape, "\(path): has \(table.columns) ids a row; lower -k to at most that")
    }
    let k = k ?? min(found.columns, truth.columns)
    let recall = Recall(queries: found.rows, k: k, truth: truth, found: found.row)
    if output.json { return try JSONOutput.print(recall) }
    var table = Table()
    table.add("queries", "\(recall.queries)")
    table.add("k", "\(recall.k)")
    table.add("recall", recall.recall.short)
    table.add("all found", "\(recall.completeQueries) queries")
    table.add("same order", "\(recall.identicalQueries) queries")
    table.print()
  }
}
