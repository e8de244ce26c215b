public import TesseraCompute

/// A codebook that learns along with the network it stands in, one batch after the other: the
/// vector quantizer of a VQ-VAE (van den Oord et al. 2017, arXiv 1711.00937).
///
/// Each vector is replaced by its nearest codeword. The network's gradient passes through that as
/// if nothing had happened (straight-through), the commitment loss keeps vectors near their
/// codewords, and codewords follow their vectors: by moving averages (appendix A.1), or by the
/// gradient of the codebook loss that the caller applies. Codewords hardly used start again at
/// vectors of the batch.
///
/// Equal batches in equal order give the same bits on every device.
public struct CodebookLearner: Sendable {
  /// The options given to `init`; `update` decides which of the two rules moves the codewords.
  public let options: Options
  /// Numbers of a codeword, and of every vector of a batch.
  public let dimension: Int
  /// `options.codewordCount` x `dimension`, row-major.
  public private(set) var codewords: [Float]
  /// Vectors of a batch that each codeword stood for lately: moving averages.
  public private(set) var usage: [Double]
  /// The moving averages of the sums of those vectors.
  private var sums: [Double]
  /// Batches learnt from.
  public private(set) var stepCount: Int

  /// Starts from given codewords. Each counts as the mean of one vector seen before.
  ///
  /// - Throws: `.invalidArgument` for options without a meaning, `.invalidShape` unless there are
  ///   `options.codewordCount` codewords, `.nonFinite`.
  public init(_ options: Options, codewords: Vectors) throws(TesseraError) {
    try options.check()
    try Shapes.require(
      codewords.count == options.codewordCount && codewords.dimension > 0,
      "codebook: \(codewords.count) x \(codewords.dimension) codewords, expected "
        + "\(options.codewordCount) of at least one dimension")
    try Shapes.requireFinite(codewords, "codebook: codewords")
    self.options = options
    dimension = codewords.dimension
    self.codewords = codewords.widened()
    usage = Array(repeating: 1, count: codewords.count)
    sums = self.codewords.map(Double.init)
    stepCount = 0
  }

  /// Starts from the k-means centroids of a first batch, which it does not learn from yet.
  ///
  /// - Throws: also `.invalidShape` for fewer vectors than codewords.
  public init(
    _ options: Options, startingFrom batch: Vectors, on device: any Device,
    control: RunControl = RunControl()
  ) throws(TesseraError) {
    try options.check()
    let clustering = try control.steer(on: device) { device throws(TesseraError) in
      try KMeans(
        .init(clusterCount: options.codewordCount, iterations: 10, seed: options.seed)
      ).cluster(batch, on: device)
    }
    try self.init(options, codewords: Vectors(clustering.centroids, dimension: batch.dimension))
  }

  /// The nearest codeword of each vector, ties by lower codeword.
  public func encode(_ vectors: Vectors, on device: any Device) throws(TesseraError) -> [Int32] {
    try vectors.requireDimension(dimension, "codebook encode")
    try Shapes.requireFinite(vectors, "codebook encode")
    let points = try device.upload(vectors.widened(), rows: vectors.count, columns: dimension)
    return try labels(of: points, on: device)
  }

  /// Returns the codes, losses and gradients of a batch. Learns nothing.
  public func evaluate(_ batch: Vectors, on device: any Device) throws(TesseraError) -> Step {
    try examine(batch, on: device).step
  }

  /// Returns the codes, losses and gradients of a batch under the codewords as they are, and then
  /// learns from the batch. With `Update.gradient`, only codewords that are hardly used start
  /// again; learning itself is left to ``apply(codebookGradient:rate:)``.
  public mutating func step(_ batch: Vectors, on device: any Device) throws(TesseraError) -> Step {
    let (step, batchSums) = try examine(batch, on: device)
    let keep = options.decay
    for codeword in usage.indices {
      usage[codeword] = keep * usage[codeword] + (1 - keep) * Double(step.counts[codeword])
    }
    for i in sums.indices { sums[i] = keep * sums[i] + (1 - keep) * batchSums[i] }
    if options.update == .movingAverages { followAverages() }
    revive(from: batch)
    stepCount += 1
    return step
  }

  /// Moves the codewords against the gradient of the codebook loss.
  ///
  /// - Throws: `.invalidShape` unless the gradient has a number for each of the codewords',
  ///   `.nonFinite`.
  public mutating func apply(
    codebookGradient: [Float], rate: Float
  ) throws(TesseraError) {
    try Shapes.require(
      codebookGradient.count == codewords.count,
      "codebook: a gradient of \(codebookGradient.count) numbers for \(codewords.count)")
    let moved = zip(codewords, codebookGradient).map { $0 - rate * $1 }
    try Shapes.requireFinite(
      Vectors(moved, dimension: dimension), "codebook: codewords after the gradient")
    codewords = moved
  }

  private func labels(
    of points: Matrix<Float>, on device: any Device
  ) throws(TesseraError) -> [Int32] {
    let labels = try device.allocate(Int32.self, rows: points.rows, columns: 1)
    let scores = try device.allocate(Float.self, rows: points.rows, columns: 1)
    try device.assignNearest(
      points, to: device.upload(codewords, rows: options.codewordCount, columns: dimension),
      metric: .squaredL2, into: labels, scores)
    return try device.download(labels)
  }

  private func examine(
    _ batch: Vectors, on device: any Device
  ) throws(TesseraError) -> (step: Step, sums: [Double]) {
    try vectorsFit(batch)
    let values = batch.widened()
    let points = try device.upload(values, rows: batch.count, columns: dimension)
    let labels = try labels(of: points, on: device)
    let sums = try device.allocate(
      Double.self, rows: options.codewordCount, columns: dimension)
    let counts = try device.allocate(Int32.self, rows: options.codewordCount, columns: 1)
    try device.accumulateClusters(
      points, device.upload(labels, rows: batch.count, columns: 1), into: sums, counts)
    let batchSums = try device.download(sums)
    let step = try Step(
      values: values, labels: labels, counts: device.download(counts), sums: batchSums,
      codewords: codewords, dimension: dimension, commitment: options.commitment)
    return (step, batchSums)
  }

  private func vectorsFit(_ batch: Vectors) throws(TesseraError) {
    try batch.requireDimension(dimension, "codebook step")
    try Shapes.require(batch.count > 0, "codebook step: the batch is empty")
    try Shapes.requireFinite(batch, "codebook step")
  }

  /// Codewords become the averages of their vectors. Laplace smoothing keeps the divisors of rare
  /// codewords away from 0.
  private mutating func followAverages() {
    let total = usage.reduce(0, +)
    let count = Double(options.codewordCount)
    for codeword in usage.indices {
      let smoothed =
        (usage[codeword] + options.smoothing) / (total + count * options.smoothing) * total
      for i in codeword * dimension..<(codeword + 1) * dimension {
        codewords[i] = Float(sums[i] / smoothed)
      }
    }
  }

  /// Codewords used far less than the others start again at vectors of the batch, no row twice.
  private mutating func revive(from batch: Vectors) {
    let mean = usage.reduce(0, +) / Double(options.codewordCount)
    let dead = usage.indices.filter { usage[$0] < options.revivalShare * mean }
    var random = SplitMix64(seed: options.seed, stream: UInt64(stepCount))
    let rows = random.nextIndices(min(dead.count, batch.count), below: batch.count)
    for (codeword, row) in zip(dead, rows) {
      usage[codeword] = mean
      for (offset, value) in batch.row(Int(row)).enumerated() {
        codewords[codeword * dimension + offset] = value
        sums[codeword * dimension + offset] = Double(value) * mean
      }
    }
  }
}

// MARK: - Files

extension CodebookLearner {
  /// The arrays that a file keeps, so that learning can go on from where it was.
  public var arrays: [String: StoredArray] {
    [
      "codewords": .of(codewords, shape: [options.codewordCount, dimension]),
      "usage": .of(usage, shape: [options.codewordCount]),
      "sums": .of(sums, shape: [options.codewordCount, dimension]),
      "steps": .of([Int64(stepCount)], shape: [1]),
    ]
  }

  /// From what a file kept, to go on with `options`.
  ///
  /// - Throws: `.malformedFile` where a tensor is missing, or of the wrong type or shape.
  public init(_ options: Options, arrays: [String: StoredArray]) throws(TesseraError) {
    try options.check()
    let table = StoredArrayTable(specification: "codebook", arrays: arrays)
    let (codewords, shape) = try table.values(
      "codewords", Float.self, [options.codewordCount, nil])
    let usage = try table.values("usage", Double.self, [options.codewordCount]).values
    let sums = try table.values("sums", Double.self, shape.map { $0 }).values
    let steps = try table.values("steps", Int64.self, [1]).values[0]
    guard usage.allSatisfy({ $0 >= 0 && $0.isFinite }), sums.allSatisfy(\.isFinite), steps >= 0
    else { throw table.malformed("counts are negative or not finite") }
    self.options = options
    dimension = shape[1]
    self.codewords = codewords
    self.usage = usage
    self.sums = sums
    stepCount = Int(steps)
  }
}
