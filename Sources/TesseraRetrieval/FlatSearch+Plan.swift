public import TesseraCompute

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
  }

  /// Returns what a search of `queryCount` queries would do, without doing it.
  ///
  /// - Complexity: O(log rows), and one step for each 64 ids of a selection by bits.
  /// - Throws: `.outOfMemory` if not even one row fits.
  public func plan(
    queryCount: Int, k: Int, only selector: IDSelector? = nil
  ) throws(TesseraError) -> Plan {
    let place = place
    do throws(TesseraError) {
      return try plan(queryCount: queryCount, k: k, only: selector, in: place)
    } catch {
      guard error.isFailureOfDevice, let fallback = fallback(for: place) else { throw error }
      return try plan(queryCount: queryCount, k: k, only: selector, in: fallback)
    }
  }

  /// Batches shrink, unless their size was asked for, until at least one row fits beside them.
  func plan(
    queryCount: Int, k: Int, only selector: IDSelector?, in place: Place
  ) throws(TesseraError) -> Plan {
    var batchSize = min(options.batchSize ?? 1024, max(1, queryCount))
    while true {
      let shape = SearchShape(
        rows: vectors.count, dimension: vectors.dimension, element: vectors.element,
        metric: metric, queryCount: batchSize, k: k)
      do throws(TesseraError) {
        let rows = try SearchPlan(shape, on: place.device, memoryBudget: place.memoryBudget)
        return Plan(
          device: place.device.info, batchSize: batchSize, rowsPerChunk: rows.rowsPerChunk,
          chunks: chunks(of: rows, only: selector), streams: rows.chunkCount > 1, cost: rows.cost)
      } catch {
        guard options.batchSize == nil, batchSize > 1 else { throw error }
        batchSize /= 2
      }
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
