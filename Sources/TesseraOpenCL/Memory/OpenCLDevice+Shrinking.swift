internal import TesseraCompute

extension OpenCLDevice {
  /// Runs `work` under `limits`; where memory runs out, again with batches half as large, down to
  /// the smallest there are.
  ///
  /// - Parameter batch: The bytes of a batch under given limits, and whether it can be smaller.
  func shrinking<Result>(
    _ limits: SearchLimits, batch: (SearchLimits) -> (byteCount: Int, canShrink: Bool),
    _ work: (SearchLimits) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    var limits = limits
    while true {
      do throws(TesseraError) {
        return try work(limits)
      } catch {
        let size = batch(limits)
        guard error.code == .outOfMemory, size.canShrink else { throw error }
        limits.batchBytes = size.byteCount / 2
      }
    }
  }

  /// A batch of a search among vectors.
  func searchBatch(
    _ search: SearchShape, _ limits: SearchLimits
  ) -> (byteCount: Int, canShrink: Bool) {
    let size = SearchMemory.Size(
      info, queryCount: search.queryCount, dimension: search.dimension,
      filter: filter(dimension: search.dimension), rowCount: search.rows, hitCount: search.k,
      limits: limits)
    return (size.byteCount, size.queryCount > SearchMemory.blockQueries)
  }
}
