internal import Synchronization
public import TesseraCompute
internal import TesseraFormats
internal import TesseraHost
public import TesseraQuantization

/// Rows, or codes of them, divided into lists by nearness: searches look at the lists that are nearest
/// to a query, and at nothing else.
///
///     let index = try Index.build("IVF1024,Flat", base, metric: .innerProduct, on: device).index
///     let search = try IndexSearch(index, on: device)
///     let hits = try search.nearest(queries, k: 10, effort: .recall(0.95)).neighbors
///
/// An index never changes; it may be searched from any thread.
public final class Index: Sendable {
  /// How the index was built.
  public let specification: IndexSpecification
  /// The metric that rows are compared by; that of rows of bits is ``bits``, and here squared L2, which
  /// is the Hamming distance of bits taken as numbers 0 and 1.
  public let metric: Metric
  /// Numbers of a row, as it was given; of rows of bits the bytes.
  public let dimension: Int
  /// The rows' lists and ids; rows lie in this order.
  public let lists: RowLists
  /// What is done to rows and queries first, in this order.
  let transforms: [Transform]
  let coarse: CoarseLists?
  let content: Content
  /// The rows themselves, where hits are scored again.
  let originals: Vectors?
  /// The file that the index was opened from; what lies there is checked when it is first used.
  let file: MappedArrays?
  /// What compacting has kept of the time before.
  let history: IndexHistory
  private let order = Mutex<[Int32]?>(nil)

  /// What is kept of rows.
  enum Content: Sendable {
    case rows(Vectors)
    case codes(StoredCodes, any Quantizer)
    case bits(BitRows)
  }

  init(
    _ specification: IndexSpecification, metric: Metric, dimension: Int,
    transforms: [Transform] = [], lists: RowLists, coarse: CoarseLists?, content: Content,
    originals: Vectors?, file: MappedArrays? = nil, history: IndexHistory = IndexHistory()
  ) {
    self.specification = specification
    self.metric = metric
    self.dimension = dimension
    self.transforms = transforms
    self.lists = lists
    self.coarse = coarse
    self.content = content
    self.originals = originals
    self.file = file
    self.history = history
  }

  /// An index of one list that keeps rows as they are, with ids from 0: what is searched is all of it.
  public convenience init(whole rows: Vectors, metric: Metric) {
    self.init(
      IndexSpecification(), metric: metric, dimension: rows.dimension,
      lists: RowLists(one: .consecutive(count: rows.count)), coarse: nil, content: .rows(rows),
      originals: nil)
  }

  /// An index of one list of codes as they are, with ids from 0.
  ///
  /// - Throws: `.invalidShape` for codes of another length than the quantizer's.
  public convenience init(
    _ codes: Codes, of quantizer: any Quantizer, metric: Metric
  ) throws(TesseraError) {
    try quantizer.requireOwn(codes)
    self.init(
      IndexSpecification(content: .codes(try QuantizerFactory.recipe(quantizer.specification))),
      metric: metric, dimension: quantizer.dimension,
      lists: RowLists(one: .consecutive(count: codes.count)), coarse: nil,
      content: .codes(.memory(codes), quantizer), originals: nil)
  }

  /// An index of one list of rows of bits, eight in a byte, with ids from 0.
  ///
  /// - Throws: `.invalidArgument` for rows that are not bytes, `.unsupported` for rows longer than
  ///   ``BitMetric/longestJaccard`` under that metric.
  public convenience init(whole rows: Vectors, metric: BitMetric) throws(TesseraError) {
    self.init(
      IndexSpecification(content: .bits), metric: .squaredL2, dimension: rows.dimension,
      lists: RowLists(one: .consecutive(count: rows.count)), coarse: nil,
      content: .bits(try BitRows(rows, metric)), originals: nil)
  }

  /// The metric that rows of bits are compared by; nil for an index of other rows.
  public var bits: BitMetric? {
    if case .bits(let rows) = content { rows.metric } else { nil }
  }

  /// The name of the metric in the command line and in files.
  public var metricName: String { bits?.rawValue ?? metric.rawValue }

  /// Returns how many rows a selector selects.
  public func count(of selector: IDSelector) -> Int { lists.ids.count(of: selector) }

  /// The number of rows.
  public var count: Int { lists.ids.count }

  /// The number of lists.
  public var listCount: Int { lists.count }

  /// How uneven the lists are: the mean length of a row's list over the mean length of a list, 1 where
  /// all are equally long.
  public var listImbalance: Double {
    guard count > 0 else { return 1 }
    let squares = (0..<lists.count).reduce(0.0) {
      $0 + Double(lists[$1].count) * Double(lists[$1].count)
    }
    return squares * Double(lists.count) / (Double(count) * Double(count))
  }

  /// The lists that hold the share `target` of true neighbors, as measured when the index was built;
  /// 1 where there is one list.
  public func probes(forRecall target: Double) -> Int { coarse?.probes(forRecall: target) ?? 1 }

  /// Numbers of a row once it has been transformed; a bit is one.
  var keptDimension: Int { transforms.last?.outputs ?? (bits == nil ? dimension : 8 * dimension) }

  /// True if what is kept are the rows as they were given, so that hits can be proven.
  var keepsRows: Bool {
    switch content {
    case .rows: transforms.isEmpty
    case .codes: false
    case .bits: true
    }
  }

  /// Returns a row as the index knows it: as it was given (of bits, the bytes), or decoded, and what
  /// transforms did undone as far as it can be. Under the cosine, codes in lists are of rows of unit
  /// length. Where they drop dimensions it is the row nearest to the given one of those that have none
  /// there; ``TransformRecipe/unitLength`` leaves it without its length.
  ///
  /// - Throws: `.invalidArgument` for an id that no row has, and what the device throws.
  public func reconstruct(_ id: Int64, on device: any Device) throws(TesseraError) -> [Float] {
    guard let row = row(of: id) else {
      throw TesseraError(.invalidArgument, "reconstruct: no row has the id \(id)")
    }
    if case .bits(let rows) = content { return rows.vectors.row(row) }
    return try transforms.undo(decoded(row..<row + 1, on: device), on: device).row(0)
  }

  /// The row that has an id; nil if none has.
  func row(of id: Int64) -> Int? {
    lists.ids.rank(ofID: id).map { rank in rowsByRank.map { Int($0[rank]) } ?? rank }
  }

  /// The rows that have ids.
  ///
  /// - Precondition: There is a row for each.
  func rows(of ids: [Int64]) -> [Int32] {
    let known = rowsByRank
    return ids.map { id in
      guard let rank = lists.ids.rank(ofID: id) else {
        preconditionFailure("no row has the id \(id)")
      }
      return known?[rank] ?? Int32(rank)
    }
  }

  /// The row of each rank; nil where those are the same.
  private var rowsByRank: [Int32]? {
    guard lists.ids.ranks != nil else { return nil }
    return order.withLock { order in
      let known = order ?? lists.ids.rowsByRank()
      order = known
      return known
    }
  }

  /// Some rows as searches see them.
  func decoded(_ rows: Range<Int>, on device: any Device) throws(TesseraError) -> Vectors {
    switch content {
    case .rows(let all): return all.rows(rows)
    case .bits(let all): return try all.vectors.rows(rows).expandedBits()
    case .codes(let codes, let quantizer):
      let all = try CollectedRows(
        .float32, count: rows.count, dimension: keptDimension, within: nil)
      // What decoding holds besides the rows is of one megabyte of them.
      let step = max(1, (1 << 18) / keptDimension)
      for first in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
        let block = first..<min(first + step, rows.upperBound)
        var values = try quantizer.decode(codes.rows(block), on: device)
        if let coarse { addCentroids(coarse, to: &values, block) }
        try all.append(Vectors(values, dimension: keptDimension))
      }
      return try all.rows()
    }
  }

  /// Queries, or rows, as they are compared: transformed, of bits as numbers.
  ///
  /// - Parameter name: Names them in messages.
  func transformed(
    _ rows: Vectors, on device: any Device, _ name: String = "search: queries"
  ) throws(TesseraError) -> Vectors {
    bits == nil ? try transforms.apply(to: rows, on: device, name) : try rows.expandedBits()
  }

  /// Adds to each row the centroid of its list.
  private func addCentroids(_ coarse: CoarseLists, to values: inout [Float], _ rows: Range<Int>) {
    for list in 0..<lists.count {
      let own = lists[list].clamped(to: rows)
      guard !own.isEmpty else { continue }
      let centroid = coarse.centroids.row(list)
      for row in own {
        let start = (row - rows.lowerBound) * keptDimension
        for d in 0..<keptDimension { values[start + d] += centroid[d] }
      }
    }
  }
}
