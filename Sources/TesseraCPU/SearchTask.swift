internal import CSIMD
internal import TesseraCompute

/// One thread's share of a search: some of the queries against some of the panels.
///
/// The panels are taken in chunks that stay in the second-level cache while every query block runs
/// over them. What passes the filter goes to the query's candidate list; the list's threshold, the
/// k-th best lower bound so far, rises as it fills. At the end the survivors get their canonical
/// score, and the k best of those are the answer.
struct SearchTask {
  private let set: CPUVectorSet
  private let kernels: Kernels
  private let queries: PreparedQueries
  private let range: Range<Int>
  private let k: Int
  private let panelsPerChunk: Int
  /// Room in each list: the filter may append a whole chunk before anybody looks.
  private let capacity: Int

  private let panels: csimd_panels
  private let packed: PackedQueries
  private let candidates: HostStorage
  private let scratch: SelectionScratch
  private var statistics = SearchStatistics(certified: true, candidates: 0, rescored: 0)

  /// - Throws: `.outOfMemory`.
  init(
    _ queries: PreparedQueries, _ range: Range<Int>, in set: CPUVectorSet, k: Int,
    kernels: Kernels
  ) throws(TesseraError) {
    self.set = set
    self.kernels = kernels
    self.queries = queries
    self.range = range
    self.k = k
    panels = set.kernelPanels
    panelsPerChunk = Self.panelsPerChunk(set.filter, dimension: set.dimension)
    capacity = Self.capacity(k: k, set.filter, dimension: set.dimension, rows: set.count)
    candidates = try HostStorage(allocating: range.count * capacity * Self.candidateBytes)
    scratch = try SelectionScratch(capacity: capacity)
    packed = try PackedQueries(queries, range, for: set, kernels: kernels)
    for index in 0..<range.count {
      let first = candidates.floats + index * capacity * 3
      lists[index].upper = first
      lists[index].lower = first + capacity
      lists[index].rows = UnsafeMutableRawPointer(first + 2 * capacity)
        .assumingMemoryBound(to: Int32.self)
      lists[index].limit = k
    }
  }

  /// Each query's candidates, threshold and part of the bound.
  private var lists: UnsafeMutablePointer<csimd_query> { packed.queries }

  private static func panelsPerChunk(_ filter: Filter, dimension: Int) -> Int {
    // A quarter of a 1 MiB cache for rows; the rest for queries, lists and the neighbour.
    min(64, max(1, 256 << 10 / filter.panelBytes(dimension: dimension)))
  }

  /// Room for twice k and two chunks, or for every row where there are fewer.
  private static func capacity(k: Int, _ filter: Filter, dimension: Int, rows: Int) -> Int {
    let room = 2 * k + 2 * panelsPerChunk(filter, dimension: dimension) * panelWidth + 64
    return min(room, rows) + Int(CSIMD_SLACK)
  }

  /// An upper bound, a lower bound and a row.
  private static let candidateBytes = 12

  /// Bytes a task allocates for each of its queries.
  static func bytesPerQuery(k: Int, _ filter: Filter, dimension: Int, rows: Int) -> Int {
    filter.queryBytes(dimension: dimension) + MemoryLayout<csimd_query>.stride
      + capacity(k: k, filter, dimension: dimension, rows: rows) * candidateBytes
  }

  /// Searches `panelRange` and writes `hitCount` hits for every query of the task, best first,
  /// `hitCount` being k or the number of rows there, whichever is less.
  mutating func run(
    _ panelRange: Range<Int>, hitCount: Int, ids: UnsafeMutablePointer<Int64>,
    scores: UnsafeMutablePointer<Float>
  ) -> SearchStatistics {
    // Before there is a threshold every row passes, so the first chunk holds little more than k.
    var size = min(panelsPerChunk, (k + panelWidth - 1) / panelWidth)
    var begin = panelRange.lowerBound
    while begin < panelRange.upperBound {
      let end = min(begin + size, panelRange.upperBound)
      for first in stride(from: 0, to: range.count, by: kernels.queryBlock) {
        filter(first, begin..<end)
      }
      begin = end
      size = min(2 * size, panelsPerChunk)
    }
    for index in 0..<range.count {
      writeHits(
        index, to: ids + index * hitCount, scores + index * hitCount, hitCount: hitCount)
    }
    return statistics
  }

  private mutating func filter(_ first: Int, _ chunk: Range<Int>) {
    let count = min(kernels.queryBlock, range.count - first)
    for i in first..<first + count { statistics.candidates -= lists[i].count }
    withUnsafePointer(to: panels) { panels in
      packed.filter(panels, first, count, chunk, with: kernels)
    }
    for i in first..<first + count {
      statistics.candidates += lists[i].count
      if lists[i].count >= lists[i].limit { shorten(i) }
    }
  }

  /// Raises a list's threshold and drops what falls below, so that the next chunk fits.
  private mutating func shorten(_ index: Int) {
    kernels.table.pointee.tighten(lists + index, k)
    packed.narrow(index)
    // A list with room for every row cannot overflow.
    let room = capacity - Int(CSIMD_SLACK)
    let fullest = room >= set.count ? room : room - panelsPerChunk * panelWidth
    if lists[index].count > fullest { keepBest(index) }
    lists[index].limit = min(fullest + 1, lists[index].count + k / 2 + 64)
  }

  /// Cuts a list to its k best by canonical score: the bound alone cannot tell its rows apart
  /// (duplicates, extreme magnitudes).
  private mutating func keepBest(_ index: Int) {
    rank(index)
    let worst = scratch.scores[position(k - 1)]
    packed.raiseThreshold(
      index,
      to: Filter.threshold(
        set.metric, score: worst, querySquares: queries.squares[range.lowerBound + index]))
    packed.narrow(index)
    // Back into rising row order, on which ties rely.
    var positions = UnsafeMutableBufferPointer(start: scratch.keys, count: k)
    for place in 0..<k { positions[place] &= 0xFFFF_FFFF }
    positions.sort()
    let list = lists[index]
    for place in 0..<k {
      let position = Int(positions[place])
      list.upper[place] = list.upper[position]
      list.lower[place] = list.lower[position]
      list.rows[place] = list.rows[position]
    }
    lists[index].count = k
  }

  /// Scores a list's rows canonically and sorts the best k of them to the front of the scratch
  /// keys. A key is the score's place, then the position in the list, which rises with the row.
  private mutating func rank(_ index: Int) {
    let list = lists[index]
    let query = range.lowerBound + index
    kernels.table.pointee.canonical_sums(
      queries.row(query), set.vectors.kernelRows, list.rows, list.count,
      set.metric == .squaredL2 ? 1 : 0, scratch.sums)
    let largestFirst: Int32 = set.metric.order == .largestFirst ? 1 : 0
    for position in 0..<list.count {
      let score = CanonicalScore.finish(
        set.metric, sum: scratch.sums[position], querySquares: queries.squares[query],
        vectorSquares: set.squares(list.rows[position]))
      scratch.scores[position] = score
      scratch.keys[position] =
        UInt64(csimd_order_key(score, largestFirst)) << 32 | UInt64(position)
    }
    csimd_select_keys(scratch.keys, list.count, k)
    statistics.rescored += list.count
  }

  /// The position in its list of the hit at `place`, after ``rank(_:)``.
  private func position(_ place: Int) -> Int { Int(scratch.keys[place] & 0xFFFF_FFFF) }

  /// The hits of one query, best first.
  private mutating func writeHits(
    _ index: Int, to ids: UnsafeMutablePointer<Int64>, _ scores: UnsafeMutablePointer<Float>,
    hitCount: Int
  ) {
    kernels.table.pointee.tighten(lists + index, k)
    rank(index)
    for place in 0..<hitCount {
      ids[place] = set.firstID + Int64(lists[index].rows[position(place)])
      scores[place] = scratch.scores[position(place)]
    }
  }
}

/// Room for ranking one candidate list.
struct SelectionScratch {
  private let storage: HostStorage
  let keys: UnsafeMutablePointer<UInt64>
  let sums: UnsafeMutablePointer<Double>
  let scores: UnsafeMutablePointer<Float>

  init(capacity: Int) throws(TesseraError) {
    storage = try HostStorage(allocating: capacity * 20)
    keys = storage.start(as: UInt64.self)
    sums = storage.doubles + capacity
    scores = storage.floats + 4 * capacity
  }
}
