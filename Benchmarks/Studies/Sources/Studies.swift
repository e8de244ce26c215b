import ArgumentParser
import Tessera
import TesseraHost
import TesseraTraining

/// Studies: what the papers behind this project claim, at the scale of one machine. Each prints one line of
/// JSON with its figures.
@main
struct Studies: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "studies",
    abstract: "Reproduce what papers claim, and time training.",
    subcommands: [DigitsStudy.self])
}

/// Where the data of studies lie.
enum StudyData {
  /// The folder of a data set: below `TESSERA_TEST_DATA`, else below `../shared/data`.
  static func path(_ name: String) -> String {
    (Environment["TESSERA_TEST_DATA"] ?? "../shared/data") + "/" + name
  }

  /// All numbers of a file of vectors, row by row.
  static func numbers(_ name: String) throws(TesseraError) -> (values: [Float], columns: Int) {
    let vectors = try VectorFile.open(path(name))
    var values: [Float] = []
    values.reserveCapacity(vectors.count * vectors.dimension)
    for row in 0..<vectors.count { values += vectors.row(row) }
    return (values, vectors.dimension)
  }
}

/// Prints results as JSON.
enum StudyOutput {
  static func print(_ entries: [(String, String)]) {
    let fields = entries.map { "\"\($0.0)\": \($0.1)" }
    Swift.print("{\(fields.joined(separator: ", "))}")
  }
}
