import TesseraCompute
internal import TesseraHost

/// The points of a clustering: on a device as Float32, whole, or where memory is short a block at
/// a time.
///
/// The device always sees squared distances. For cosine and inner products it has the points at unit
/// length: there `|u - c|² / 2` is 1 - similarity, but where similarities near 1 all round to the
/// same Float32, distances still tell near points apart.
final class TrainingPoints {
  let source: Vectors
  let metric: Metric
  let device: any Device
  let memoryLimit: Int?
  /// Points whose sums are added up together; nil: all.
  let chunkRows: Int?
  /// The weight of each point; nil: 1.
  let weights: [Float]?
  /// By how much points are multiplied for the device; 1 but for squared L2.
  let scale: PointScale
  /// Only for inner products: the length of each point.
  let lengths: [Double]
  /// Points of length 0 under cosine and inner product: near to nothing, so they start no cluster.
  let directionless: Set<Int>
  /// All points, if they fit.
  let resident: Matrix<Float>?
  let blockRows: Int

  var count: Int { source.count }
  var dimension: Int { source.dimension }

  /// Rows that pass through the host at a time: some milliseconds of work.
  private static func chunkRows(_ dimension: Int) -> Int { max(1, (8 << 20) / (dimension * 4)) }

  /// Bytes that a point takes on the device: itself, what an assigner keeps of it, label and score.
  private static func rowBytes(_ dimension: Int) -> Int {
    let (bytes, overflows) = dimension.multipliedReportingOverflow(by: 8)
    return overflows ? .max - 8 : min(bytes, .max - 8) + 8
  }

  /// The least memory that points of `dimension` numbers can pass through: one at a time.
  static func leastMemory(dimension: Int) -> Int { rowBytes(dimension) }

  /// Checks `source` and uploads it if it fits into `memoryLimit` bytes.
  ///
  /// - Parameters:
  ///   - scale: Found here where it is nil.
  ///   - others: Centroids that the points will be compared with, for the scale.
  ///   - chunkRows: As ``KMeans/Options/chunkRows``.
  /// - Throws: `.nonFinite`, naming the first such row; what the device throws.
  init(
    _ source: Vectors, metric: Metric, weights: [Float]?, memoryLimit: Int?,
    scale given: PointScale? = nil, comparedWith others: Vectors? = nil,
    chunkRows: Int? = nil, on device: any Device
  ) throws(TesseraError) {
    self.source = source
    self.metric = metric
    self.weights = weights
    self.device = device
    self.memoryLimit = memoryLimit
    self.chunkRows = chunkRows
    let dimension = source.dimension
    let limit = memoryLimit ?? device.info.memoryBytes / 2
    let rowBytes = Self.rowBytes(dimension)
    let fits =
      !source.count.multipliedReportingOverflow(by: rowBytes).overflow
      && source.count * rowBytes <= limit
    resident =
      fits ? try device.allocate(Float.self, rows: source.count, columns: dimension) : nil
    let chunkRows = Self.chunkRows(dimension)
    blockRows = max(1, min(source.count, fits ? chunkRows : limit / rowBytes))
    var directionless: Set<Int> = []
    var lengths: [Double] = []
    var magnitudes = Magnitudes()
    if metric == .squaredL2, let others {
      others.widened().withUnsafeBufferPointer { magnitudes.add($0) }
    }
    for start in stride(from: 0, to: source.count, by: chunkRows) {
      try StopSignal.check()
      let range = start..<min(start + chunkRows, source.count)
      var values = source.rows(range).widened()
      values.withUnsafeBufferPointer { magnitudes.add($0) }
      if !magnitudes.isFinite, let bad = values.firstIndex(where: { !$0.isFinite }) {
        throw Shapes.nonFinite("k-means", rows: [start + bad / dimension])
      }
      if metric != .squaredL2 {
        for row in range {
          let squares = UnitLength.squares(
            values[(row - start) * dimension..<(row - start + 1) * dimension])
          if squares == 0 { directionless.insert(row) }
          if metric == .innerProduct { lengths.append(squares.squareRoot()) }
        }
      }
      if let resident {
        if metric == .squaredL2 {
          given?.scale(&values)
        } else {
          UnitLength.scale(&values, dimension: dimension)
        }
        try device.upload(values, to: resident.rows(range))
      } else {
        source.rows(range).evict()
      }
    }
    scale =
      given
      ?? (metric == .squaredL2
        ? PointScale(smallest: magnitudes.smallest, largest: magnitudes.largest) : .one)
    self.directionless = directionless
    self.lengths = lengths
    guard given == nil, scale != .one, let resident else { return }
    for start in stride(from: 0, to: source.count, by: chunkRows) {
      try StopSignal.check()
      let range = start..<min(start + chunkRows, source.count)
      try device.upload(trained(source.rows(range).widened()), to: resident.rows(range))
    }
  }

  /// Returns points or centroids as the device sees them: scaled, or of unit length but for squared
  /// L2.
  func trained(_ values: [Float]) -> [Float] {
    var values = values
    if metric == .squaredL2 {
      scale.scale(&values)
    } else {
      UnitLength.scale(&values, dimension: dimension)
    }
    return values
  }

  /// Returns given centroids as the device sees them; those that have unit length but for rounding
  /// keep their bits.
  func trained(centroids: Vectors) -> [Float] {
    var values = centroids.widened()
    if metric == .squaredL2 {
      scale.scale(&values)
    } else {
      UnitLength.scale(&values, dimension: dimension, tolerance: 0x1p-21)
    }
    return values
  }

  /// Returns the values of some rows as centroids.
  func centroids(at rows: [Int32]) -> [Float] {
    trained(rows.flatMap { source.row(Int($0)) })
  }

  /// Returns some of the points, with their weights or others.
  func subset(_ rows: [Int32], weights others: [Float]? = nil) throws(TesseraError)
    -> TrainingPoints
  {
    try TrainingPoints(
      source.gathering(rows, within: memoryLimit), metric: metric,
      weights: others ?? weights.map { weights in rows.map { weights[Int($0)] } },
      memoryLimit: memoryLimit, scale: scale, on: device)
  }

  /// Returns at most `limit` of the points, every choice equally likely.
  func sample(_ limit: Int, _ random: inout SplitMix64) throws(TesseraError) -> TrainingPoints {
    guard limit < count else { return self }
    return try subset(random.nextSample(limit, below: count))
  }

  func weight(_ point: Int) -> Double { weights.map { Double($0[point]) } ?? 1 }

  /// Returns how much of each point of `range` goes into the sums of clusters; nil: 1 each.
  func pulls(_ range: Range<Int>) -> [Double]? {
    guard metric == .innerProduct else { return weights.map { $0[range].map(Double.init) } }
    return range.map { weight($0) * lengths[$0] }
  }

  /// Returns what the squared distances `scores` of scaled points, from `first` on, are in the
  /// terms of the metric.
  func distances(_ scores: [Float], from first: Int) -> [Double] {
    switch metric {
    case .squaredL2: scores.map(scale.unscaledSquare)
    case .cosine: scores.map { Double($0) / 2 }
    case .innerProduct:
      scores.enumerated().map { index, score in lengths[first + index] * Double(score) / 2 }
    }
  }

  /// Calls `body` for each block of points, in order.
  func forEachBlock(
    _ body: (Range<Int>, Matrix<Float>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    if let resident { return try body(0..<count, resident) }
    let room = try device.allocate(Float.self, rows: blockRows, columns: dimension)
    let chunkRows = Self.chunkRows(dimension)
    for start in stride(from: 0, to: count, by: blockRows) {
      let range = start..<min(start + blockRows, count)
      for first in stride(from: 0, to: range.count, by: chunkRows) {
        try StopSignal.check()
        let rows = first..<min(first + chunkRows, range.count)
        let source = source.rows(start + rows.lowerBound..<start + rows.upperBound)
        try device.upload(trained(source.widened()), to: room.rows(rows))
        source.evict()
      }
      try body(range, room.rows(0..<range.count))
    }
  }

  /// Calls `body` with the values of the points (or of `rows` of them) as the device sees them, some
  /// megabytes at a time.
  func forEachChunk(
    of rows: Range<Int>? = nil, _ body: (Range<Int>, [Float]) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let rows = rows ?? 0..<count
    let chunkRows = Self.chunkRows(dimension)
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: chunkRows) {
      try StopSignal.check()
      let range = start..<min(start + chunkRows, rows.upperBound)
      if let resident {
        try body(range, device.download(resident.rows(range)))
      } else {
        let source = source.rows(range)
        try body(range, trained(source.widened()))
        source.evict()
      }
    }
  }
}

extension Vectors {
  /// Returns copies of some rows, as Float32.
  func gathering(_ rows: [Int32], within memoryLimit: Int?) throws(TesseraError) -> Vectors {
    let copies = try CollectedRows(
      .float32, count: rows.count, dimension: dimension, within: memoryLimit)
    for block in blocks(of: rows.count) {
      try StopSignal.check()
      var values: [Float] = []
      values.reserveCapacity(block.count * dimension)
      for index in rows[block] { values += row(Int(index)) }
      try copies.append(Vectors(values, dimension: dimension))
    }
    if memoryLimit != nil { evict() }
    return try copies.rows()
  }
}

extension SplitMix64 {
  /// Returns `count` different numbers below `bound`, rising: the set that ``nextIndices(_:below:)``
  /// draws (Floyd's sampling), at the cost of a bit for each number below the bound.
  mutating func nextSample(_ count: Int, below bound: Int) throws(TesseraError) -> [Int32] {
    var isChosen = [Bool](repeating: false, count: bound)
    for last in bound - count..<bound {
      if last % (1 << 20) == 0 { try StopSignal.check() }
      let candidate = nextIndex(below: last + 1)
      isChosen[isChosen[candidate] ? last : candidate] = true
    }
    var indices: [Int32] = []
    indices.reserveCapacity(count)
    for index in 0..<bound where isChosen[index] { indices.append(Int32(index)) }
    return indices
  }
}
