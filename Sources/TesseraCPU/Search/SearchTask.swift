internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// One thread's share of a search: some of the queries against some of the panels.
///
/// The panels are taken in chunks that stay in the second-level cache while every block of queries
/// runs over them. Rows that pass the filter are looked at at once, in Float32, while they are in
/// the cache for the other queries too, and join the query's hits if they may; the k-th best of
/// those gives the threshold for what follows. At the end the hits, k and a few more, get their
/// canonical scores.
///
/// Runs the queries that look at the same list over it together, if queries look at some lists only.
/// Takes a score that limits the hits as the threshold from the beginning, and scores what passes
/// canonically at once.
struct SearchTask {
  private let scope: SearchScope
  private let kernels: Kernels
  private let range: Range<Int>
  private let k: Int
  /// The lists that the queries look at; nil for all panels.
  private let visits: ListVisits?
  private let panelsPerChunk: Int

  private let panels: csimd_panels
  private let packed: PackedQueries
  private let lists: HitLists
  private var statistics = SearchStatistics.none
  /// The keys of the hits of each query, if a score limits them.
  private var keys: [[UInt64]] = []
  private let meter = ProgressMeter.current
  /// The share of the whole call that one panel, searched for one query, is.
  private let step: Double
  /// The score of the last hit that each query has already, NaN where it has too few; nil for none.
  private let known: ArraySlice<Float>?

  /// - Parameters:
  ///   - k: The hits of a query, at most; 0 where it is a score that limits them.
  ///   - probes: The lists that each query looks at; nil for all.
  /// - Throws: `.outOfMemory`.
  init(
    _ queries: PreparedQueries, _ range: Range<Int>, in scope: SearchScope, k: Int,
    probes: Probes? = nil, kernels: Kernels
  ) throws(TesseraError) {
    self.scope = scope
    self.kernels = kernels
    self.range = range
    self.k = k
    known = queries.known?[range]
    visits = probes.map { ListVisits($0, range, listCount: scope.set.lists.count) }
    panels = scope.kernelPanels
    panelsPerChunk = Self.panelsPerChunk(scope.rows.filter, dimension: scope.set.dimension)
    let panelVisits =
      probes.map { Double(scope.set.layout.panelCount(of: $0)) } ?? Double(queries.count)
      * Double(scope.panels.count)
    step = 1 / max(1, panelVisits)
    packed = try PackedQueries(
      queries, range, for: scope, passing: panelsPerChunk * panelWidth, inBlocks: visits == nil,
      kernels: kernels)
    lists = try HitLists(
      range.count,
      capacity: Self.capacity(k: k, scope.rows.filter, dimension: scope.set.dimension),
      atMost: scope.count)
  }

  private static func panelsPerChunk(_ filter: Filter, dimension: Int) -> Int {
    // A quarter of a 1 MiB cache for panels; the rest for rows, queries, hits and the neighbour.
    min(64, max(1, 256 << 10 / filter.panelBytes(dimension: dimension)))
  }

  /// Hits a list has room for: a chunk may add all its rows before anybody looks.
  private static func capacity(k: Int, _ filter: Filter, dimension: Int) -> Int {
    HitLists.fullest(k: k) + panelsPerChunk(filter, dimension: dimension) * panelWidth
  }

  /// Bytes a task allocates for each of its queries.
  static func bytesPerQuery(k: Int, _ filter: Filter, dimension: Int, rows: Int) -> Int {
    PackedQueries.bytesPerQuery(filter, dimension: dimension)
      + HitLists.bytesPerQuery(
        capacity: capacity(k: k, filter, dimension: dimension), atMost: rows)
  }

  /// Searches `panelRange`, or the lists that queries look at, and writes the hits of each query of
  /// the task, best first.
  ///
  /// - Parameters:
  ///   - starts: Where the hits of each query of the whole search begin. There is room for k hits of
  ///     each query, or for all rows that it may look at if those are fewer.
  mutating func run(
    _ panelRange: Range<Int>, starts: [Int], ids: UnsafeMutablePointer<Int64>,
    scores: UnsafeMutablePointer<Float>
  ) throws(TesseraError) -> (statistics: SearchStatistics, counts: [Int]) {
    if let known {
      for (index, score) in known.enumerated() where score.isFinite { limit(index, to: score) }
    }
    let guesses = known == nil ? try guessThresholds(panelRange) : nil
    try search(0..<range.count, panelRange)
    for block in blocks(of: 0..<range.count) {
      try StopSignal.check()
      let missed = block.filter { !finish($0, reaching: guesses?[$0]) }
      guard !missed.isEmpty else { continue }
      // A guess was too high. The block is done again without one.
      forget(block)
      for index in block { packed.scorers[index].exact = packed.scorers[index].estimates ? 0 : 1 }
      try search(block, panelRange)
      for index in block { _ = finish(index, reaching: nil) }
    }
    let counts = (0..<range.count).map { index in
      let own = starts[range.lowerBound + index]..<starts[range.lowerBound + index + 1]
      let count = min(own.count, lists.hits[index].count)
      lists.write(
        index, to: ids + own.lowerBound, scores + own.lowerBound, hitCount: count, scope.set)
      return count
    }
    for index in 0..<range.count { statistics.rescored += lists.hits[index].scored }
    return (statistics, counts)
  }

  /// Lets no row of a query pass that is surely worse than a score.
  private func limit(_ index: Int, to score: Float) {
    let merit = scope.set.metric == .squaredL2 ? -score : score
    packed.raise(index, merit: merit)
    guard packed.scorers[index].exact == 0 else {
      lists.hits[index].least = merit
      return
    }
    // As far below as an estimate can be, and as much again for the rounding of this.
    let tolerance = packed.scorers[index].tolerance
    let slack = scope.set.metric == .squaredL2 ? score * tolerance + 0x1p-100 : tolerance
    lists.hits[index].least = (merit - 2 * slack).nextDown
  }

  /// Finds the rows with a better score than `score`: for each query of the task its keys, in no
  /// order.
  mutating func run(
    beyond score: Float, _ panelRange: Range<Int>
  ) throws(TesseraError) -> (keys: [[UInt64]], statistics: SearchStatistics) {
    let isDistance = scope.set.metric == .squaredL2
    let merit = isDistance ? -score : score
    // No distance is below 0, and thresholds are made for those that there can be.
    let reached = isDistance ? min(merit, 0) : merit
    for index in 0..<range.count {
      packed.scorers[index].exact = 1
      if reached.isFinite { packed.raise(index, merit: reached) }
      lists.hits[index].least = merit.nextUp
    }
    keys = Array(repeating: [], count: range.count)
    // Nothing is better than the best there is.
    guard merit < .infinity else { return (keys, statistics) }
    try search(0..<range.count, panelRange)
    for index in 0..<range.count { statistics.rescored += lists.hits[index].scored }
    return (keys, statistics)
  }

  /// Moves what was found for a query to its keys.
  private mutating func collect(_ index: Int) {
    let hits = lists.hits + index
    let isDistance = scope.set.metric == .squaredL2
    for hit in 0..<hits.pointee.count {
      let merit = hits.pointee.merits[hit]
      keys[index].append(
        CodeKeys.key(
          isDistance ? -merit : merit, scope.set.metric.order,
          row: scope.set.rank(of: Int(hits.pointee.rows[hit]))))
    }
    hits.pointee.count = 0
  }

  /// Makes the hits of a query canonical. Returns whether the k-th of them reaches `guess`: then no
  /// better row was dropped.
  private func finish(_ index: Int, reaching guess: Float?) -> Bool {
    let last = lists.finish(index, k: k, packed.scorers + index, kernels)
    guard let guess else { return true }
    return last.map { $0 >= guess } ?? false
  }

  /// Counts the rows that pass the filter where each query's last hit has one of `merits`.
  func passing(_ merits: [Float]) throws(TesseraError) -> Int {
    for (index, merit) in merits.enumerated() { packed.raise(index, merit: merit) }
    var passed = 0
    for chunk in Chunks(scope.panels, k: scope.count, largest: panelsPerChunk) {
      for block in blocks(of: 0..<range.count) {
        try StopSignal.check()
        filter(block, chunk)
        for index in block {
          passed += packed.queries[index].count
          packed.queries[index].count = 0
        }
      }
    }
    return passed
  }

  /// Sets thresholds that will probably let through about half more than k rows, by a search of
  /// every 16th panel: a threshold that grows from nothing lets through k ln(rows / k) rows. A
  /// guess that k rows do not reach is found out in the end.
  ///
  /// - Returns: the merits guessed, or nil where that is not worth it.
  private mutating func guessThresholds(
    _ panelRange: Range<Int>
  ) throws(TesseraError) -> [Float]? {
    let step = 16
    let expected = Double(k) / Double(step)
    // As many of the k best are in the sample, give or take; six deviations, since rows near
    // each other are often alike.
    let rank = Int(expected + 6 * expected.squareRoot()) + 2
    guard k >= 32, !scope.isMasked, visits == nil, panelRange.count / step * panelWidth >= 8 * rank
    else {
      return nil
    }
    try search(
      0..<range.count, Chunks(panelRange, step: step, k: rank, largest: panelsPerChunk), k: rank)
    return (0..<range.count).map { index in
      let merit = lists.cut(index, k: rank, packed.scorers + index, kernels)
      // A row that is surely below the guess is no hit; an estimate may be as far again below.
      let least = packed.scorers[index].exact != 0 ? merit : lists.hits[index].least
      forget(index..<index + 1)
      lists.hits[index].least = least
      packed.raise(index, merit: merit)
      return merit
    }
  }

  /// Drops the hits and thresholds of some queries.
  private func forget(_ queries: Range<Int>) {
    for index in queries {
      lists.hits[index].count = 0
      lists.hits[index].least = -.infinity
      packed.queries[index].threshold = -.infinity
    }
  }

  /// Searches some of the task's queries among all panels of `panelRange`, or among their lists.
  private mutating func search(
    _ queries: Range<Int>, _ panelRange: Range<Int>
  ) throws(TesseraError) {
    guard let visits else {
      return try search(
        queries, Chunks(panelRange, k: k, largest: panelsPerChunk), k: k)
    }
    for visit in visits.rounds.joined() {
      try search(visit)
    }
  }

  /// Searches some of the task's queries, chunk after chunk, all blocks of queries on each.
  ///
  /// - Throws: What `StopSignal.check` throws, after each block.
  private mutating func search(
    _ queries: Range<Int>, _ chunks: Chunks, k: Int
  ) throws(TesseraError) {
    for chunk in chunks {
      for block in blocks(of: queries) {
        try StopSignal.check()
        filter(block, chunk)
        take(packed.queries + block.lowerBound, block, k: k)
      }
      let panelCount = chunk.reduce(0) { $0 + $1.count }
      meter?.advance(by: step * Double(panelCount * queries.count))
    }
  }

  /// Searches one list for the queries that look at it.
  private mutating func search(
    _ visit: ListVisits.Visit
  ) throws(TesseraError) {
    let all = scope.set.layout.panels(of: visit.list)
    for first in stride(from: all.lowerBound, to: all.upperBound, by: panelsPerChunk) {
      let chunk = first..<min(first + panelsPerChunk, all.upperBound)
      var rest = visit.queries
      while !rest.isEmpty {
        try StopSignal.check()
        let members = rest.prefix(kernels.queryBlock)
        rest = rest.dropFirst(members.count)
        let passed = withUnsafePointer(to: panels) {
          packed.filter($0, members, chunk, with: kernels)
        }
        take(passed, members.lazy.map { Int($0) }, k: k)
      }
      meter?.advance(by: step * Double(chunk.count * visit.queries.count))
    }
  }

  /// The queries as the kernels take them.
  private func blocks(of queries: Range<Int>) -> some Sequence<Range<Int>> {
    stride(from: queries.lowerBound, to: queries.upperBound, by: kernels.queryBlock).lazy
      .map { [width = kernels.queryBlock] in $0..<min($0 + width, queries.upperBound) }
  }

  /// Runs the filter for one block of queries over one chunk.
  private func filter(_ block: Range<Int>, _ chunk: [Range<Int>]) {
    withUnsafePointer(to: panels) { panels in
      for run in chunk { packed.filter(panels, block, run, with: kernels) }
    }
  }

  /// Scores the rows that passed for each query of a block, and raises thresholds.
  ///
  /// - Parameter passed: The queries as the filter left them, in the order of `block`.
  private mutating func take(
    _ passed: UnsafeMutablePointer<csimd_query>, _ block: some Collection<Int>, k: Int
  ) {
    let table = kernels.table.pointee
    for place in 0..<block.count where passed[place].count > 0 {
      if let originals = scope.rows.originals {
        PackedQueries.renumber(passed[place], by: originals)
      }
      table.prefetch_rows(
        scope.set.vectors.kernelRows, passed[place].rows, passed[place].count)
    }
    for (place, index) in block.enumerated() where passed[place].count > 0 {
      statistics.candidates += passed[place].count
      table.score(
        packed.scorers + index, passed[place].rows, passed[place].count, lists.hits + index)
      passed[place].count = 0
      if k == 0 {
        collect(index)
      } else if lists.isFull(index, k: k) {
        packed.raise(index, merit: lists.cut(index, k: k, packed.scorers + index, kernels))
      }
    }
  }
}
