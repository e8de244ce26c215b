import TesseraCompute
internal import TesseraHost

/// The points of a clustering: on a device as Float32, whole, or where memory is short a block at
/// a time.
final class TrainingPoints {
  let source: Vectors
  let metric: Metric
  let device: any Device
  let memoryLimit: Int?
  /// The weight of each point; nil: 1.
  let weights: [Float]?
  /// The length of each point; only for inner products.
  let lengths: [Double]
  /// Points of length 0 under cosine and inner product: near to nothing, so they start no cluster.
  let directionless: Set<Int>
  /// All points, if they fit.
  let resident: Matrix<Float>?
  let blockRows: Int

  var count: Int { source.count }
  var dimension: Int { source.dimension }

  /// Checks `source` and uploads it if it fits into `memoryLimit` bytes.
  ///
  /// - Throws: `.nonFinite`, naming the first such row; what the device throws.
  init(
    _ source: Vectors, metric: Metric, weights: [Float]?, memoryLimit: Int?,
    on device: any Device
  ) throws(TesseraError) {
    self.source = source
    self.metric = metric
    self.weights = weights
    self.device = device
    self.memoryLimit = memoryLimit
    let limit = memoryLimit ?? device.info.memoryBytes / 2
    // The points, what an assigner may keep of them, labels and scores.
    let rowBytes = source.dimension * 8 + 8
    let fits = source.count * rowBytes <= limit
    resident =
      fits
      ? try device.allocate(Float.self, rows: source.count, columns: source.dimension) : nil
    let blockBytes = fits ? 16 << 20 : limit
    blockRows = max(1, min(source.count, max(blockBytes / rowBytes, fits ? 1 : 256)))
    var directionless: Set<Int> = []
    var lengths: [Double] = []
    for start in stride(from: 0, to: source.count, by: blockRows) {
      let range = start..<min(start + blockRows, source.count)
      let values = source.rows(range).widened()
      // One pass that vectorizes, and another only where there is something to find.
      let largest = values.reduce(0 as UInt32) { max($0, $1.bitPattern & 0x7FFF_FFFF) }
      if largest >= Float.infinity.bitPattern, let bad = values.firstIndex(where: { !$0.isFinite })
      {
        throw Shapes.nonFinite("k-means", rows: [start + bad / source.dimension])
      }
      if metric != .squaredL2 {
        for row in range {
          let squares = UnitLength.squares(
            values[(row - start) * source.dimension..<(row - start + 1) * source.dimension])
          if squares == 0 { directionless.insert(row) }
          if metric == .innerProduct { lengths.append(squares.squareRoot()) }
        }
      }
      if let resident {
        try device.upload(
          Self.trained(values, metric, dimension: source.dimension), to: resident.rows(range))
      } else {
        source.rows(range).evict()
      }
    }
    self.directionless = directionless
    self.lengths = lengths
  }

  /// Points as the device sees them: of unit length for cosine.
  private static func trained(_ values: [Float], _ metric: Metric, dimension: Int) -> [Float] {
    metric == .cosine ? UnitLength.scaled(values, dimension: dimension) : values
  }

  /// The values of some rows as centroids: of unit length but for squared L2.
  func centroids(at rows: [Int32]) -> [Float] {
    let values = rows.flatMap { source.row(Int($0)) }
    return metric == .squaredL2 ? values : UnitLength.scaled(values, dimension: dimension)
  }

  /// Some of the points, with their weights or others.
  func subset(_ rows: [Int32], weights others: [Float]? = nil) throws(TesseraError)
    -> TrainingPoints
  {
    try TrainingPoints(
      source.gathering(rows), metric: metric,
      weights: others ?? weights.map { weights in rows.map { weights[Int($0)] } },
      memoryLimit: memoryLimit, on: device)
  }

  /// At most `limit` of the points, every choice equally likely.
  func sample(_ limit: Int, _ random: inout SplitMix64) throws(TesseraError) -> TrainingPoints {
    guard limit < count else { return self }
    return try subset(random.nextIndices(limit, below: count).sorted())
  }

  func weight(_ point: Int) -> Double { weights.map { Double($0[point]) } ?? 1 }

  /// Calls `body` for each block of points, in order.
  func forEachBlock(
    _ body: (Range<Int>, Matrix<Float>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    if let resident { return try body(0..<count, resident) }
    let room = try device.allocate(Float.self, rows: blockRows, columns: dimension)
    for start in stride(from: 0, to: count, by: blockRows) {
      try StopSignal.check()
      let range = start..<min(start + blockRows, count)
      let block = room.rows(0..<range.count)
      try device.upload(values(range), to: block)
      source.rows(range).evict()
      try body(range, block)
    }
  }

  /// Points as the device sees them.
  func values(_ range: Range<Int>) -> [Float] {
    Self.trained(source.rows(range).widened(), metric, dimension: dimension)
  }
}

extension Vectors {
  /// Copies of some rows, as Float32.
  func gathering(_ rows: [Int32]) throws(TesseraError) -> Vectors {
    var values: [Float] = []
    values.reserveCapacity(rows.count * dimension)
    for index in rows { values += row(Int(index)) }
    return try Vectors(values, dimension: dimension)
  }
}
