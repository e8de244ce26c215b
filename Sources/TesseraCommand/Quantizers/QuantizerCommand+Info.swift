import ArgumentParser
import Tessera

extension QuantizerCommand {
  struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say what a quantizer file holds.",
      discussion: """
        Example:
          tessera quantizer info book.safetensors --json
        """)

    @Argument(help: "The quantizer, as train wrote it.", completion: .file())
    var book: String

    @OptionGroup var output: OutputOptions

    func run() throws {
      let summary = Summary(of: try QuantizerFile.open(book))
      if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
    }

    /// The result that `info` prints: as JSON under these names, or as a table.
    struct Summary: Encodable {
      let kind: String
      let specification: String
      let dimension: Int
      let codeBytes: Int
      let tensors: [String: Entry]

      struct Entry: Encodable {
        let type: String
        let shape: [Int]
        let bytes: Int
      }

      init(of quantizer: any Quantizer) {
        kind = type(of: quantizer).kind
        specification = quantizer.specification
        dimension = quantizer.dimension
        codeBytes = quantizer.codeByteCount
        tensors = quantizer.arrays.mapValues {
          Entry(type: "\($0.scalar)", shape: $0.shape, bytes: $0.bytes.count)
        }
      }

      func table() -> Table {
        var table = Table()
        table.add("quantizer", "\(specification) (\(kind))")
        table.add("dimension", "\(dimension)")
        table.add("code", "\(codeBytes) bytes")
        for (name, entry) in tensors.sorted(by: { $0.key < $1.key }) {
          let shape = entry.shape.map(String.init).joined(separator: " x ")
          table.add(name, "\(entry.type) \(shape), \(entry.bytes.asBytes)")
        }
        return table
      }
    }
  }
}
