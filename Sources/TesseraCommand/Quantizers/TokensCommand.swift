import ArgumentParser
import Tessera
internal import TesseraHost
import protocol TesseraCompute.Device

struct TokensCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokens",
    abstract: "Reduce sequences of token embeddings to a few tokens each.",
    discussion: """
      Tokens are grouped by direction; each group becomes one token, its mean. The
      grid says which token stands at each place, so in NumPy codebook[grid] is a
      token for every place again (VQToken, arXiv 2503.16980).

      PREFIX.codebook.npy holds the tokens of all sequences, one after the other,
      PREFIX.grid.npy a row a sequence: the row of the codebook at every place.

      Examples:
        tessera tokens --input video.npy --sequence 800 --keep 8 --out reduced
        tessera tokens --input video.npy --keep 64 --adaptive silhouette \\
          --out reduced --json
      """)

  @Option(help: "The tokens, one a row, sequence after sequence.", completion: .file())
  var input: String

  @Option(help: "Tokens of a sequence; by default all are one sequence.")
  var sequence: Int?

  @Option(help: "Tokens to leave of each sequence; with --adaptive at most.")
  var keep: Int

  @Option(help: "Choose how many to leave: silhouette or elbow.")
  var adaptive: Choice?

  @Option(help: "Updates of k-means at most.")
  var iterations: Int = 20

  @Option(help: "Chooses the random start.")
  var seed: UInt64 = 1234

  @Option(help: "Write PREFIX.codebook.npy and PREFIX.grid.npy.")
  var out: String

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var output: OutputOptions

  enum Choice: String, ExpressibleByArgument, CaseIterable {
    case silhouette, elbow
  }

  func validate() throws {
    if keep < 1 { throw ValidationError("--keep is \(keep), it must be at least 1") }
    if adaptive != nil, keep < 2 {
      throw ValidationError("--keep is \(keep), it must be at least 2 with --adaptive")
    }
    if let sequence, sequence < 1 {
      throw ValidationError("--sequence is \(sequence), it must be at least 1")
    }
    if iterations < 1 {
      throw ValidationError("--iterations is \(iterations), it must be at least 1")
    }
  }

  func run() throws {
    let loadStart = ContinuousClock.now
    let tokens = try VectorFile.open(input)
    let loadSeconds = loadStart.secondsAgo
    let length = sequence ?? tokens.count
    guard length > 0, tokens.count % length == 0 else {
      throw TesseraError(
        .invalidShape,
        "\(input): \(tokens.count) tokens do not divide into sequences of \(length); set --sequence"
      )
    }
    let paths = (codebook: "\(out).codebook.npy", grid: "\(out).grid.npy")
    let files = try OutputFiles([paths.codebook, paths.grid], inputs: [input])
    let shape = SearchShape(
      rows: length, dimension: tokens.dimension, element: .float32, metric: .cosine,
      queryCount: keep, k: 1)
    let selection = try devices.select(for: shape, output)
    let start = ContinuousClock.now
    let (reduced, device) = try selection.run(input, output) {
      device throws(TesseraError) in try reduce(tokens, length, on: device)
    }
    let seconds = start.secondsAgo
    try VectorFile.write(
      Vectors(reduced.codebook, dimension: tokens.dimension), into: files[paths.codebook])
    try IDFile.write(
      reduced.grid, rows: tokens.count / length, columns: length, into: files[paths.grid])
    try files.commit()
    let codewords = reduced.codebook.count / tokens.dimension
    let summary = Summary(
      device: device.info.identifier, variant: device.info.variant,
      sequences: tokens.count / length,
      tokens: tokens.count, dimension: tokens.dimension, codewords: codewords,
      keptShare: Double(codewords) / Double(tokens.count),
      meanSquaredError: reduced.squares / Double(tokens.count),
      seconds: .init(load: loadSeconds, reduce: seconds))
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// The reductions of all sequences, with grids that count through all their codewords.
  private struct Reduced {
    var codebook: [Float] = []
    var grid: [Int64] = []
    /// The sum over all tokens of the squared distance to their codewords.
    var squares = 0.0
  }

  private func reduce(
    _ tokens: Vectors, _ length: Int, on device: any Device
  ) throws(TesseraError) -> Reduced {
    let size: TokenReducer.Size =
      switch adaptive {
      case nil: .fixed(keep)
      case .silhouette: .silhouette(upTo: keep)
      case .elbow: .elbow(upTo: keep)
      }
    let reducer = try TokenReducer(size, iterations: iterations, seed: seed)
    let progress = ProgressBar(
      "tokens", total: tokens.count / length, unit: "sequences", isQuiet: output.quiet)
    defer { progress.finish() }
    var reduced = Reduced()
    for start in stride(from: 0, to: tokens.count, by: length) {
      let reduction = try reducer.reduce(tokens.rows(start..<start + length), on: device)
      let first = Int64(reduced.codebook.count / tokens.dimension)
      reduced.grid += reduction.grid.map { first + Int64($0) }
      reduced.codebook += reduction.codewords
      reduced.squares += reduction.meanSquaredError * Double(length)
      progress.update(Double(start + length) / Double(tokens.count))
    }
    return reduced
  }

  /// The result that `tokens` prints: as JSON under these names, or as a table.
  struct Summary: Encodable {
    let device: String
    let variant: String
    let sequences: Int
    let tokens: Int
    let dimension: Int
    let codewords: Int
    let keptShare: Double
    let meanSquaredError: Double
    let seconds: Seconds

    struct Seconds: Encodable {
      let load: Double
      let reduce: Double
    }

    func table() -> Table {
      var table = Table()
      table.add("device", "\(device) (\(variant))")
      table.add("tokens", "\(tokens) x \(dimension), \(sequences) sequences")
      table.add("left", "\(codewords), \((100 * keptShare).short) %")
      table.add("mean squared error", meanSquaredError.short)
      table.add("time", "\(seconds.reduce.short) s")
      return table
    }
  }
}
