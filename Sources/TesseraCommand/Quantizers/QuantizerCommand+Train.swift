import ArgumentParser
import Tessera
internal import TesseraHost
import protocol TesseraCompute.Device

extension QuantizerCommand {
  struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Train a quantizer on vectors.",
      discussion: """
        The mean squared error is that of all vectors given. Equal seeds give
        the same bytes on every device.

        Examples:
          tessera quantizer train --spec PQ48x8 --input base.npy \\
            --out book.safetensors
          tessera quantizer train --spec SQ8 --input base.npy \\
            --out levels.safetensors --json
        """)

    @Option(help: "The factory string, as in PQ48x8.")
    var spec: String

    @Option(help: "The vectors to train on.", completion: .file())
    var input: String

    @Option(help: "Write the quantizer, a safetensors file.", completion: .file())
    var out: String

    @Option(help: "Updates of k-means at most; by default 25.")
    var iterations: Int?

    @Option(help: "Training vectors for each codeword at most; by default 256.")
    var pointsPerCodeword: Int?

    @Option(help: "Chooses the random start; by default 1234.")
    var seed: UInt64?

    @OptionGroup var devices: DeviceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      let recipe = try recipe()
      let loadStart = ContinuousClock.now
      let points = try VectorFile.open(input)
      let loadSeconds = loadStart.secondsAgo
      let files = try OutputFiles([out], inputs: [input])
      let shape = QuantizerCommand.shape(
        rows: points.count, dimension: points.dimension, passes: iterations ?? 25)
      let selection = try devices.select(for: shape, output)
      let trainStart = ContinuousClock.now
      let (training, device) = try selection.run(input, output) {
        device throws(TesseraError) in try train(recipe, points, device)
      }
      let trainSeconds = trainStart.secondsAgo
      try QuantizerFile.write(training.quantizer, into: files[out])
      try files.commit()
      for note in training.notes { output.note(note.description) }
      let summary = Summary(
        of: training, on: device.info, rows: points.count, loadSeconds: loadSeconds,
        trainSeconds: trainSeconds)
      if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
    }

    /// Returns the recipe that the options ask for; options that the quantizer does not have are
    /// refused.
    private func recipe() throws(TesseraError) -> any QuantizerRecipe {
      let recipe = try QuantizerFactory.recipe(spec)
      let given = [
        (iterations != nil, "--iterations"), (pointsPerCodeword != nil, "--points-per-codeword"),
        (seed != nil, "--seed"),
      ].filter(\.0)
      guard let first = given.first else { return recipe }
      guard var tuned = recipe as? any CodewordRecipe else {
        throw TesseraError(
          .invalidArgument, "\(first.1): \(spec) has no codewords to find; leave the option out")
      }
      if let iterations { tuned.options.iterations = iterations }
      if let pointsPerCodeword { tuned.options.pointsPerCodeword = pointsPerCodeword }
      if let seed { tuned.options.seed = seed }
      return tuned
    }

    private func train(
      _ recipe: any QuantizerRecipe, _ points: Vectors, _ device: any Device
    ) throws(TesseraError) -> TrainedQuantizer {
      let progress = ProgressBar("train", total: 100, unit: "%", isQuiet: output.quiet)
      defer { progress.finish() }
      return try recipe.train(points, on: device, control: progress.control(output))
    }

    /// The result that `train` prints: as JSON under these names, or as a table.
    struct Summary: Encodable {
      let device: String
      let variant: String
      let specification: String
      let kind: String
      let rows: Int
      let dimension: Int
      let codeBytes: Int
      let bookBytes: Int
      let meanSquaredError: Double
      let notes: [String]
      let seconds: Seconds
      let peakBytes: Int

      struct Seconds: Encodable {
        let load: Double
        let train: Double
      }

      init(
        of training: TrainedQuantizer, on device: DeviceInfo, rows: Int, loadSeconds: Double,
        trainSeconds: Double
      ) {
        let quantizer = training.quantizer
        self.device = device.identifier
        variant = device.variant
        specification = quantizer.specification
        kind = type(of: quantizer).kind
        self.rows = rows
        dimension = quantizer.dimension
        codeBytes = quantizer.codeByteCount
        bookBytes = quantizer.arrays.values.reduce(0) { $0 + $1.bytes.count }
        meanSquaredError = training.meanSquaredError
        notes = training.notes.map(\.description)
        seconds = Seconds(load: loadSeconds, train: trainSeconds)
        peakBytes = HostLimits.current.peakResidentBytes
      }

      func table() -> Table {
        var table = Table()
        table.add("device", "\(device) (\(variant))")
        table.add("input", "\(rows) x \(dimension)")
        table.add("quantizer", "\(specification), \(codeBytes) bytes a vector")
        table.add("codebook", bookBytes.asBytes)
        table.add("mean squared error", meanSquaredError.short)
        table.add("time", "\(seconds.train.short) s")
        table.add("peak memory", peakBytes.asBytes)
        return table
      }
    }
  }
}
