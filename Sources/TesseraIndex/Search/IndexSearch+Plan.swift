internal import Synchronization
public import TesseraCompute
internal import TesseraHost
internal import TesseraQuantization

extension IndexSearch {
  /// Describes how a search would be cut into chunks and batches, and what it would hold.
  public struct Plan: Sendable, Hashable {
    /// The device that would search.
    public let device: DeviceInfo
    /// Queries given to the device at a time.
    public let batchSize: Int
    /// The most rows that are prepared at a time.
    public let rowsPerChunk: Int
    /// The rows that are prepared together, whole lists where there are several, each with its lists.
    /// Chunks of consecutive ids without a selected row are left out, and the others begin and end with
    /// what the selection spans.
    let chunks: [Chunk]
    /// True if the rows are more than fit, so that chunks are prepared anew for every search.
    public let streams: Bool
    /// The bytes that one chunk and one batch hold. A device that finds that rows can be packed
    /// tighter keeps less.
    public let cost: SearchCost
    /// The bytes that the hits of all queries take on the host while they are put together: twice
    /// those of the result.
    public let resultBytes: Int

    /// The number of chunks.
    public var chunkCount: Int { chunks.count }

    /// The rows of each chunk, in the order of the index.
    public var chunkRows: [Range<Int>] { chunks.map(\.rows) }
  }

  /// Rows that are on the device at a time: those of some lists, or a part of the only list.
  struct Chunk: Sendable, Hashable {
    let lists: Range<Int32>
    let rows: Range<Int>
  }

  /// Returns what a search of `queryCount` queries would do, without doing it.
  ///
  /// - Parameter control: Names the fallback, which is planned for where the device has no room.
  /// - Complexity: O(log rows), or O(lists), and one step for each 64 ids of a selection by bits.
  /// - Throws: `.outOfMemory` if not even one row, or the rows of one list, fit; `.invalidArgument` if
  ///   that is because of ``Options/memoryBudget``.
  public func plan(
    queryCount: Int, k: Int, only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> Plan {
    let site = state.withLock(\.site)
    let selectedCount = selectedCount(selector)
    do throws(TesseraError) {
      return try plan(
        queryCount: queryCount, .k(k), only: selector, selectedCount: selectedCount, in: site,
        control: control)
    } catch {
      guard error.isFailureOfDevice, let fallback = control.fallback, fallback !== site.device
      else { throw error }
      return try plan(
        queryCount: queryCount, .k(k), only: selector, selectedCount: selectedCount,
        in: options.site(on: fallback), control: control)
    }
  }

  /// Batches shrink, unless their size was asked for, until a chunk fits beside them.
  ///
  /// - Parameter copyBytesPerRow: What the host holds of each row beside the device's own needs.
  func plan(
    queryCount: Int, _ limit: Limit, only selector: IDSelector?, selectedCount: Int, in site: Site,
    control: RunControl, copyBytesPerRow: Int = 0
  ) throws(TesseraError) -> Plan {
    var batchSize = min(self.batchSize, max(1, queryCount))
    while true {
      let work = Work(
        index: index, batchSize: batchSize, hits: limit.plannedHits, device: site.device,
        copyBytesPerRow: copyBytesPerRow)
      do throws(TesseraError) {
        let (all, cost) = try work.chunks(within: site.memoryBudget)
        return Plan(
          device: site.device.info, batchSize: batchSize,
          rowsPerChunk: all.reduce(0) { max($0, $1.rows.count) },
          chunks: selected(all, only: selector), streams: all.count > 1, cost: cost,
          resultBytes: resultBytes(
            queryCount: queryCount, limit, selectedCount: selectedCount))
      } catch {
        if options.batchSize == nil, batchSize > 1 {
          batchSize /= 2
          continue
        }
        // Nobody else can help where the budget itself is too small.
        let isAskedFor = site.memoryBudget == options.memoryBudget
        let isLast = control.fallback == nil || control.fallback === site.device
        throw isAskedFor && isLast && error.code == .outOfMemory
          ? TesseraError(.invalidArgument, error.message) : error
      }
    }
  }

  /// Queries given to the device at a time, where memory is not short.
  private var batchSize: Int {
    min(options.batchSize ?? (index.isFlat ? 1024 : 8192), index.queriesTogether)
  }

  private func resultBytes(queryCount: Int, _ limit: Limit, selectedCount: Int) -> Int {
    // An id and a score of each hit, once by batches and once together.
    let perHit = 2 * (MemoryLayout<Int64>.stride + MemoryLayout<Float>.stride)
    let perQuery = min(limit.plannedHits, selectedCount).multipliedReportingOverflow(by: perHit)
    let all = perQuery.partialValue.multipliedReportingOverflow(by: queryCount)
    return perQuery.overflow || all.overflow ? .max : all.partialValue
  }

  /// Throws `.outOfMemory` if this machine cannot hold the hits, before anything is searched.
  func requireRoom(
    queryCount: Int, _ limit: Limit, selectedCount: Int
  ) throws(TesseraError) {
    guard case .k(let k) = limit else { return }
    let bytes = resultBytes(queryCount: queryCount, limit, selectedCount: selectedCount)
    // Devices hold what one batch found twice more.
    let batch = resultBytes(
      queryCount: min(batchSize, queryCount), limit, selectedCount: selectedCount)
    let (sum, overflow) = bytes.addingReportingOverflow(batch)
    try HostLimits.current.requireRoom(for: overflow ? .max : sum) {
      "search: the hits of \(queryCount) queries with k = \(k)"
    } remedy: {
      "ask fewer queries at a time, or a smaller k"
    }
  }

  /// The chunks that hold selected rows, where that can be told at once.
  private func selected(_ chunks: [Chunk], only selector: IDSelector?) -> [Chunk] {
    guard let selector, index.listCount == 1, let first = index.lists.ids.first else {
      return chunks
    }
    return chunks.compactMap { chunk in
      let ids = first + Int64(chunk.rows.lowerBound)..<first + Int64(chunk.rows.upperBound)
      guard selector.count(in: ids) > 0 else { return nil }
      // A set that stays on the device has all rows, for the next search may select others.
      guard chunks.count > 1 else { return chunk }
      let selected = selector.span.clamped(to: ids)
      return Chunk(
        lists: chunk.lists,
        rows: Int(selected.lowerBound - first)..<Int(selected.upperBound - first))
    }
  }
}

extension Limit {
  /// Hits of a query to plan for: what a score will let through is not known.
  fileprivate var plannedHits: Int {
    switch self {
    case .k(let k): k
    case .score: 100
    }
  }
}

/// The work of one batch of queries on one chunk, which a plan sizes.
private struct Work {
  let index: Index
  let batchSize: Int
  let hits: Int
  let device: any Device
  let copyBytesPerRow: Int

  /// Cuts the rows into as few chunks as fit: between lists, or where there is one, within it.
  func chunks(
    within memoryBudget: Int
  ) throws(TesseraError) -> ([IndexSearch.Chunk], SearchCost) {
    guard index.listCount > 1 else {
      let plan = try SearchPlan(
        rows: index.count, on: device, memoryBudget: memoryBudget,
        "\(batchSize) queries with k = \(hits)", cost: cost)
      let chunks = stride(from: 0, to: index.count, by: max(1, plan.rowsPerChunk)).map {
        IndexSearch.Chunk(lists: 0..<1, rows: $0..<min($0 + plan.rowsPerChunk, index.count))
      }
      return (chunks, plan.cost)
    }
    var chunks: [IndexSearch.Chunk] = []
    var (first, largest) = (0, 0)
    while first < index.listCount {
      var end = first
      var padded = 0
      while end < index.listCount {
        let more = padded + paddedCount(end)
        guard cost(more).fits(memoryBudget, on: device) else { break }
        padded = more
        end += 1
      }
      guard end > first else {
        let rows = index.lists[first].count
        throw TesseraError(
          .outOfMemory,
          "search: \(rows) rows that have to be together, and \(batchSize) queries with k = \(hits), "
            + "need \(cost(paddedCount(first)).peakBytes) bytes, \(memoryBudget) are allowed; allow more, or build "
            + "the index with more lists")
      }
      chunks.append(
        IndexSearch.Chunk(
          lists: Int32(first)..<Int32(end),
          rows: index.lists.starts[first]..<index.lists.starts[end]))
      largest = max(largest, padded)
      first = end
    }
    return (chunks, cost(largest))
  }

  /// Rows of a list in whole panels.
  private func paddedCount(_ list: Int) -> Int { (index.lists[list].count + 31) / 32 * 32 }

  /// The bytes that some rows and a batch take.
  private func cost(_ rows: Int) -> SearchCost {
    if let (codeBytes, entries) = index.scan {
      // Whole groups, and for each code a scale, an offset and a rank.
      let resident = (rows + 64) * (codeBytes + 12)
      let perHit = MemoryLayout<Int64>.stride + MemoryLayout<Float>.stride
      let tables = batchSize * entries * MemoryLayout<Float>.stride
      return SearchCost(
        residentBytes: resident, workingBytes: tables + batchSize * min(hits, rows) * perHit,
        largestAllocationBytes: max(resident, tables))
    }
    var shape = SearchShape(
      rows: rows, dimension: index.keptDimension, element: .float32, metric: index.metric,
      queryCount: batchSize, k: hits)
    if case .rows(let kept) = index.content, copyBytesPerRow == 0 { shape.element = kept.element }
    var cost = device.cost(of: shape)
    cost.workingBytes += rows * copyBytesPerRow
    if index.decodes {
      cost.residentBytes += rows * index.keptDimension * MemoryLayout<Float>.stride
    }
    return cost
  }
}
