internal import CSIMD
internal import Synchronization
internal import TesseraCompute

/// Queries widened to Float32, with their canonical sums of squares.
final class PreparedQueries: @unchecked Sendable {
  // Safe: written only by `init`.
  let dimension: Int
  let squares: [Double]
  private let values: HostStorage

  /// - Throws: `.nonFinite`, naming the rows of `what`; `.outOfMemory`.
  init(_ queries: Vectors, _ what: String, kernels: Kernels, workers: Workers) throws(TesseraError)
  {
    let values = try HostStorage(allocating: queries.count * queries.dimension * 4)
    let sums = try HostStorage(allocating: queries.count * 8)
    try workers.split(queries.count, minimum: 256) { range throws(TesseraError) in
      kernels.table.pointee.widen_rows(
        queries.kernelRows, range.lowerBound, range.count,
        values.floats + range.lowerBound * queries.dimension, sums.doubles + range.lowerBound)
    }
    let squares = Array(UnsafeBufferPointer(start: sums.doubles, count: queries.count))
    let bad = squares.indices.filter { !squares[$0].isFinite }
    guard bad.isEmpty else { throw Shapes.nonFinite(what, rows: bad) }
    self.squares = squares
    self.values = values
    dimension = queries.dimension
  }

  var count: Int { squares.count }

  func row(_ query: Int) -> UnsafePointer<Float> {
    UnsafePointer(values.floats + query * dimension)
  }
}
