internal import TesseraCompute

/// Centroids on a device, changed so that inner products order them as the metric does:
/// - inner product: `c`
/// - squared L2: `c` and, as one more number, `-C²/2s`, because `|q-c|² = Q² - 2 (q·c - C²/2)`;
///   queries get `s` as one more number. It is about the longest C: then both numbers are as long as
///   the vectors, and so products err no more than those of the vectors alone.
/// - cosine: `c / C`
///
/// Float32 products find the nearest lists but for those that are as near as the products' error; these
/// get canonical scores, so the lists are the same on every device.
struct CoarseMatrix: Sendable {
  private let device: any Device
  private let metric: Metric
  private let centroids: Vectors
  private let rows: Matrix<Float>
  /// The length of the longest centroid, and of the longest row.
  private let longest: (centroid: Double, row: Double)
  /// The number `s` of squared L2: a power of two, so that it rounds nothing.
  private let scale: Double

  init(_ centroids: Vectors, metric: Metric, on device: any Device) throws(TesseraError) {
    self.device = device
    self.metric = metric
    self.centroids = centroids
    let width = Self.width(metric, centroids.dimension)
    var values: [Float] = []
    values.reserveCapacity(centroids.count * width)
    let lengths = (0..<centroids.count).map { centroids.row($0).squaredLength.squareRoot() }
    var longest = (centroid: lengths.max() ?? 0, row: 0.0)
    scale = longest.centroid > 0 ? longest.centroid.binade : 1
    for list in 0..<centroids.count {
      var row = centroids.row(list)
      let squares = row.squaredLength
      switch metric {
      case .innerProduct: break
      case .squaredL2: row.append(Float(-squares / (2 * scale)))
      case .cosine:
        let scale = squares > 0 ? 1 / squares.squareRoot() : 0
        row = row.map { Float(Double($0) * scale) }
      }
      longest.row = max(longest.row, row.squaredLength.squareRoot())
      values += row
    }
    self.longest = longest
    rows = try device.upload(values, rows: centroids.count, columns: width)
  }

  private static func width(_ metric: Metric, _ dimension: Int) -> Int {
    metric == .squaredL2 ? dimension + 1 : dimension
  }

  var residentBytes: Int { rows.count * MemoryLayout<Float>.stride }

  /// Finds the `count` nearest lists of each query.
  ///
  /// - Precondition: There are more lists.
  func probes(_ queries: Vectors, _ count: Int) throws(TesseraError) -> CoarseProbes {
    var lists: [Int32] = []
    var next: [Float] = []
    lists.reserveCapacity(queries.count * count)
    // Products of 8 MB at a time, which stay in the cache until they are selected from.
    let step = max(1, (1 << 21) / centroids.count)
    for first in stride(from: 0, to: queries.count, by: step) {
      try StopSignal.check()
      let block = queries.rows(first..<min(first + step, queries.count))
      let found = try nearest(block, count)
      lists += found.lists
      next += found.next
    }
    return CoarseProbes(each: count, lists: lists, next: next)
  }

  /// Finds the `count` nearest lists of each query, and the score of the next one.
  private func nearest(
    _ queries: Vectors, _ count: Int
  ) throws(TesseraError) -> (lists: [Int32], next: [Float]) {
    let kept = min(centroids.count, count + 17)
    let values = try device.allocate(Float.self, rows: queries.count, columns: kept)
    let columns = try device.allocate(Int32.self, rows: queries.count, columns: kept)
    let products = try device.allocate(
      Float.self, rows: queries.count, columns: centroids.count)
    try device.innerProducts(
      device.upload(extended(queries), rows: queries.count, columns: rows.columns), rows,
      into: products)
    try device.topK(products, order: .largestFirst, into: values, columns)
    let best = try device.download(values)
    let lists = try device.download(columns)
    let lengths: [Double] = try device.hostWorkers.makeEachRow(queries.count, of: 1) {
      query, square in square[0] = queries.row(query).squaredLength
    }
    // Gives canonical scores to what products leave in doubt.
    var doubts: [Range<Int>] = []
    var doubtful: [Int32] = []
    var starts = [0]
    for query in 0..<queries.count {
      let own = query * kept..<(query + 1) * kept
      let doubt = doubt(best.span.extracting(own), count, squares: lengths[query])
      doubts.append(
        doubt.map { own.lowerBound + $0.lowerBound..<own.lowerBound + $0.upperBound }
          ?? own.lowerBound..<own.lowerBound)
      doubtful += doubt == nil ? Array(0..<Int32(centroids.count)) : Array(lists[doubts[query]])
      starts.append(doubtful.count)
    }
    let scores = try device.canonicalScores(
      queries, with: centroids, listed: doubtful, starts: starts, metric: metric)
    var chosen: [Int32] = []
    var next: [Float] = []
    chosen.reserveCapacity(queries.count * count)
    let order = metric.order
    for query in 0..<queries.count {
      let settled = (starts[query]..<starts[query + 1]).map {
        (score: scores[$0], id: Int64(doubtful[$0]))
      }.sorted { order.ranks($0, ahead: $1) }
      let sure = doubts[query].lowerBound - query * kept
      chosen += lists[query * kept..<query * kept + sure]
      chosen += settled.prefix(count - sure).lazy.map { Int32($0.id) }
      next.append(settled[count - sure].score)
    }
    return (chosen, next)
  }

  private func extended(_ queries: Vectors) -> [Float] {
    guard metric == .squaredL2 else { return queries.widened() }
    var values: [Float] = []
    values.reserveCapacity(queries.count * rows.columns)
    for query in 0..<queries.count { values += queries.row(query) + [Float(scale)] }
    return values
  }

  /// The places of lists that may be the last of the `count` nearest, or the first that is not; those
  /// before are surely nearer. nil where products tell nothing of that.
  ///
  /// - Parameter values: The largest products, falling, more than `count`.
  private func doubt(_ values: Span<Float>, _ count: Int, squares: Double) -> Range<Int>? {
    guard let error = error(squares: squares) else { return nil }
    let slack = Float(error)
    // What is surely nearer than the first that is left out, and what may be as near as it or as the
    // last that is not.
    let high = values[count - 1] + 2 * slack
    let low = values[count] - 2 * slack
    let isWhole = values.count == centroids.count || values[values.count - 1] < low
    guard low.isFinite, high.isFinite, isWhole else { return nil }
    var sure = count - 1
    while sure > 0, values[sure - 1] <= high { sure -= 1 }
    var end = count + 1
    while end < values.count, values[end] >= low { end += 1 }
    return sure..<end
  }

  /// Bounds how far a product is from the value that orders lists, whose canonical score is rounded
  /// too.
  ///
  /// Products err by `width * 2^-23` of the lengths (``MatrixOperations/innerProducts(_:_:into:)``) and by what
  /// underflows. Rows are rounded by 2^-24 of their length, and scores by 2^-24 of themselves: of
  /// `(Q + C)²` for squared L2, else of less than `Q C`.
  ///
  /// - Returns: nil where products may be beyond Float32.
  func error(squares: Double) -> Double? {
    let length = squares.squareRoot()
    let width = Double(rows.columns)
    let extended = metric == .squaredL2 ? (squares + scale * scale).squareRoot() : length
    guard extended * longest.row < 0x1p120 else { return nil }
    let products = (width + 4) * 0x1p-23 * extended * longest.row + width * 0x1p-120
    let reach = length + longest.centroid
    return 1.01 * (products + (metric == .squaredL2 ? 0x1p-24 * reach * reach : 0))
  }
}
