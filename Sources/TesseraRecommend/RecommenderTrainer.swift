internal import TesseraHost
public import TesseraTraining

/// Trains a recommender on pairs, epoch after epoch.
///
/// Equal options, data and seed give equal weights, bit for bit, on every device; ``checkpoint()`` and
/// ``resume(from:)`` change nothing about that. For one thread.
public final class RecommenderTrainer {
  /// The model.
  public let model: any Recommender
  /// The settings.
  public let options: RecommenderOptions
  /// Epochs done so far.
  public private(set) var epochs: [RecommenderEpoch] = []
  /// Epochs done, including those before a resumption.
  public private(set) var epochCount = 0
  /// The epoch whose vectors found most of the validation pairs, counted from 1; without such pairs the
  /// last one.
  public private(set) var bestEpoch = 0
  /// The vectors of the best epoch.
  public private(set) var bestVectors: RankedVectors?
  /// The bytes that steps hold besides the weights.
  public var heldBytes: Int { memory.heldBytes }

  private let sampler: PairSampler
  private let valid: Interactions?
  private let optimiser: Adam
  private let memory: TensorMemory
  private let tape: Tape
  private let total: TensorView<Float>

  /// Prepares to train `model` on `train`.
  ///
  /// - Parameter valid: Pairs to compare epochs by · nil trains all epochs.
  /// - Throws: `.invalidArgument` for settings without a meaning, `.outOfMemory`.
  public init(
    _ model: any Recommender, train: Interactions, valid: Interactions? = nil,
    options: RecommenderOptions,
    on device: any Device
  ) throws(TesseraError) {
    for (name, holds) in [
      ("epochs", options.epochs > 0), ("batch", options.batch > 0),
      ("rate", options.rate > 0 && options.rate.isFinite),
      ("decay", options.decay >= 0 && options.decay.isFinite),
      ("weight", options.weight > 0 && options.weight.isFinite), ("k", options.k > 0),
      ("patience", options.patience > 0),
    ] where !holds {
      throw TesseraError(.invalidArgument, "training: \(name) has no meaning")
    }
    (self.model, self.options, self.valid) = (model, options, valid)
    sampler = PairSampler(train, seed: options.seed)
    optimiser = Adam(rate: options.rate)
    memory = TensorMemory(on: device)
    tape = Tape(memory)
    total = TensorView(try device.allocate(byteCount: 4), shape: [1])
  }

  /// Trains until all epochs are done or the validation pairs are found no better. The model has the
  /// weights of the last epoch then.
  ///
  /// - Parameter each: Is told of each epoch, and may write a checkpoint.
  /// - Throws: What `each` throws, what the device throws, and `.cancelled` or `.deadlineExceeded`
  ///   between steps.
  public func run(
    control: RunControl = RunControl(),
    each: (RecommenderEpoch) throws(TesseraError) -> Void = { _ in }
  ) throws(TesseraError) {
    var (best, waited) = (-1.0, 0)
    if let valid, let bestVectors {
      best = try bestVectors.evaluated(
        k: options.k, train: sampler.interactions, test: valid, on: memory.device
      ).recall
      waited = epochCount - bestEpoch
    }
    while epochCount < options.epochs {
      let start = ContinuousClock.now
      let loss = try trainEpoch(control)
      let seconds = start.duration(to: .now) / .seconds(1)
      epochCount += 1
      let vectors =
        valid != nil || epochCount == options.epochs
        ? try RankedVectors(of: model, in: memory) : nil
      var metrics: RankingMetrics?
      if let valid, let vectors {
        metrics = try vectors.evaluated(
          k: options.k, train: sampler.interactions, test: valid, on: memory.device)
      }
      if metrics.map({ $0.recall > best }) ?? true {
        (bestEpoch, bestVectors) = (epochCount, vectors)
      }
      let epoch = RecommenderEpoch(number: epochCount, loss: loss, seconds: seconds, valid: metrics)
      epochs.append(epoch)
      try each(epoch)
      guard let metrics else { continue }
      waited = metrics.recall > best ? 0 : waited + 1
      best = max(best, metrics.recall)
      if waited >= options.patience { break }
    }
  }

  /// Does the steps of one epoch. Returns the mean loss.
  private func trainEpoch(_ control: RunControl) throws(TesseraError) -> Double {
    let device = memory.device
    let order = sampler.order(of: epochCount)
    try device.fill(total, with: 0)
    var steps = 0
    for first in stride(from: 0, to: order.count, by: options.batch) {
      let pairs = order[first..<min(order.count, first + options.batch)]
      // Uniformity is of pairs of rows.
      guard options.loss != .directAU || pairs.count > 1 else { continue }
      let loss = try options.loss.value(
        of: sampler.batch(pairs, epoch: epochCount), model, decay: options.decay,
        weight: options.weight, on: tape)
      try tape.backward(from: loss)
      try optimiser.step(model.parameters, on: device)
      try device.apply(.addition, to: [total, loss.value.reshaped([1])], into: [total])
      tape.reset()
      steps += 1
      try control.report(
        "epoch \(epochCount + 1) of \(options.epochs)",
        done: (Double(epochCount) + Double(first) / Double(order.count)) / Double(options.epochs))
    }
    let sum = try device.download(Matrix<Float>(total.storage, rows: 1, columns: 1))[0]
    return Double(sum) / Double(max(1, steps))
  }

  // MARK: Files

  /// Everything that training needs to go on as if it had not been stopped, and the best vectors so
  /// far, which ``RankedVectors/init(_:)`` reads.
  ///
  /// - Throws: What the device throws.
  public func checkpoint(metadata: [String: String] = [:]) throws(TesseraError) -> StoredArrayFile {
    var metadata = metadata
    metadata["model"] = type(of: model).name
    metadata["epochs"] = String(epochCount)
    metadata["seed"] = String(options.seed)
    metadata["bestEpoch"] = String(bestEpoch)
    var file = try Checkpoint.file(
      model.parameters, optimiser, metadata: metadata, on: memory.device)
    let vectors =
      if let bestVectors { bestVectors } else {
        try RankedVectors(of: model, in: memory)
      }
    try vectors.store(in: &file)
    return file
  }

  /// Takes weights, moments and the count of epochs from a checkpoint.
  ///
  /// - Throws: `.malformedFile` for a file of another model, `.invalidArgument` for one of another seed.
  public func resume(from file: StoredArrayFile) throws(TesseraError) {
    guard file.metadata["model"] == type(of: model).name, let text = file.metadata["epochs"],
      let count = Int(text), count >= 0
    else {
      throw TesseraError(
        .malformedFile,
        "the checkpoint is of the model \(file.metadata["model"] ?? "nothing"), not \(type(of: model).name)"
      )
    }
    guard file.metadata["seed"] == String(options.seed) else {
      throw TesseraError(
        .invalidArgument,
        "the checkpoint was trained with the seed \(file.metadata["seed"] ?? "of nothing"), not "
          + "\(options.seed)")
    }
    let vectors = try RankedVectors(file)
    try Checkpoint.load(file, into: model.parameters, optimiser, on: memory.device)
    epochCount = count
    (bestEpoch, bestVectors) = (Int(file.metadata["bestEpoch"] ?? "") ?? count, vectors)
  }

  /// A number for all weights, bit for bit: equal trainings have equal ones.
  ///
  /// - Throws: What the device throws.
  public func digest() throws(TesseraError) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for parameter in model.parameters {
      let values = try memory.device.download(
        Matrix<Float>(parameter.value.storage, rows: 1, columns: parameter.count))
      for value in values { hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01b3 }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

extension Formula {
  fileprivate static let addition = Formula(inputs: 2) { x, _ in [x[0] + x[1]] }
}
