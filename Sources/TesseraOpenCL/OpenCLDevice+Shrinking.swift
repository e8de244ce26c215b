internal import TesseraCompute

extension OpenCLDevice {
  /// What `work` returns under `limits`, or, where memory runs out, under limits with batches half
  /// as large, down to the smallest there are.
  func shrinking<Result>(
    _ search: SearchShape, _ limits: SearchLimits,
    _ work: (SearchLimits) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    var limits = limits
    while true {
      do throws(TesseraError) {
        return try work(limits)
      } catch {
        let batch = SearchMemory.Size(
          info, queryCount: search.queryCount, dimension: search.dimension,
          filter: filter(dimension: search.dimension), rowCount: search.rows, hitCount: search.k,
          limits: limits)
        guard error.code == .outOfMemory, batch.queryCount > SearchMemory.blockQueries else {
          throw error
        }
        limits.batchBytes = batch.byteCount / 2
      }
    }
  }
}
