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
  private let interleaved: HostStorage
  private let candidates: HostStorage
  private let lists: UnsafeMutablePointer<csimd_list>
  private let listStorage: HostStorage
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
    panelsPerChunk = Self.panelsPerChunk(dimension: set.dimension)
    capacity = Self.capacity(k: k, dimension: set.dimension)
    interleaved = try HostStorage(allocating: range.count * set.dimension * 4)
    candidates = try HostStorage(
      allocating: range.count * capacity * MemoryLayout<csimd_candidate>.stride)
    listStorage = try HostStorage(allocating: range.count * MemoryLayout<csimd_list>.stride)
    lists = listStorage.start(as: csimd_list.self)
    scratch = try SelectionScratch(capacity: capacity)
    let items = candidates.start(as: csimd_candidate.self)
    for (index, query) in range.enumerated() {
      let (a, b, c) = FilterBound.query(
        set.metric, length: queries.squares[query].squareRoot(), dimension: set.dimension)
      lists[index] = csimd_list(
        items: items + index * capacity, count: 0, threshold: -.infinity, a: a, b: b, c: c,
        limit: min(k, capacity / 2))
    }
    interleaveQueries()
  }

  private static func panelsPerChunk(dimension: Int) -> Int {
    // A quarter of a 1 MiB cache for rows; the rest for queries, lists and the neighbour.
    min(64, max(1, 256 << 10 / (panelWidth * dimension * 4)))
  }

  private static func capacity(k: Int, dimension: Int) -> Int {
    2 * k + 2 * panelsPerChunk(dimension: dimension) * panelWidth + 64
  }

  /// Bytes a task allocates for each of its queries.
  static func bytesPerQuery(k: Int, dimension: Int) -> Int {
    dimension * 4 + MemoryLayout<csimd_list>.stride
      + capacity(k: k, dimension: dimension) * MemoryLayout<csimd_candidate>.stride
  }

  /// Copies the queries block by block, [dimension][queries of the block].
  private func interleaveQueries() {
    let dimension = set.dimension
    for first in stride(from: 0, to: range.count, by: kernels.queryBlock) {
      let count = min(kernels.queryBlock, range.count - first)
      let block = interleaved.floats + first * dimension
      for i in 0..<count {
        let query = queries.row(range.lowerBound + first + i)
        for d in 0..<dimension { block[d * count + i] = query[d] }
      }
    }
  }

  /// Searches `panelRange` and writes `hitCount` hits for every query of the task, best first,
  /// `hitCount` being k or the number of rows there, whichever is less.
  mutating func run(
    _ panelRange: Range<Int>, hitCount: Int, ids: UnsafeMutablePointer<Int64>,
    scores: UnsafeMutablePointer<Float>
  ) -> SearchStatistics {
    for begin in stride(from: panelRange.lowerBound, to: panelRange.upperBound, by: panelsPerChunk)
    {
      let end = min(begin + panelsPerChunk, panelRange.upperBound)
      for first in stride(from: 0, to: range.count, by: kernels.queryBlock) {
        filter(first, begin..<end)
      }
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
      kernels.table.pointee.filter(
        panels, interleaved.floats + first * set.dimension, count, chunk.lowerBound,
        chunk.upperBound, lists + first)
    }
    for i in first..<first + count {
      statistics.candidates += lists[i].count
      if lists[i].count >= lists[i].limit { shorten(i) }
    }
  }

  /// Raises a list's threshold and drops what falls below, so that the next chunk fits.
  private mutating func shorten(_ index: Int) {
    withUnsafePointer(to: panels) { csimd_tighten(lists + index, k, $0, scratch.floats) }
    let fullest = capacity - panelsPerChunk * panelWidth
    if lists[index].count > fullest { keepBest(index) }
    lists[index].limit = min(fullest + 1, lists[index].count + k / 2 + 64)
  }

  /// Cuts a list to its k best by canonical score: the bound alone cannot tell its rows apart
  /// (duplicates, extreme magnitudes).
  private mutating func keepBest(_ index: Int) {
    rank(index)
    let items = lists[index].items.unsafelyUnwrapped
    let worst = scratch.floats[position(k - 1)]
    lists[index].threshold = max(
      lists[index].threshold,
      FilterBound.threshold(
        set.metric, score: worst, querySquares: queries.squares[range.lowerBound + index]))
    // Back into rising row order, on which ties rely.
    var positions = UnsafeMutableBufferPointer(start: scratch.keys, count: k)
    for place in 0..<k { positions[place] &= 0xFFFF_FFFF }
    positions.sort()
    for place in 0..<k { items[place] = items[Int(positions[place])] }
    lists[index].count = k
  }

  /// Scores a list's rows canonically and sorts the best k of them to the front of the scratch
  /// keys. A key is the score's place, then the position in the list, which rises with the row.
  private mutating func rank(_ index: Int) {
    let list = lists[index]
    let query = range.lowerBound + index
    for position in 0..<list.count { scratch.rows[position] = list.items[position].row }
    kernels.table.pointee.canonical_sums(
      queries.row(query), set.vectors.kernelRows, scratch.rows, list.count,
      set.metric == .squaredL2 ? 1 : 0, scratch.sums)
    let largestFirst: Int32 = set.metric.order == .largestFirst ? 1 : 0
    for position in 0..<list.count {
      let score = CanonicalScore.finish(
        set.metric, sum: scratch.sums[position], querySquares: queries.squares[query],
        vectorSquares: set.squares(scratch.rows[position]))
      scratch.floats[position] = score
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
    withUnsafePointer(to: panels) { csimd_tighten(lists + index, k, $0, scratch.floats) }
    rank(index)
    for place in 0..<hitCount {
      ids[place] = set.firstID + Int64(scratch.rows[position(place)])
      scores[place] = scratch.floats[position(place)]
    }
  }
}

/// Room for ranking one candidate list.
struct SelectionScratch {
  private let storage: HostStorage
  let floats: UnsafeMutablePointer<Float>
  let rows: UnsafeMutablePointer<Int32>
  let keys: UnsafeMutablePointer<UInt64>
  let sums: UnsafeMutablePointer<Double>

  init(capacity: Int) throws(TesseraError) {
    storage = try HostStorage(allocating: capacity * 24)
    keys = storage.start(as: UInt64.self)
    sums = (storage.bytes.baseAddress.unsafelyUnwrapped + capacity * 8)
      .assumingMemoryBound(to: Double.self)
    floats = (storage.bytes.baseAddress.unsafelyUnwrapped + capacity * 16)
      .assumingMemoryBound(to: Float.self)
    rows = (storage.bytes.baseAddress.unsafelyUnwrapped + capacity * 20)
      .assumingMemoryBound(to: Int32.self)
  }
}
