internal import CSIMD
internal import TesseraCompute

/// A task's queries as the kernels want them: interleaved in blocks for the filter, rounded to
/// bytes where the rows are, each with its part of the error bound and its canonical scorer.
struct PackedQueries {
  let queries: UnsafeMutablePointer<csimd_query>
  let scorers: UnsafeMutablePointer<csimd_scorer>
  private let queryStorage: HostStorage
  private let scorerStorage: HostStorage
  private let values: HostStorage
  private let passed: HostStorage
  /// Queries that were brought together for one run of a filter; nil where those of a block always
  /// run together.
  private let gathered: HostStorage?
  private let whole: HostStorage?
  private let bounds: HostStorage
  /// The queries' coordinates, for a filter on leading directions.
  private let coordinates: HostStorage?
  private let set: CPUVectorSet
  private let filter: Filter
  /// The scorers point into it.
  private let source: PreparedQueries

  /// - Parameters:
  ///   - rowCount: Rows one run of the filter sees at most.
  ///   - inBlocks: True if the queries of a block always run together; false if any may.
  /// - Throws: `.outOfMemory`.
  init(
    _ source: PreparedQueries, _ range: Range<Int>, for scope: SearchScope, passing rowCount: Int,
    inBlocks: Bool = true, kernels: Kernels
  ) throws(TesseraError) {
    self.source = source
    set = scope.set
    filter = scope.rows.filter
    queryStorage = try HostStorage(allocating: range.count * MemoryLayout<csimd_query>.stride)
    scorerStorage = try HostStorage(allocating: range.count * MemoryLayout<csimd_scorer>.stride)
    bounds = try HostStorage(allocating: range.count * MemoryLayout<QueryBound>.stride)
    values = try HostStorage(
      allocating: range.count * filter.queryBytes(dimension: set.dimension))
    // The queries of a block fill their lists at once, the blocks one after the other.
    let room = rowCount + Int(CSIMD_SLACK)
    passed = try HostStorage(allocating: kernels.queryBlock * room * 4)
    gathered =
      inBlocks
      ? nil
      : try HostStorage(allocating: kernels.queryBlock * MemoryLayout<csimd_query>.stride)
    let width = inBlocks ? kernels.queryBlock : 1
    whole =
      set.vectors.element.isFloatingPoint
      ? nil : try HostStorage(allocating: range.count * set.dimension * 2)
    coordinates = try Self.coordinates(source, range, filter, kernels)
    queries = queryStorage.start(as: csimd_query.self)
    scorers = scorerStorage.start(as: csimd_scorer.self)
    for index in 0..<range.count {
      queries[index] = csimd_query()
      queries[index].rows = passed.start(as: Int32.self) + index % kernels.queryBlock * room
      queries[index].threshold = -.infinity
      let row = source.row(range.lowerBound + index)
      let squares = source.squares[range.lowerBound + index]
      scorers[index] = scorer(row, squares, index, kernels)
      let first = index / width * width
      let place = (index - first, of: min(width, range.count - first))
      bounds.start(as: QueryBound.self)[index] = pack(
        row, squares, index, first: first, place, kernels)
    }
  }

  private static func coordinates(
    _ source: PreparedQueries, _ range: Range<Int>, _ filter: Filter, _ kernels: Kernels
  ) throws(TesseraError) -> HostStorage? {
    guard case .leading(let basis) = filter else { return nil }
    let result = try HostStorage(allocating: range.count * basis.width * 4)
    let scratch = try HostStorage(allocating: basis.scratchBytes(kernels))
    basis.project(
      source.row(range.lowerBound), count: range.count, into: result.floats, scratch: scratch,
      kernels: kernels)
    return result
  }

  static func bytesPerQuery(_ filter: Filter, dimension: Int) -> Int {
    filter.queryBytes(dimension: dimension) + MemoryLayout<csimd_query>.stride
      + MemoryLayout<csimd_scorer>.stride + MemoryLayout<QueryBound>.stride + dimension * 4
  }

  private func scorer(
    _ row: UnsafePointer<Float>, _ squares: Double, _ index: Int, _ kernels: Kernels
  ) -> csimd_scorer {
    var scorer = csimd_scorer()
    scorer.query = row
    scorer.rows = set.vectors.kernelRows
    scorer.metric = set.metric.kernelMetric
    scorer.squares = squares
    scorer.row_squares = set.squares
    scorer.ranks = set.ranks
    scorer.any_order = gathered != nil || set.ranks != nil ? 1 : 0
    scorer.tolerance = Float32Bound.tolerance(
      set.metric, length: squares.squareRoot(), longest: set.longest, dimension: set.dimension)
    if let whole {
      let target = whole.start(as: Int16.self) + index * set.dimension
      if kernels.table.pointee.whole_numbers(row, set.dimension, target) != 0 {
        scorer.whole = UnsafePointer(target)
      }
    }
    scorer.exact = scorer.estimates ? 0 : 1
    return scorer
  }

  /// Packs one query into its place of the block that begins at `first`.
  private func pack(
    _ row: UnsafePointer<Float>, _ squares: Double, _ index: Int, first: Int,
    _ place: (Int, of: Int), _ kernels: Kernels
  ) -> QueryBound {
    let query = queries + index
    let length = squares.squareRoot()
    let block =
      values.start(as: Int8.self) + first * filter.queryBytes(dimension: set.dimension)
    switch filter {
    case .float32:
      let target = UnsafeMutableRawPointer(block).assumingMemoryBound(to: Float.self) + place.0
      for d in 0..<set.dimension { target[d * place.of] = row[d] }
      (query.pointee.a, query.pointee.b, query.pointee.c) = Float32Bound.query(
        set.metric, length: length, dimension: set.dimension)
      return QueryBound(querySquares: squares)
    case .quantized(_, let exact):
      let rounded = kernels.table.pointee.quantize_query(
        row, set.dimension, exact ? 1 : 0, place.of * 4, block + place.0 * 4, query)
      (query.pointee.a, query.pointee.b, query.pointee.c) = QuantizedBound.query(
        set.metric, length: length, rounded)
      return QueryBound(querySquares: squares, rounded: rounded)
    case .leading(let basis):
      let leading = coordinates.unsafelyUnwrapped.floats + index * basis.width
      let remainder = Remainder(
        set.metric, squares: squares,
        coordinateSquares: kernels.squares(leading, dimension: basis.width), slack: basis.slack)
      let rounded = remainder.extending(
        kernels.table.pointee.quantize_query(
          leading, basis.width, 0, place.of * 4, block + place.0 * 4, query), set.metric)
      (query.pointee.a, query.pointee.b, query.pointee.c) = QuantizedBound.query(
        set.metric, length: length, rounded)
      query.pointee.reach = remainder.reach.roundedUp
      return QueryBound(querySquares: squares, rounded: rounded)
    }
  }

  /// Makes use of hits found: `merit` is that of the k-th best so far.
  func raise(_ index: Int, merit: Float) {
    let bound = bounds.start(as: QueryBound.self)[index]
    guard queries[index].c < .infinity else { return }
    if let rounded = bound.rounded, set.metric == .squaredL2 {
      (queries[index].threshold, queries[index].a) = QuantizedBound.within(
        score: -merit, rounded)
    } else {
      let score = set.metric == .squaredL2 ? -merit : merit
      queries[index].threshold = Filter.threshold(
        set.metric, score: score, querySquares: bound.querySquares)
    }
  }

  /// Turns the places of passed rows in a packing into their numbers in the set.
  static func renumber(_ query: csimd_query, by originals: HostStorage) {
    let numbers = originals.start(as: Int32.self)
    let rows = query.rows.unsafelyUnwrapped
    for place in 0..<query.count { rows[place] = numbers[Int(rows[place])] }
  }

  /// Runs the filter for some queries, no more than a block, over some panels. What passed is in the
  /// queries returned, in the order of `members`, until the next run.
  func filter(
    _ panels: UnsafePointer<csimd_panels>, _ members: ArraySlice<Int32>, _ chunk: Range<Int>,
    with kernels: Kernels
  ) -> UnsafeMutablePointer<csimd_query> {
    let together = gathered.unsafelyUnwrapped.start(as: csimd_query.self)
    let bytes = filter.queryBytes(dimension: set.dimension)
    for (place, member) in members.enumerated() {
      together[place] = queries[Int(member)]
      together[place].rows = queries[place].rows
      together[place].values = UnsafeRawPointer(
        values.bytes.baseAddress.unsafelyUnwrapped + Int(member) * bytes)
    }
    let table = kernels.table.pointee
    switch filter {
    case .float32:
      table.filter(panels, nil, members.count, chunk.lowerBound, chunk.upperBound, together)
    case .quantized, .leading:
      table.filter_quantized(
        panels, nil, members.count, chunk.lowerBound, chunk.upperBound, together)
    }
    return together
  }

  /// Runs the filter for a block of queries over some panels.
  func filter(
    _ panels: UnsafePointer<csimd_panels>, _ block: Range<Int>, _ chunk: Range<Int>,
    with kernels: Kernels
  ) {
    let offset = block.lowerBound * filter.queryBytes(dimension: set.dimension)
    let start = values.bytes.baseAddress.unsafelyUnwrapped + offset
    let table = kernels.table.pointee
    switch filter {
    case .float32:
      table.filter(
        panels, start.assumingMemoryBound(to: Float.self), block.count, chunk.lowerBound,
        chunk.upperBound, queries + block.lowerBound)
    case .quantized, .leading:
      table.filter_quantized(
        panels, start.assumingMemoryBound(to: Int8.self), block.count, chunk.lowerBound,
        chunk.upperBound, queries + block.lowerBound)
    }
  }
}

extension csimd_scorer {
  /// True if merits may be estimated first. Whole numbers are summed as fast as they would be
  /// estimated.
  var estimates: Bool { whole == nil && tolerance < .infinity }
}

/// Holds what raising a query's threshold needs to know of the query.
struct QueryBound {
  var querySquares: Double
  /// The error of rounding the query to bytes; nil if it was not rounded.
  var rounded: csimd_rounded_query?
}

extension Metric {
  /// The metric as the C kernels call it.
  var kernelMetric: Int32 {
    switch self {
    case .innerProduct: Int32(CSIMD_INNER_PRODUCT.rawValue)
    case .squaredL2: Int32(CSIMD_SQUARED_L2.rawValue)
    case .cosine: Int32(CSIMD_COSINE.rawValue)
    }
  }
}
