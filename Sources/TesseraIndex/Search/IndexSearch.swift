internal import Synchronization
public import TesseraCompute
internal import TesseraHost
internal import TesseraQuantization

/// Searches an index on a device.
///
/// What the index holds is prepared once and stays on the device; where it does not fit, lists are
/// prepared some at a time for every search. Hits are the same bytes either way, on every device.
/// Many searches may run at once.
public final class IndexSearch: Sendable {
  /// The index that is searched.
  public let index: Index
  /// The options that every search of this object uses.
  public let options: Options
  private let device: any Device
  private let prepared = Mutex<Prepared?>(nil)

  /// Steers what searches hold.
  public struct Options: Sendable {
    /// Bytes that prepared rows may take; nil takes what the device can give.
    public var memoryBudget: Int?
    /// Queries given to the device at a time; it changes no result.
    public var batchSize: Int
    /// Hits that are scored again for each that is wanted, where the index keeps rows for that.
    public var refineFactor: Int

    /// Takes what should differ from the defaults.
    public init(memoryBudget: Int? = nil, batchSize: Int = 8192, refineFactor: Int = 4) {
      self.memoryBudget = memoryBudget
      self.batchSize = batchSize
      self.refineFactor = refineFactor
    }
  }

  /// How much of an index a search looks at.
  public enum Effort: Sendable, Hashable {
    /// So many of the nearest lists, or all where there are fewer.
    case probes(Int)
    /// As many lists as held this share of the true neighbors of rows that were asked when the index
    /// was built.
    case recall(Double)
    /// Every list: exact, as far as what is kept of rows is.
    case all
  }

  /// The rows that a search went through.
  public enum Path: String, Sendable {
    /// The lists that are nearest to each query.
    case lists
    /// All lists, as was asked for.
    case all
    /// All lists, because about as few rows are selected as the nearest lists hold, or these would hold
    /// too few of them.
    case selected
  }

  /// What a search found, and what it did.
  public struct Report: Sendable {
    /// The hits.
    public let neighbors: Neighbors
    /// The device that searched.
    public let device: DeviceInfo
    /// Lists that each query looked at.
    public let probes: Int
    /// Lists that a query looked at, on average.
    public let listsPerQuery: Double
    /// Rows in those lists, on average.
    public let rowsPerQuery: Double
    /// The share of queries whose hits are proven to be the best of all rows; 0 where the index keeps
    /// codes or transformed rows.
    public let certifiedShare: Double
    /// The rows that were gone through.
    public let path: Path
    /// Seconds to prepare what was not prepared yet.
    public let prepareSeconds: Double
    /// Seconds to find the nearest lists, to search them, and to score hits again.
    public let stages: (coarse: Double, scan: Double, refine: Double)
    /// Bytes that stay on the device.
    public let residentBytes: Int

    /// Seconds of all stages.
    public var searchSeconds: Double { stages.coarse + stages.scan + stages.refine }
  }

  /// What lies on a device.
  private struct Prepared {
    let device: any Device
    let centroids: CoarseMatrix?
    /// The points that codes in lists are relative to.
    let codeCenters: Vectors?
    /// All rows; nil where they do not fit together.
    let rows: KeptRows?
    /// Rows that fit together, where all do not.
    let chunks: [Chunk]
  }

  /// Rows that are on the device at a time: those of some lists, or a part of the only list.
  private struct Chunk {
    let lists: Range<Int32>
    let rows: Range<Int>
  }

  /// - Throws: `.invalidArgument` for options that are not above 0.
  public init(
    _ index: Index, on device: any Device, options: Options = Options()
  ) throws(TesseraError) {
    guard options.batchSize > 0, options.refineFactor > 0, options.memoryBudget ?? 1 > 0 else {
      throw TesseraError(
        .invalidArgument, "search: batch size, memory and refine factor have to be at least 1")
    }
    self.index = index
    self.device = device
    self.options = options
  }

  /// The `k` nearest rows to every query in the lists it looks at, of those that `selector` selects
  /// (nil: of all).
  ///
  /// - Throws: As ``nearest(_:within:effort:only:control:)``.
  public func nearest(
    _ queries: Vectors, k: Int, effort: Effort = .recall(0.95), only selector: IDSelector? = nil,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> Report {
    try nearest(queries, within: .k(k), effort: effort, only: selector, control: control)
  }

  /// The nearest rows to every query in the lists it looks at, as many as `limit` says.
  ///
  /// Fewer than k hits are found only where those lists hold fewer selected rows.
  ///
  /// - Parameters:
  ///   - effort: The lists to look at; an index of one list is always searched whole.
  ///   - selector: The rows that may be hits. Where they are fewer than twice the rows of the lists that
  ///     a query would look at, or those lists would hold fewer than four times the hits wanted of them,
  ///     on average, all of them are searched.
  ///   - control: Hears of progress, ends the search, and says who takes over if the device fails.
  /// - Throws: `.invalidShape` for queries of another dimension, `.invalidArgument` for a limit or an
  ///   effort without a meaning or a memory budget that the rows of one list exceed, `.nonFinite` also for
  ///   scores beyond Float32, `.malformedFile` where the index's file is damaged,
  ///   `.cancelled`, `.deadlineExceeded`, and what the device throws.
  public func nearest(
    _ queries: Vectors, within limit: Limit, effort: Effort = .recall(0.95),
    only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> Report {
    try Shapes.require(
      queries.dimension == index.dimension,
      "search: queries have \(queries.dimension) dimensions, the index has \(index.dimension)")
    try Shapes.check(limit, "search")
    if index.bits != nil { try BitRows.requireBytes(queries, "queries") }
    let (probes, path) = try plan(effort, limit, only: selector)
    return try control.steer(on: device) { device throws(TesseraError) in
      try search(queries, limit, probes, path, selector, on: device, control)
    }
  }

  /// The lists of each query, and why.
  private func plan(
    _ effort: Effort, _ limit: Limit, only selector: IDSelector?
  ) throws(TesseraError) -> (probes: Int, Path) {
    let all = index.listCount
    var probes = all
    switch effort {
    case .probes(let count):
      guard count > 0 else {
        throw TesseraError(.invalidArgument, "search: \(count) probes are not at least 1")
      }
      probes = min(count, all)
    case .recall(let target):
      guard target > 0, target <= 1 else {
        throw TesseraError(
          .invalidArgument, "search: a recall of \(target) is not above 0 and at most 1")
      }
      probes = index.probes(forRecall: target)
    case .all: break
    }
    guard probes < all else { return (all, .all) }
    if let selector {
      // Lists hold so many rows, and so many selected ones, on average. Where that would leave hits
      // out, all selected rows cost little.
      let selected = index.lists.ids.count(of: selector)
      let share = Double(probes) / Double(all)
      let wanted = if case .k(let k) = limit { Double(min(k, selected)) } else { 0.0 }
      if Double(selected) <= 2 * share * Double(index.count)
        || Double(selected) * share < 4 * wanted
      {
        return (all, .selected)
      }
    }
    return (probes, .lists)
  }

  private func search(
    _ queries: Vectors, _ limit: Limit, _ probes: Int, _ path: Path, _ selector: IDSelector?,
    on device: any Device, _ control: RunControl
  ) throws(TesseraError) -> Report {
    let start = ContinuousClock.now
    let prepared = try prepared(on: device)
    let prepareSeconds = start.secondsAgo
    var pass = Pass()
    let step = min(options.batchSize, index.queriesTogether)
    for first in stride(from: 0, to: max(1, queries.count), by: step) {
      let range = first..<min(first + step, queries.count)
      try search(
        queries.rows(range), firstRow: first, limit, probes, path, selector, prepared, &pass)
      try control.report(
        "search", done: Double(range.upperBound) / Double(max(1, queries.count)))
    }
    let perQuery = 1 / Double(max(1, queries.count))
    return Report(
      neighbors: pass.neighbors, device: device.info, probes: probes,
      listsPerQuery: Double(pass.lists) * perQuery, rowsPerQuery: Double(pass.rows) * perQuery,
      certifiedShare: Double(pass.certified) * perQuery, path: path,
      prepareSeconds: prepareSeconds,
      stages: (pass.coarseSeconds, pass.scanSeconds, pass.refineSeconds),
      residentBytes: (prepared.rows?.residentBytes ?? 0)
        + (prepared.centroids?.residentBytes ?? 0))
  }

  /// What the batches of a search add up to.
  private struct Pass {
    var neighbors = Neighbors.none(queryCount: 0)
    var lists = 0
    var rows = 0
    var certified = 0
    var coarseSeconds = 0.0
    var scanSeconds = 0.0
    var refineSeconds = 0.0
  }

  private func search(
    _ asked: Vectors, firstRow: Int, _ limit: Limit, _ probes: Int, _ path: Path,
    _ selector: IDSelector?, _ prepared: Prepared, _ pass: inout Pass
  ) throws(TesseraError) {
    let start = ContinuousClock.now
    let queries = try index.transformed(asked, on: prepared.device)
    var coarse: CoarseProbes?
    if path == .lists, let centroids = prepared.centroids {
      coarse = try centroids.probes(queries, probes)
    }
    pass.coarseSeconds += start.secondsAgo
    let scanStart = ContinuousClock.now
    let refines = index.originals != nil
    var wanted = limit
    if refines, case .k(let k) = limit {
      let (product, overflow) = k.multipliedReportingOverflow(by: options.refineFactor)
      wanted = .k(overflow ? .max : product)
    }
    var found: Neighbors
    if case .bits(let rows) = index.content {
      found = try BitQueries(asked, among: rows, on: prepared.device).nearest(
        within: wanted, of: index, probing: coarse?.probes
      ) { tables, probes, limit throws(TesseraError) in
        try scan(.tables(tables), tables.tables.rows, limit, probes, selector, prepared)
      }
    } else {
      let (tables, probed) = try index.asked(
        queries, coarse?.probes, prepared.codeCenters, firstRow: firstRow, on: prepared.device)
      found = try scan(tables, queries.count, wanted, probed, selector, prepared)
    }
    pass.scanSeconds += scanStart.secondsAgo
    if refines {
      let refineStart = ContinuousClock.now
      found = try refined(found, asked, limit, on: prepared.device)
      pass.refineSeconds += refineStart.secondsAgo
    }
    if let place = found.scores.firstIndex(where: { !$0.isFinite }) {
      let query = (found.starts.firstIndex { $0 > place } ?? 1) - 1
      throw TesseraError(
        .nonFinite,
        "search: row \(firstRow + query) has scores beyond Float32; scale the vectors down")
    }
    count(queries, coarse, found, limit, &pass)
    pass.neighbors.append(found)
  }

  /// Searches the lists on the device, all at once or some at a time.
  private func scan(
    _ queries: AskedQueries, _ queryCount: Int, _ limit: Limit, _ probes: Probes?,
    _ selector: IDSelector?, _ prepared: Prepared
  ) throws(TesseraError) -> Neighbors {
    let (order, device) = (index.metric.order, prepared.device)
    if let rows = prepared.rows {
      return try rows.nearest(
        queries, probing: probes, within: limit, order: order, only: selector, on: device)
    }
    var found: Neighbors?
    for chunk in prepared.chunks {
      try StopSignal.check()
      let own = probes?.within(chunk.lists)
      if let own, own.lists.isEmpty { continue }
      let next = try index.kept(chunk.rows, of: chunk.lists, on: device).nearest(
        queries, probing: own, within: limit, order: order, only: selector, on: device)
      found = found?.merged(with: next, within: limit, order: order) ?? next
    }
    if let found { return found }
    if case .vectors(let queries) = queries {
      try Shapes.requireFinite(queries, "search: queries")
    }
    return .none(queryCount: queryCount)
  }

  /// Scores hits again by the rows themselves.
  private func refined(
    _ found: Neighbors, _ queries: Vectors, _ limit: Limit, on device: any Device
  ) throws(TesseraError) -> Neighbors {
    guard let originals = index.originals else { return found }
    let scores = try device.canonicalScores(
      queries, with: originals, listed: index.rows(of: found.ids), starts: found.starts,
      metric: index.metric)
    let order = index.metric.order
    var starts = [0]
    var ids: [Int64] = []
    var best: [Float] = []
    for query in 0..<found.queryCount {
      let own = found.starts[query]..<found.starts[query + 1]
      var hits = own.map { (score: scores[$0], id: found.ids[$0]) }
      hits.sort { order.ranks($0, ahead: $1) }
      switch limit {
      case .k(let k): hits.removeLast(max(0, hits.count - k))
      case .score(let score): hits.removeAll { !order.ranks($0.score, ahead: score) }
      }
      ids += hits.lazy.map(\.id)
      best += hits.lazy.map(\.score)
      starts.append(ids.count)
    }
    return Neighbors(starts: starts, ids: ids, scores: best, statistics: found.statistics)
  }

  /// Counts what a batch looked at, and the queries whose hits nothing can better.
  private func count(
    _ queries: Vectors, _ coarse: CoarseProbes?, _ found: Neighbors, _ limit: Limit,
    _ pass: inout Pass
  ) {
    // Hits among codes or transformed rows are the best of these, which says little about rows.
    let keepsRows = index.keepsRows
    guard let coarse, let lists = index.coarse else {
      pass.lists += queries.count * index.listCount
      pass.rows += queries.count * index.count
      if keepsRows { pass.certified += queries.count }
      return
    }
    pass.lists += coarse.probes.lists.count
    pass.rows += index.lists.rowCount(of: coarse.probes)
    // Distances between bits of lists are Hamming distances, which say little of Jaccard's.
    guard keepsRows, index.bits != .jaccard else { return }
    for query in 0..<queries.count {
      let worst: Float
      switch limit {
      case .k(let k):
        guard found[query].count == k, let last = found[query].last else { continue }
        worst = last.score
      case .score(let score): worst = score
      }
      let length =
        index.metric == .innerProduct
        ? queries.row(query).reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() : 0
      if lists.ruleOut(index.metric, next: coarse.next[query], worst: worst, length: length) {
        pass.certified += 1
      }
    }
  }

  // MARK: Preparing

  /// What lies on `device`, which is brought there first if it is not.
  private func prepared(on device: any Device) throws(TesseraError) -> Prepared {
    if let known = prepared.withLock({ $0?.device === device ? $0 : nil }) { return known }
    let centroids = try index.coarse.map { coarse throws(TesseraError) in
      try CoarseMatrix(coarse.centroids, metric: index.metric, on: device)
    }
    let chunks = try chunks(on: device)
    try index.verify()
    let made = Prepared(
      device: device, centroids: centroids, codeCenters: try index.codeCenters(),
      rows: chunks.count > 1
        ? nil : try index.kept(chunks[0].rows, of: chunks[0].lists, on: device),
      chunks: chunks)
    prepared.withLock { $0 = made }
    return made
  }

  /// Cuts the rows so that each chunk fits: between lists, or where there is one, within it.
  ///
  /// - Throws: `.outOfMemory` where the rows of a single list do not fit.
  private func chunks(on device: any Device) throws(TesseraError) -> [Chunk] {
    let budget = min(
      options.memoryBudget ?? .max, device.searchableBytes(within: .current))
    let isDecoded = if case .codes = index.content { true } else { false }
    let codeBytes = index.bits == nil ? index.scannedCodes?.codes.byteCount : index.dimension
    func bytes(_ rows: Int) -> Int {
      // Whole groups, and for each code a scale, an offset and a rank.
      if let codeBytes { return (rows + 64) * (codeBytes + 12) }
      let shape = SearchShape(
        rows: rows, dimension: index.keptDimension, element: .float32, metric: index.metric,
        queryCount: 1, k: 1)
      return device.cost(of: shape).residentBytes + (isDecoded ? rows * index.keptDimension * 4 : 0)
    }
    func requireFit(_ rows: Int) throws(TesseraError) {
      guard bytes(rows) > budget else { return }
      throw TesseraError(
        options.memoryBudget == nil ? .outOfMemory : .invalidArgument,
        "search: \(rows) rows that have to be together need \(bytes(rows)) bytes, \(budget) are "
          + "allowed; allow more, or build the index with more lists")
    }
    guard bytes(index.count) > budget else {
      return [Chunk(lists: 0..<Int32(index.listCount), rows: 0..<index.count)]
    }
    var chunks: [Chunk] = []
    var first = 0
    if index.listCount == 1 {
      // Rows take equal bytes, but for what a set takes once.
      let share = Double(budget) / Double(bytes(index.count))
      var step = max(1, Int(Double(index.count) * share))
      while step > 1, bytes(step) > budget { step -= step / 8 + 1 }
      try requireFit(step)
      while first < index.count {
        let end = min(first + step, index.count)
        chunks.append(Chunk(lists: 0..<1, rows: first..<end))
        first = end
      }
      return chunks
    }
    let starts = index.lists.starts
    while first < index.listCount {
      var end = first + 1
      while end < index.listCount, bytes(starts[end + 1] - starts[first]) <= budget { end += 1 }
      try requireFit(starts[end] - starts[first])
      chunks.append(
        Chunk(lists: Int32(first)..<Int32(end), rows: starts[first]..<starts[end]))
      first = end
    }
    return chunks
  }
}
