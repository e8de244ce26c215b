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
struct SearchTask {
  private let scope: SearchScope
  private let kernels: Kernels
  private let range: Range<Int>
  private let k: Int
  private let panelsPerChunk: Int

  private let panels: csimd_panels
  private let packed: PackedQueries
  private let lists: HitLists
  private var statistics = SearchStatistics.none
  private let meter = ProgressMeter.current
  /// The share of the whole call that one panel, searched for one query, is.
  private let step: Double

  /// - Throws: `.outOfMemory`.
  init(
    _ queries: PreparedQueries, _ range: Range<Int>, in scope: SearchScope, k: Int,
    kernels: Kernels
  ) throws(TesseraError) {
    self.scope = scope
    self.kernels = kernels
    self.range = range
    self.k = k
    panels = scope.kernelPanels
    panelsPerChunk = Self.panelsPerChunk(scope.rows.filter, dimension: scope.set.dimension)
    step = 1 / (Double(queries.count) * Double(max(1, scope.panels.count)))
    packed = try PackedQueries(
      queries, range, for: scope, passing: panelsPerChunk * panelWidth, kernels: kernels)
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

  /// Searches `panelRange` and writes `hitCount` hits for every query of the task, best first,
  /// `hitCount` being k or the number of rows there, whichever is less.
  mutating func run(
    _ panelRange: Range<Int>, hitCount: Int, ids: UnsafeMutablePointer<Int64>,
    scores: UnsafeMutablePointer<Float>
  ) throws(TesseraError) -> SearchStatistics {
    let guesses = try guessThresholds(panelRange)
    try search(0..<range.count, Chunks(panelRange, k: k, largest: panelsPerChunk), k: k)
    for block in blocks(of: 0..<range.count) {
      try StopSignal.check()
      let missed = block.filter { !finish($0, reaching: guesses?[$0]) }
      guard !missed.isEmpty else { continue }
      // A guess was too high. The block is done again without one.
      forget(block)
      for index in block { packed.scorers[index].exact = packed.scorers[index].estimates ? 0 : 1 }
      try search(block, Chunks(panelRange, k: k, largest: panelsPerChunk), k: k)
      for index in block { _ = finish(index, reaching: nil) }
    }
    for index in 0..<range.count {
      lists.write(
        index, to: ids + index * hitCount, scores + index * hitCount, hitCount: hitCount,
        scope.set)
      statistics.rescored += lists.hits[index].scored
    }
    return statistics
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
    guard k >= 32, !scope.isMasked, panelRange.count / step * panelWidth >= 8 * rank else {
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

  /// Searches some of the task's queries, chunk after chunk, all blocks of queries on each.
  ///
  /// - Throws: What `StopSignal.check` throws, after each block.
  private mutating func search(
    _ queries: Range<Int>, _ chunks: Chunks, k: Int
  ) throws(TesseraError) {
    for chunk in chunks {
      for block in blocks(of: queries) {
        try StopSignal.check()
        search(block, on: chunk, k: k)
      }
      let panelCount = chunk.reduce(0) { $0 + $1.count }
      meter?.advance(by: step * Double(panelCount * queries.count))
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

  /// One block of queries against one chunk.
  private mutating func search(_ block: Range<Int>, on chunk: [Range<Int>], k: Int) {
    let table = kernels.table.pointee
    filter(block, chunk)
    if let originals = scope.rows.originals {
      for index in block { packed.renumber(index, by: originals) }
    }
    for index in block {
      table.prefetch_rows(
        scope.set.vectors.kernelRows, packed.queries[index].rows, packed.queries[index].count)
    }
    for index in block where packed.queries[index].count > 0 {
      let passed = packed.queries[index]
      statistics.candidates += passed.count
      table.score(packed.scorers + index, passed.rows, passed.count, lists.hits + index)
      packed.queries[index].count = 0
      if lists.isFull(index, k: k) {
        packed.raise(index, merit: lists.cut(index, k: k, packed.scorers + index, kernels))
      }
    }
  }
}
