internal import Synchronization
public import TesseraCompute
internal import TesseraHost

extension FlatSearch {
  /// Describes how a search would be cut into chunks and batches, and what it would hold.
  public struct Plan: Sendable, Hashable {
    /// The device that would search.
    public let device: DeviceInfo
    /// Queries given to the device at a time.
    public let batchSize: Int
    /// Rows prepared at a time; the last chunk may hold fewer.
    public let rowsPerChunk: Int
    /// The rows that are prepared, one range after the other. Chunks without a selected row are
    /// left out, and the others begin and end with what the selection spans.
    public let chunks: [Range<Int>]
    /// True if the rows are more than fit, so that chunks are prepared anew for every search.
    public let streams: Bool
    /// The bytes that one chunk and one batch hold. A device that finds that rows can be packed
    /// tighter keeps less.
    public let cost: SearchCost
    /// The bytes that the hits of all queries take on the host while they are put together: twice
    /// those of the result.
    public let resultBytes: Int
  }

  /// Returns what a search of `queryCount` queries would do, without doing it.
  ///
  /// - Parameter control: Names the fallback, which is planned for where the device has no room.
  /// - Complexity: O(log rows), and one step for each 64 ids of a selection by bits.
  /// - Throws: `.outOfMemory` if not even one row fits; `.invalidArgument` if that is because of
  ///   ``Options/memoryBudget``.
  public func plan(
    queryCount: Int, k: Int, only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> Plan {
    let site = state.withLock(\.site)
    do throws(TesseraError) {
      return try plan(queryCount: queryCount, k: k, only: selector, in: site, control: control)
    } catch {
      guard error.isFailureOfDevice, let fallback = control.fallback, fallback !== site.device
      else { throw error }
      return try plan(
        queryCount: queryCount, k: k, only: selector, in: options.site(on: fallback),
        control: control)
    }
  }

  /// Batches shrink, unless their size was asked for, until at least one row fits beside them.
  ///
  /// - Parameter copyBytesPerRow: What the host holds of each row beside the device's own needs.
  func plan(
    queryCount: Int, k: Int, only selector: IDSelector?, in site: Site, control: RunControl,
    copyBytesPerRow: Int = 0
  ) throws(TesseraError) -> Plan {
    var batchSize = min(options.batchSize ?? 1024, max(1, queryCount))
    while true {
      let shape = SearchShape(
        rows: vectors.count, dimension: vectors.dimension,
        element: copyBytesPerRow > 0 ? .float32 : vectors.element, metric: metric,
        queryCount: batchSize, k: k)
      do throws(TesseraError) {
        let rows = try SearchPlan(
          shape, on: site.device, memoryBudget: site.memoryBudget, copyBytesPerRow: copyBytesPerRow)
        return Plan(
          device: site.device.info, batchSize: batchSize, rowsPerChunk: rows.rowsPerChunk,
          chunks: chunks(of: rows, only: selector), streams: rows.chunkCount > 1, cost: rows.cost,
          resultBytes: resultBytes(queryCount: queryCount, k: k, only: selector))
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

  private func resultBytes(queryCount: Int, k: Int, only selector: IDSelector?) -> Int {
    // An id and a score of each hit, once by batches and once together.
    let perHit = 2 * (MemoryLayout<Int64>.stride + MemoryLayout<Float>.stride)
    let perQuery = min(k, selectedCount(selector)).multipliedReportingOverflow(by: perHit)
    let all = perQuery.partialValue.multipliedReportingOverflow(by: queryCount)
    return perQuery.overflow || all.overflow ? .max : all.partialValue
  }

  /// Throws `.outOfMemory` if this machine cannot hold the hits, before anything is searched.
  func requireRoom(queryCount: Int, k: Int, only selector: IDSelector?) throws(TesseraError) {
    let bytes = resultBytes(queryCount: queryCount, k: k, only: selector)
    // Devices hold what one batch found twice more.
    let batch = resultBytes(
      queryCount: min(options.batchSize ?? 1024, queryCount), k: k, only: selector)
    let (sum, overflow) = bytes.addingReportingOverflow(batch)
    try HostLimits.current.requireRoom(for: overflow ? .max : sum) {
      "search: the hits of \(queryCount) queries with k = \(k)"
    } remedy: {
      "ask fewer queries at a time, or a smaller k"
    }
  }

  private func chunks(of plan: SearchPlan, only selector: IDSelector?) -> [Range<Int>] {
    stride(from: 0, to: vectors.count, by: max(1, plan.rowsPerChunk)).compactMap { start in
      let chunk = start..<min(start + plan.rowsPerChunk, vectors.count)
      guard let selector else { return chunk }
      let ids = Int64(chunk.lowerBound)..<Int64(chunk.upperBound)
      guard selector.count(in: ids) > 0 else { return nil }
      // A set that stays on the device has all rows, for the next search may select others.
      guard plan.chunkCount > 1 else { return chunk }
      let selected = selector.span.clamped(to: ids)
      return Int(selected.lowerBound)..<Int(selected.upperBound)
    }
  }
}
