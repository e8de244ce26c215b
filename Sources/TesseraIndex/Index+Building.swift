public import TesseraCompute
internal import TesseraHost
public import TesseraQuantization

extension Index {
  /// Steers how an index is built.
  public struct BuildOptions: Sendable {
    /// Rows that transforms, centroids and codebooks are trained on, at most; nil takes 16,384 for a
    /// transform, 256 for each list, and 65,536 for a codebook.
    public var trainingLimit: Int?
    /// Chooses random rotations, the random start and the training rows.
    public var seed: UInt64
    /// Updates of the centroids.
    public var iterations: Int
    /// Bytes that building may hold beside 48 for each row, and that rows are searched in; nil takes what
    /// there is. Rows of a mapped file pass through in blocks, and what is made of them lies in files
    /// without a name in the folder `TMPDIR`, else in `/var/tmp`. The index is the same.
    public var memoryLimit: Int?

    /// Takes what should differ from the defaults.
    public init(
      trainingLimit: Int? = nil, seed: UInt64 = 1234, iterations: Int = 10, memoryLimit: Int? = nil
    ) {
      self.trainingLimit = trainingLimit
      self.seed = seed
      self.iterations = iterations
      self.memoryLimit = memoryLimit
    }
  }

  /// An index and how its building went.
  public struct Built: Sendable {
    /// The index.
    public let index: Index
    /// Seconds that it took to train transforms and change the rows, and to find centroids and codebooks.
    public let trainSeconds: Double
    /// Seconds that it took to put rows into lists, make codes and measure recall.
    public let addSeconds: Double
    /// What was done otherwise than asked, or may surprise.
    public let notes: [TrainingNote]
  }

  /// Builds an index of all rows of `base`. Equal rows, options and seeds give equal indexes on every
  /// device.
  ///
  /// - Parameters:
  ///   - specification: A factory string, as ``IndexSpecification`` reads it.
  ///   - ids: The ids of the rows; nil counts them from 0.
  ///   - control: Hears of each step, ends the work, and says who starts it anew if the device fails.
  /// - Complexity: O(rows * lists * dimension) for each update of the centroids, less after the first.
  /// - Throws: `.invalidShape` for more lists than rows and for transforms to more dimensions than
  ///   rows have, `.invalidArgument` for options without a
  ///   meaning and ids that two rows have, `.nonFinite`, `.cancelled`, `.deadlineExceeded`, and what
  ///   the device throws.
  public static func build(
    _ specification: String, _ base: Vectors, metric: Metric, ids: [Int64]? = nil,
    options: BuildOptions = BuildOptions(), on device: any Device,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> Built {
    try build(
      IndexSpecification(specification), base, metric: metric, ids: ids, options: options,
      on: device, control: control)
  }

  /// Builds an index of all rows of `base`, as the other `build`.
  public static func build(
    _ specification: IndexSpecification, _ base: Vectors, metric: Metric, ids: [Int64]? = nil,
    options: BuildOptions = BuildOptions(), on device: any Device,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> Built {
    guard !specification.keepsBits else {
      throw TesseraError(
        .invalidArgument,
        "build: \(specification) is of rows of bits, which \(metric.rawValue) does not compare; "
          + "hamming and jaccard do")
    }
    return try build(
      specification, base, metric: metric, bits: nil, ids: ids, options: options, on: device,
      control: control)
  }

  /// Builds an index of rows of bits, eight in each byte of `base`: `BFlat` or, in lists by Hamming
  /// distances, `BIVF1024`.
  ///
  /// Centroids are those of k-means among the bits as numbers, rounded to bits, as in FAISS. Building
  /// lists takes eight times the memory of the rows.
  ///
  /// - Throws: As the other `build`; `.invalidArgument` for rows that are not of bytes and for a
  ///   specification of other rows, `.unsupported` for rows longer than ``BitMetric/longestJaccard``
  ///   under that metric.
  public static func build(
    _ specification: String, _ base: Vectors, metric: BitMetric, ids: [Int64]? = nil,
    options: BuildOptions = BuildOptions(), on device: any Device,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> Built {
    try build(
      IndexSpecification(specification), base, metric: metric, ids: ids, options: options,
      on: device, control: control)
  }

  /// Builds an index of rows of bits, as the other `build`.
  public static func build(
    _ specification: IndexSpecification, _ base: Vectors, metric: BitMetric, ids: [Int64]? = nil,
    options: BuildOptions = BuildOptions(), on device: any Device,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> Built {
    guard specification.keepsBits else {
      throw TesseraError(
        .invalidArgument,
        "build: \(metric.rawValue) compares rows of bits, which \(specification) does not keep; "
          + "nearest to it is \"\(specification.listCount.map { "BIVF\($0)" } ?? "BFlat")\"")
    }
    return try build(
      specification, base, metric: .squaredL2, bits: metric, ids: ids, options: options,
      on: device, control: control)
  }

  private static func build(
    _ specification: IndexSpecification, _ base: Vectors, metric: Metric, bits: BitMetric?,
    ids: [Int64]?, options: BuildOptions, on device: any Device, control: RunControl
  ) throws(TesseraError) -> Built {
    guard base.dimension > 0 else {
      throw TesseraError(.invalidShape, "build: the vectors have no dimensions")
    }
    guard options.trainingLimit ?? 1 > 0, options.iterations > 0 else {
      throw TesseraError(
        .invalidArgument, "build: training rows and iterations have to be at least 1")
    }
    try Index.requireMemory(options.memoryLimit, "build")
    guard ids?.count ?? base.count == base.count else {
      throw TesseraError(
        .invalidShape, "build: \(ids?.count ?? 0) ids for \(base.count) rows")
    }
    if let lists = specification.listCount, lists > base.count {
      throw TesseraError(
        .invalidShape,
        "build: \(specification) needs at least as many rows as lists, there are \(base.count); with "
          + "fewer lists, about the square root of the rows, searches are fast")
    }
    let specification = specification.canonical
    _ = try specification.keptDimension(of: base.dimension)
    let bitRows = try bits.map { bits throws(TesseraError) in try BitRows(base, bits) }
    let idMap = try ids.map { ids throws(TesseraError) in try IDMap(ids) }
    return try control.steer(on: device) { device throws(TesseraError) in
      try IndexBuilder(
        specification, base, metric: metric, bits: bitRows, ids: idMap, options: options,
        on: device, control: control
      ).build()
    }
  }
}

extension Index {
  /// Refuses a memory limit that not even blocks of rows fit into.
  static func requireMemory(_ limit: Int?, _ operation: String) throws(TesseraError) {
    guard let limit, limit < 1 << 20 else { return }
    throw TesseraError(
      .invalidArgument,
      "\(operation): a memory limit of \(limit) bytes leaves no room for blocks of rows; allow at least "
        + "1 MiB")
  }
}

/// Builds one index.
private struct IndexBuilder {
  let specification: IndexSpecification
  /// The rows as they were given.
  let originals: Vectors
  /// The rows once they have been transformed.
  let base: Vectors
  let transforms: [Transform]
  let transformSeconds: Double
  let transformNotes: [TrainingNote]
  let metric: Metric
  let bits: BitRows?
  let ids: IDMap?
  let options: Index.BuildOptions
  let device: any Device
  let control: RunControl

  /// Trains the transforms, and changes the rows by them.
  init(
    _ specification: IndexSpecification, _ originals: Vectors, metric: Metric, bits: BitRows?,
    ids: IDMap?, options: Index.BuildOptions, on device: any Device, control: RunControl
  ) throws(TesseraError) {
    self.specification = specification
    self.originals = originals
    self.metric = metric
    self.bits = bits
    self.ids = ids
    self.options = options
    self.device = device
    self.control = control
    let start = ContinuousClock.now
    guard !specification.transforms.isEmpty else {
      let isExpanded = bits != nil && specification.listCount != nil
      base = isExpanded ? try originals.expandedBits(within: options.memoryLimit) : originals
      (transforms, transformSeconds, transformNotes) = ([], 0, [])
      return
    }
    var inner = control.stage("transforms", 0...0.1)
    inner.fallback = nil
    var training = try TransformTraining(
      originals, limit: options.trainingLimit, metric: metric, seed: options.seed, on: device)
    for recipe in specification.transforms {
      try training.train(recipe, control: inner.stage("", 0...0.5))
    }
    transforms = training.transforms
    transformNotes = training.notes
    base = try transforms.apply(
      to: originals, on: device, "build", within: options.memoryLimit,
      control: inner.stage("", 0.5...1))
    transformSeconds = start.secondsAgo
  }

  private var memoryLimit: Int? { options.memoryLimit }

  func build() throws(TesseraError) -> Index.Built {
    let start = ContinuousClock.now
    var notes = transformNotes
    let clustering = try clusters()
    if let clustering { notes += clustering.notes }
    let centroidSeconds = start.secondsAgo

    let addStart = ContinuousClock.now
    let (lists, order) = try arranged(clustering)
    let rows =
      try order.map { order throws(TesseraError) in try base.gathered(order, within: memoryLimit) }
      ?? base
    let centroids = clustering?.centroids
    let coarse = try centroids.map { centroids throws(TesseraError) in
      let calibration = ListCalibration(
        rows: rows, given: originals, order: order, lists: lists, centroids: centroids,
        metric: metric, bits: bits?.metric, memoryLimit: memoryLimit)
      let radius = try calibration.radius(on: device)
      try control.report("recall", done: 0.65)
      return CoarseLists(
        centroids: centroids, radius: radius, recall: try calibration.recall(on: device))
    }
    let arrangeSeconds = addStart.secondsAgo

    let (content, trainSeconds, encodeSeconds) = try content(
      rows, order, lists, centroids, &notes)
    try control.report("done", done: 1)
    let index = Index(
      specification, metric: metric, dimension: originals.dimension, transforms: transforms,
      lists: lists, coarse: coarse, content: content,
      originals: specification.refines ? try given(rows, order) : nil)
    return Index.Built(
      index: index, trainSeconds: transformSeconds + centroidSeconds + trainSeconds,
      addSeconds: arrangeSeconds + encodeSeconds, notes: notes)
  }

  /// The centroids of lists, and the list of each row.
  private struct Clusters {
    let centroids: Vectors
    let labels: [Int32]
    let counts: [Int]
    let notes: [TrainingNote]
  }

  /// Finds the centroids, and the list of each row.
  private func clusters() throws(TesseraError) -> Clusters? {
    guard let count = specification.listCount else {
      try Shapes.requireFinite(base, "build")
      return nil
    }
    let kMeans = KMeans(
      .init(
        clusterCount: count, iterations: options.iterations, seed: options.seed,
        metric: metric == .cosine ? .cosine : .squaredL2,
        trainingSampleLimit: min(
          options.trainingLimit ?? .max, count.multipliedReportingOverflow(by: 256).partialValue),
        memoryLimit: memoryLimit.map { $0 / 2 }))
    var inner = control.stage("lists", 0.1...0.6)
    inner.fallback = nil
    let found = try kMeans.cluster(base, on: device, control: inner)
    let centroids = try Vectors(found.centroids, dimension: base.dimension)
    guard bits != nil else {
      return Clusters(
        centroids: centroids, labels: found.labels, counts: found.counts, notes: found.notes)
    }
    // Rounded centroids are nearest to other rows, and some may be equal: ties go to the first.
    let rounded = try centroids.binarized()
    let labels = try device.nearest(
      base, in: device.prepare(rounded, metric: metric), k: 1
    ).ids.map { Int32($0) }
    var counts = [Int](repeating: 0, count: count)
    for label in labels { counts[Int(label)] += 1 }
    return Clusters(centroids: rounded, labels: labels, counts: counts, notes: found.notes)
  }

  /// Puts the rows of each list together. Returns no order where rows stay where they are.
  private func arranged(_ clustering: Clusters?) throws(TesseraError) -> (RowLists, [Int]?) {
    let all = ids ?? .consecutive(count: base.count)
    guard let clustering else { return (RowLists(one: all), nil) }
    var starts = [0]
    for count in clustering.counts { starts.append(starts[starts.count - 1] + count) }
    var next = starts
    var order = [Int](repeating: 0, count: base.count)
    for (row, label) in clustering.labels.enumerated() {
      order[next[Int(label)]] = row
      next[Int(label)] += 1
    }
    return (try RowLists(starts: starts, ids: IDMap(order.map { all[$0] })), order)
  }

  /// The rows as they were given, in the order of `rows`.
  private func given(_ rows: Vectors, _ order: [Int]?) throws(TesseraError) -> Vectors {
    guard !transforms.isEmpty else { return rows }
    return try order.map { order throws(TesseraError) in
      try originals.gathered(order, within: memoryLimit)
    } ?? originals
  }

  /// What is kept of the rows, and the seconds for training and for coding.
  private func content(
    _ rows: Vectors, _ order: [Int]?, _ lists: RowLists, _ centroids: Vectors?,
    _ notes: inout [TrainingNote]
  ) throws(TesseraError) -> (Index.Content, train: Double, encode: Double) {
    if let bits {
      let own = try order.map { order throws(TesseraError) in
        try originals.gathered(order, within: memoryLimit)
      }
      return (.bits(try BitRows(own ?? originals, bits.metric)), 0, 0)
    }
    guard case .codes(let recipe) = specification.content else { return (.rows(rows), 0, 0) }
    let trainStart = ContinuousClock.now
    let limit = min(rows.count, options.trainingLimit ?? 65_536)
    let sample = (0..<limit).map { $0 * rows.count / limit }
    var inner = control.stage("codes", 0.7...0.9)
    inner.fallback = nil
    let coded = CodedRows(
      rows: rows, lists: lists, centroids: centroids, metric: metric, memoryLimit: memoryLimit)
    let trained = try recipe.train(coded.collected(sample), on: device, control: inner)
    notes += trained.notes
    var quantizer = trained.quantizer
    if centroids != nil, let scanned = quantizer as? any ScannedQuantizer {
      quantizer = scanned.inLists()
    }
    let trainSeconds = trainStart.secondsAgo
    let encodeStart = ContinuousClock.now
    let codes = try coded.encoded(
      by: quantizer, on: device, control: control.stage("", 0.9...1))
    return (.codes(codes, quantizer), trainSeconds, encodeStart.secondsAgo)
  }
}
