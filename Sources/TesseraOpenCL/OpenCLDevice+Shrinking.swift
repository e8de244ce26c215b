internal import TesseraCompute

extension OpenCLDevice {
  /// What `work` returns under `limits`, or, where memory runs out, under limits with batches half
  /// as large, down to the smallest there are.
  ///
  /// - Parameter batch: The queries and bytes of a batch under given limits.
  func shrinking<Result>(
    _ limits: SearchLimits, batch: (SearchLimits) -> (queryCount: Int, byteCount: Int),
    _ work: (SearchLimits) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    var limits = limits
    while true {
      do throws(TesseraError) {
        return try work(limits)
      } catch {
        let size = batch(limits)
        guard error.code == .outOfMemory, size.queryCount > SearchMemory.blockQueries else {
          throw error
        }
        limits.batchBytes = size.byteCount / 2
      }
    }
  }

  /// A batch of a search among vectors.
  func searchBatch(
    _ search: SearchShape, _ limits: SearchLimits
  ) -> (queryCount: Int, byteCount: Int) {
    let size = SearchMemory.Size(
      info, queryCount: search.queryCount, dimension: search.dimension,
      filter: filter(dimension: search.dimension), rowCount: search.rows, hitCount: search.k,
      limits: limits)
    return (size.queryCount, size.byteCount)
  }
}
