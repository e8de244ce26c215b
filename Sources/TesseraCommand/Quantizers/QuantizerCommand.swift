import ArgumentParser
import Tessera

struct QuantizerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantizer",
    abstract: "Train quantizers, and turn vectors into short codes and back.",
    discussion: """
      A quantizer is named by a factory string, as in FAISS:
        PQ48x8    48 parts, 8 bits each: 48 bytes a vector
        SQ8       a byte a dimension; SQ6, SQ4, SQfp16 and SQbf16 likewise

      Codebooks are safetensors files. Codes and decoded vectors are the same
      bytes on every device.

      Examples:
        tessera quantizer train --spec PQ48x8 --input base.npy \\
          --out book.safetensors
        tessera quantizer encode --book book.safetensors --input base.npy \\
          --out codes.npy
        tessera quantizer decode --book book.safetensors --input codes.npy \\
          --out decoded.npy
        tessera quantizer info book.safetensors --json
      """,
    subcommands: [Train.self, Encode.self, Decode.self, Search.self, Info.self])
}

extension QuantizerCommand {
  /// Comparing vectors with codewords is a search.
  static func shape(rows: Int, dimension: Int, passes: Int) -> SearchShape {
    SearchShape(
      rows: rows, dimension: dimension, element: .float32, metric: .squaredL2,
      // More passes than these change no choice of a device, and products of any would overflow.
      queryCount: 256 * min(passes, 1 << 20), k: 1)
  }
}

/// The result that `encode` and `decode` print: as JSON under these names, or as a table.
struct CodingSummary: Encodable {
  let device: String
  let variant: String
  let specification: String
  let rows: Int
  let dimension: Int
  let codeBytes: Int
  let seconds: Seconds
  /// The mean squared distance of the vectors from what their codes stand for; only of `encode`.
  let meanSquaredError: Double?

  struct Seconds: Encodable {
    let load: Double
    let work: Double
  }

  init(
    _ quantizer: any Quantizer, on device: DeviceInfo, rows: Int, seconds: Seconds,
    meanSquaredError: Double? = nil
  ) {
    self.device = device.identifier
    variant = device.variant
    specification = quantizer.specification
    self.rows = rows
    dimension = quantizer.dimension
    codeBytes = quantizer.codeByteCount
    self.seconds = seconds
    self.meanSquaredError = meanSquaredError
  }

  func print(_ output: OutputOptions) throws {
    if output.json { return try JSONOutput.print(self) }
    var table = Table()
    table.add("device", "\(device) (\(variant))")
    table.add("quantizer", "\(specification), \(codeBytes) bytes a vector")
    table.add("vectors", "\(rows) x \(dimension)")
    if let meanSquaredError { table.add("mean squared error", meanSquaredError.short) }
    table.add("time", "\(seconds.work.short) s")
    table.print()
  }
}
