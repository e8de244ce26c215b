internal import TesseraCompute

/// The lists of an index: their centroids, how far rows are from them, and how many lists it takes to
/// find what is near.
struct CoarseLists: Sendable {
  /// One row for each list.
  let centroids: Vectors
  /// The largest distance of any row from its list's centroid; for the cosine, of unit vectors.
  let radius: Float
  /// `recall[p]` is the share of true neighbors in the p + 1 nearest lists, of rows that were asked
  /// when the index was built.
  let recall: [Float]
  /// The mean of the centroids.
  let middle: [Float]

  init(centroids: Vectors, radius: Float, recall: [Float]) {
    self.centroids = centroids
    self.radius = radius
    self.recall = recall
    var sums = [Double](repeating: 0, count: centroids.dimension)
    for list in 0..<centroids.count {
      for (d, value) in centroids.row(list).enumerated() { sums[d] += Double(value) }
    }
    let count = Double(max(1, centroids.count))
    middle = sums.map { Float($0 / count) }
  }

  var count: Int { centroids.count }

  /// The fewest lists whose rows held at least this share of the true neighbors.
  func probes(forRecall target: Double) -> Int {
    (recall.firstIndex { Double($0) >= target } ?? count - 1) + 1
  }

  /// Tells whether lists whose centroids are no nearer than `next` can hold no row that is better than
  /// `worst`, by the triangle inequality.
  ///
  /// - Parameters:
  ///   - next: The canonical score of the nearest centroid that was left out.
  ///   - worst: The canonical score of the last hit.
  ///   - length: That of the query.
  func ruleOut(_ metric: Metric, next: Float, worst: Float, length: Double) -> Bool {
    // Covers the rounding of scores and of the radius.
    let slack = 1e-5
    let radius = Double(radius) * (1 + slack)
    switch metric {
    case .squaredL2:
      let least = (Double(next).squareRoot() * (1 - slack) - radius)
      return least > 0 && least * least > Double(worst) * (1 + slack)
    case .innerProduct:
      let most = Double(next) + length * radius
      return most + slack * (abs(Double(next)) + length * radius) < Double(worst)
    case .cosine:
      return Double(next) + radius + slack < Double(worst)
    }
  }
}

/// Centroids on a device, changed so that inner products order them as the metric does:
/// - inner product: `c`
/// - squared L2: `c` and, as one more number, `-C²/2`, because `|q-c|² = Q² - 2 (q·c - C²/2)`
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

  init(_ centroids: Vectors, metric: Metric, on device: any Device) throws(TesseraError) {
    self.device = device
    self.metric = metric
    self.centroids = centroids
    let width = Self.width(metric, centroids.dimension)
    var values: [Float] = []
    values.reserveCapacity(centroids.count * width)
    var longest = (centroid: 0.0, row: 0.0)
    for list in 0..<centroids.count {
      var row = centroids.row(list)
      let squares = Self.squares(row)
      switch metric {
      case .innerProduct: break
      case .squaredL2: row.append(Float(-squares / 2))
      case .cosine:
        let scale = squares > 0 ? 1 / squares.squareRoot() : 0
        row = row.map { Float(Double($0) * scale) }
      }
      longest.centroid = max(longest.centroid, squares.squareRoot())
      longest.row = max(longest.row, Self.squares(row).squareRoot())
      values += row
    }
    self.longest = longest
    rows = try device.upload(values, rows: centroids.count, columns: width)
  }

  private static func width(_ metric: Metric, _ dimension: Int) -> Int {
    metric == .squaredL2 ? dimension + 1 : dimension
  }

  private static func squares(_ values: [Float]) -> Double {
    values.reduce(0) { $0 + Double($1) * Double($1) }
  }

  var residentBytes: Int { rows.count * MemoryLayout<Float>.stride }

  /// Finds the `count` nearest lists of each query.
  ///
  /// - Precondition: There are more lists.
  func probes(_ queries: Vectors, _ count: Int) throws(TesseraError) -> CoarseProbes {
    try Shapes.requireFinite(queries, "search: queries")
    var lists: [Int32] = []
    var next: [Float] = []
    lists.reserveCapacity(queries.count * count)
    // Products of 64 MB at a time.
    let step = max(1, (1 << 24) / centroids.count)
    for first in stride(from: 0, to: queries.count, by: step) {
      try StopSignal.check()
      let block = queries.rows(first..<min(first + step, queries.count))
      let found = try nearest(block, count)
      for query in 0..<block.count {
        let own = found[query * (count + 1)..<(query + 1) * (count + 1)]
        lists += own.dropLast()
        next.append(Float(bitPattern: UInt32(bitPattern: own.last ?? 0)))
      }
    }
    return CoarseProbes(
      probes: Probes(
        checked: (0...queries.count).map { $0 * count }, lists: lists, terms: nil), next: next)
  }

  /// For each query its `count` nearest lists, and the bits of the score of the next one.
  private func nearest(_ queries: Vectors, _ count: Int) throws(TesseraError) -> [Int32] {
    let kept = min(centroids.count, count + 17)
    let values = try device.allocate(Float.self, rows: queries.count, columns: kept)
    let columns = try device.allocate(Int32.self, rows: queries.count, columns: kept)
    let products = try device.allocate(
      Float.self, rows: queries.count, columns: centroids.count)
    try device.innerProducts(
      device.upload(extended(queries), rows: queries.count, columns: rows.columns), rows,
      into: products)
    try device.topK(products, order: .largestFirst, into: values, columns)
    let best = try (values: device.download(values), columns: device.download(columns))
    return try device.hostWorkers.makeEachRow(queries.count, of: count + 1, minimum: 16) {
      index, target throws(TesseraError) in
      let own = index * kept..<(index + 1) * kept
      let query = queries.row(index)
      let (lists, next) = settled(
        query, count, Array(best.values[own]), Array(best.columns[own]))
      for (place, list) in lists.enumerated() { target[place] = list }
      target[count] = Int32(bitPattern: next.bitPattern)
    }
  }

  private func extended(_ queries: Vectors) -> [Float] {
    guard metric == .squaredL2 else { return queries.widened() }
    var values: [Float] = []
    values.reserveCapacity(queries.count * rows.columns)
    for query in 0..<queries.count { values += queries.row(query) + [1] }
    return values
  }

  /// The `count` nearest lists, and the score of the next one.
  ///
  /// - Parameters:
  ///   - values: The largest products, falling, more than `count`.
  ///   - columns: The lists that they belong to.
  private func settled(
    _ query: [Float], _ count: Int, _ values: [Float], _ columns: [Int32]
  ) -> ([Int32], next: Float) {
    guard let error = error(query) else { return canonical(query, count) }
    let slack = Float(error)
    // What is surely nearer than the first that is left out, and what may be as near as it or as the
    // last that is not.
    let high = values[count - 1] + 2 * slack
    let low = values[count] - 2 * slack
    let sure = values.prefix { $0 > high }.count
    let isWhole = values.count == centroids.count || values[values.count - 1] < low
    guard low.isFinite, high.isFinite, isWhole else { return canonical(query, count) }
    let end = values.prefix { $0 >= low }.count
    let order = metric.order
    let doubtful = columns[sure..<end].map { list in
      (score: CanonicalScore.score(metric, query, centroids.row(Int(list))), id: Int64(list))
    }.sorted { order.ranks($0, ahead: $1) }
    let chosen = doubtful.prefix(count - sure).map { Int32($0.id) }
    return (columns[..<sure] + chosen, doubtful[count - sure].score)
  }

  /// The same by canonical scores of all centroids.
  private func canonical(_ query: [Float], _ count: Int) -> ([Int32], next: Float) {
    let order = metric.order
    let all = (0..<centroids.count).map { list in
      (score: CanonicalScore.score(metric, query, centroids.row(list)), id: Int64(list))
    }.sorted { order.ranks($0, ahead: $1) }
    return (all.prefix(count).map { Int32($0.id) }, all[count].score)
  }

  /// Bounds how far a product is from the value that orders lists, whose canonical score is rounded
  /// too.
  ///
  /// Products err by `width * 2^-23` of the lengths (``Device/innerProducts(_:_:into:)``) and by what
  /// underflows. Rows are rounded by 2^-24 of their length, and scores by 2^-24 of themselves: of
  /// `(Q + C)²` for squared L2, else of less than `Q C`.
  ///
  /// - Returns: nil where products may be beyond Float32.
  private func error(_ query: [Float]) -> Double? {
    let squares = Self.squares(query)
    let length = squares.squareRoot()
    let width = Double(rows.columns)
    let extended = metric == .squaredL2 ? (squares + 1).squareRoot() : length
    guard extended * longest.row < 0x1p120 else { return nil }
    let products = (width + 4) * 0x1p-23 * extended * longest.row + width * 0x1p-120
    let reach = length + longest.centroid
    return 1.01 * (products + (metric == .squaredL2 ? 0x1p-24 * reach * reach : 0))
  }
}

/// The lists that queries look at, and what is known of those they do not.
struct CoarseProbes {
  let probes: Probes
  /// For each query the score of the nearest centroid that was left out.
  let next: [Float]
}
