internal import TesseraCompute

/// Chooses the filter that suits a set of rows.
enum FilterChoice {
  /// The filter of all dimensions: whole numbers lose nothing as bytes, other numbers are worth a
  /// look.
  static func candidate(_ element: ElementType, dimension: Int, _ kernels: Kernels) -> Filter {
    guard kernels.canQuantize, dimension <= QuantizedBound.largestDimension else {
      return .float32
    }
    switch element {
    case .uint8: return .quantized(zero: 0, exact: true)
    case .int8: return .quantized(zero: 128, exact: true)
    case .float32, .float16, .bfloat16: return .quantized(zero: 128, exact: false)
    }
  }

  /// The filter that needs the most memory among those `element` may get.
  static func largest(_ element: ElementType, dimension: Int, _ kernels: Kernels) -> Filter {
    element.isFloatingPoint
      ? .float32 : candidate(element, dimension: dimension, kernels)
  }

  /// Numbers of leading directions worth trying: the fewer, the more rows pass.
  static func widths(dimension: Int, rows: Int) -> [Int] {
    // Learning them takes time with the cube of the dimension, keeping them memory.
    guard dimension <= 2048 else { return [] }
    return [32, 64, 96, 128, 192, 256, 384, 512, 768, 1024].filter {
      $0 <= dimension * 3 / 4 && $0 <= rows / 64
    }
  }
}

/// The filters a set of rows gets.
struct ChosenFilters {
  var main: Filter
  /// A filter that is faster while no more than this share of the rows is asked for.
  var few: (filter: Filter, share: Double)?
}

extension CPUDevice {
  /// The filters that should search `vectors` fastest, as a sample of them tells.
  func chooseFilters(_ vectors: Vectors, metric: Metric) throws(TesseraError) -> ChosenFilters {
    if filterPolicy == .float32 { return ChosenFilters(main: .float32) }
    let plain = FilterChoice.candidate(vectors.element, dimension: vectors.dimension, kernels)
    guard case .quantized(_, let exact) = plain, vectors.count > 0, filterPolicy == .auto else {
      return ChosenFilters(main: plain)
    }
    do throws(TesseraError) {
      let trial = try FilterTrial(vectors, metric: metric, on: self)
      var main = (filter: plain, costs: try trial.costs(plain))
      if !exact {
        let costs = try trial.costs(.float32)
        if costs[0] < main.costs[0] { main = (.float32, costs) }
      }
      let widths = FilterChoice.widths(dimension: vectors.dimension, rows: vectors.count)
      // Wider ones would cost more than the best filter so far, whatever they let pass.
      guard let widest = widths.last(where: { Double($0) < main.costs[0] }),
        let directions = try trial.principalDirections(widest)
      else {
        return ChosenFilters(main: main.filter)
      }
      var few = main
      for width in widths where Double(width) < few.costs[0] {
        let filter = Filter.leading(try directions.leading(width, on: self))
        let costs = try trial.costs(filter)
        if costs[0] < few.costs[0] { few = (filter, costs) }
      }
      // A second packing has to be worth it.
      let worthwhile = zip(few.costs, main.costs).prefix { $0 < 0.9 * $1 }.count
      guard worthwhile > 0 else { return ChosenFilters(main: main.filter) }
      if exact {
        // Bytes packed twice would take more memory than the rows: one or the other.
        return ChosenFilters(main: worthwhile == main.costs.count ? few.filter : main.filter)
      }
      return ChosenFilters(
        main: main.filter, few: (few.filter, trial.share(ofRank: worthwhile - 1)))
    } catch  where error.code == .nonFinite {
      // The packing of all rows will name every one that is not finite.
      return ChosenFilters(main: plain)
    }
  }
}

/// A small search that shows how many rows a filter lets pass.
private struct FilterTrial {
  // Large enough to rank and to learn directions from, small enough for a few milliseconds.
  private static let sampleRows = 4096
  private static let sampleQueries = 28
  /// Each twice the one before. Thresholds pass through all of them as hits are found; no more
  /// than `judgedRanks` hits are asked for.
  private static let ranks = [1, 2, 4, 8, 16, 32, 64, 128, 256]
  private static let judgedRanks = 7

  private let device: CPUDevice
  private let metric: Metric
  private let sample: Vectors
  private let queries: PreparedQueries
  /// For each rank the merit of each query's hit there.
  private let merits: [[Float]]

  /// - Throws: `.nonFinite`, `.outOfMemory`.
  init(_ vectors: Vectors, metric: Metric, on device: CPUDevice) throws(TesseraError) {
    self.device = device
    self.metric = metric
    let step = max(1, vectors.count / Self.sampleRows)
    sample = vectors.everyNth(step)
    // Rows between those of the sample, where there are any, ask as strangers would.
    let others = vectors.rows(step / 2..<vectors.count)
    queries = try PreparedQueries(
      others.everyNth(max(1, others.count / Self.sampleQueries)), "sample",
      kernels: device.kernels, workers: device.workers)
    let filter = FilterChoice.candidate(
      vectors.element, dimension: vectors.dimension, device.kernels)
    let k = Self.ranks.max() ?? 1
    let set = try Self.set(sample, filter, metric, device)
    let found = try device.nearest(queries, in: SearchScope(set, k: k), within: .k(k))
    let sign: Float = metric == .squaredL2 ? -1 : 1
    merits = Self.ranks.map { rank in
      (0..<found.queryCount).map { query in
        sign * found.scores[query * found.hitCount + min(rank, found.hitCount) - 1]
      }
    }
  }

  private static func set(
    _ rows: Vectors, _ filter: Filter, _ metric: Metric, _ device: CPUDevice
  ) throws(TesseraError) -> CPUVectorSet {
    try CPUVectorSet(
      rows, in: RowLists(one: .consecutive(count: rows.count)), metric: metric,
      filters: ChosenFilters(main: filter), as: "sample",
      kernels: device.kernels,
      workers: device.workers)
  }

  /// The share of rows that a rank stands for.
  func share(ofRank index: Int) -> Double { Double(Self.ranks[index]) / Double(sample.count) }

  /// Returns the cost of the filter for each row and query, in multiply-adds of bytes, at each
  /// rank.
  ///
  /// A Float32 takes as long as the instruction set's `floatCost` of bytes, turning a sum into a
  /// value as long as some 6 Float32s, and a row that passed as long as 8 for each dimension, or 1
  /// where it holds whole numbers, and 750 for the visit to memory. (Measured with AVX-512 on Zen 5;
  /// the order of magnitude matters.)
  func costs(_ filter: Filter) throws(TesseraError) -> [Double] {
    let width = Double(filter.width(dimension: sample.dimension))
    let float = device.kernels.floatCost
    let visit =
      float * ((sample.element.isFloatingPoint ? 8 : 1) * Double(sample.dimension) + 750)
    let scan: Double =
      switch filter {
      case .float32: float * (width + 6)
      case .quantized: width + 6 * float
      case .leading: width + 7.5 * float
      }
    let set = try Self.set(sample, filter, metric, device)
    let task = try SearchTask(
      queries, 0..<queries.count, in: SearchScope(set, k: 1), k: 1, kernels: device.kernels)
    let pairs = Double(queries.count * sample.count)
    let passing = try merits.map { merit throws(TesseraError) in
      Double(try task.passing(merit)) / pairs
    }
    return (0..<Self.judgedRanks).map { rank in
      // After a share x of the rows the threshold is that of rank k / x: of k to 2 k for the last
      // half of them, of 2 k to 4 k for the quarter before, and so on; at first, all pass.
      var share = 1.0
      var passed = 0.0
      for (near, far) in zip(passing[rank...], passing[(rank + 1)...]) {
        share /= 2
        passed += share * (near + far) / 2
      }
      return scan + visit * (passed + share)
    }
  }

  /// The `count` directions along which the sample differs most.
  func principalDirections(_ count: Int) throws(TesseraError) -> PrincipalDirections? {
    let rows = try PreparedQueries(
      sample, "sample", kernels: device.kernels, workers: device.workers)
    return try PrincipalDirections(
      rows.row(0), rowCount: rows.count, dimension: rows.dimension, count: count,
      products: device.products)
  }
}
