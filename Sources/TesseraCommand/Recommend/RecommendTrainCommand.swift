import ArgumentParser
import Tessera
import TesseraRecommend
internal import TesseraHost

struct RecommendTrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a recommender on pairs of users and items.",
    discussion: """
      With --valid, training ends when the recall of its pairs has not risen for
      --patience epochs, and the best epoch's vectors are kept. The file holds what
      --resume needs to go on with the same bits.
      """)

  @Option(help: "The pairs to learn: two columns of integers.", completion: .file())
  var interactions: String

  @Option(help: "Pairs to compare epochs by.", completion: .file())
  var valid: String?

  @Option(help: "The model: mf, lightgcn or ngcf.")
  var model: RecommenderKind

  @Option(help: "What is made small: bpr, directau or softmax.")
  var loss = RecommenderLoss.bpr

  @Option(help: "Numbers of each vector.")
  var dimension = 64

  @Option(help: "Layers of a model on a graph.")
  var layers = 3

  @Option(help: "Most passes over all pairs.")
  var epochs = 30

  @Option(help: "Pairs of a step.")
  var batch = 2048

  @Option(help: "The rate of Adam.")
  var rate: Float = 1e-3

  @Option(help: "Weight decay.")
  var decay: Float = 1e-4

  @Option(help: "The weight of uniformity (directau), or the temperature (softmax).")
  var weight: Float?

  @Option(help: "Epochs without a better recall of --valid before the end.")
  var patience = 10

  @Option(help: "Decides everything random.")
  var seed: UInt64 = 1234

  @Flag(help: "Go on from the file of --out, if there is one.")
  var resume = false

  @Option(
    help: ArgumentHelp("Write the file every so many epochs, besides at the end.", valueName: "n"))
  var checkpointEvery = 10

  @Option(help: "Write the model: a safetensors file.", completion: .file())
  var out: String

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    for (name, number) in [
      ("--dimension", dimension), ("--layers", layers), ("--epochs", epochs), ("--batch", batch),
      ("--patience", patience), ("--checkpoint-every", checkpointEvery),
    ] where number < 1 {
      throw ValidationError("\(name) is \(number), it must be at least 1")
    }
    if dimension > 1 << 16 {
      throw ValidationError("--dimension is \(dimension), it must be at most \(1 << 16)")
    }
    for (name, number) in [("--rate", rate), ("--weight", weight ?? 1)]
    where !(number > 0 && number.isFinite) {
      throw ValidationError("\(name) is \(number), it must be a number above 0")
    }
    if !(decay >= 0 && decay.isFinite) {
      throw ValidationError("--decay is \(decay), it must be a number that is not below 0")
    }
  }

  func run() throws {
    let train = try Interactions.open(interactions)
    let valid = try self.valid.map {
      try Interactions.open($0, userCount: train.userCount, itemCount: train.itemCount)
    }
    _ = try OutputFiles([out], inputs: [interactions] + (self.valid.map { [$0] } ?? []))
    let before = resume ? try earlier() : nil
    let selection = try devices.select(
      for: SearchShape(
        rows: train.itemCount, dimension: dimension, element: .float32, metric: .innerProduct,
        queryCount: train.count, k: 1), output)
    let progress = ProgressBar("train", total: 100, unit: "%", isQuiet: output.quiet)
    defer { progress.finish() }
    let (trainer, device) = try selection.run(interactions, output) {
      device throws(TesseraError) -> RecommenderTrainer in
      let trainer = try RecommenderTrainer(
        model.make(train, dimension: dimension, layers: layers, seed: seed, on: device),
        train: train, valid: valid, options: options, on: device)
      if let before { try trainer.resume(from: before) }
      try trainer.run(control: progress.control(output)) { epoch throws(TesseraError) in
        if epoch.number % checkpointEvery == 0 {
          try trainer.checkpoint(metadata: metadata).write(to: out)
        }
      }
      try trainer.checkpoint(metadata: metadata).write(to: out)
      return trainer
    }
    progress.finish()
    let summary = try Summary(
      of: trainer, on: device.info, users: train.userCount, items: train.itemCount,
      pairs: train.count)
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// The file of a training that was stopped; nil if there is none.
  private func earlier() throws(TesseraError) -> StoredArrayFile? {
    do throws(TesseraError) {
      return try StoredArrayFile(out)
    } catch {
      guard error.code == .inputNotFound else { throw error }
      return nil
    }
  }

  private var options: RecommenderOptions {
    var options = RecommenderOptions()
    options.loss = loss
    options.epochs = epochs
    options.batch = batch
    options.rate = rate
    options.decay = decay
    options.weight = weight ?? (loss == .softmax ? 0.1 : 1)
    options.seed = seed
    options.patience = patience
    return options
  }

  private var metadata: [String: String] {
    ["loss": loss.rawValue, "dimension": String(dimension), "layers": String(layers)]
  }

  /// The result that `recommend train` prints.
  struct Summary: Encodable {
    struct Epoch: Encodable {
      let epoch: Int
      let loss: Double
      let seconds: Double
      let valid: RankingSummary?
    }
    let epochs: [Epoch]
    let bestEpoch: Int
    let device: String
    let users: Int
    let items: Int
    let pairs: Int
    let parameters: Int
    let heldBytes: Int
    let digest: String

    init(
      of trainer: RecommenderTrainer, on info: DeviceInfo, users: Int, items: Int, pairs: Int
    ) throws(TesseraError) {
      epochs = trainer.epochs.map {
        Epoch(
          epoch: $0.number, loss: $0.loss, seconds: $0.seconds,
          valid: $0.valid.map(RankingSummary.init))
      }
      bestEpoch = trainer.bestEpoch
      device = info.identifier
      (self.users, self.items, self.pairs) = (users, items, pairs)
      parameters = trainer.model.parameters.reduce(0) { $0 + $1.count }
      heldBytes = trainer.heldBytes
      digest = try trainer.digest()
    }

    func table() -> Table {
      var table = Table()
      table.add("pairs", "\(pairs) of \(users) users and \(items) items")
      table.add("parameters", "\(parameters)")
      table.add("device", device)
      if let last = epochs.last {
        table.add(
          "epochs", "\(epochs.count), \(last.seconds.short) s the last, loss \(last.loss.short)")
      }
      if let valid = epochs.first(where: { $0.epoch == bestEpoch })?.valid {
        table.add("best epoch", "\(bestEpoch), recall@\(valid.k) \(valid.recall.short)")
      }
      table.add("digest", digest)
      return table
    }
  }
}

/// How well lists fit what users met, under the names of the JSON output.
struct RankingSummary: Encodable {
  let k: Int
  let users: Int
  let recall: Double
  let ndcg: Double
  let hitRate: Double
  let mrr: Double

  init(_ metrics: RankingMetrics) {
    (k, users) = (metrics.k, metrics.users)
    (recall, ndcg) = (metrics.recall, metrics.ndcg)
    (hitRate, mrr) = (metrics.hitRate, metrics.reciprocalRank)
  }
}
