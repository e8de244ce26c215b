internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// Queries as Float32, with their canonical sums of squares. Float32 rows stay where they are.
final class PreparedQueries: @unchecked Sendable {
  // Safe: written only by `init`.
  let dimension: Int
  let squares: UnsafeBufferPointer<Double>
  /// The score of the last hit that each query has already, NaN where it has too few; nil for none.
  let known: [Float]?
  private let sums: HostStorage
  private let start: UnsafePointer<Float>
  private let source: Vectors
  private let widened: HostStorage?

  /// - Throws: `.nonFinite`, naming the rows of `what`; `.outOfMemory`.
  init(
    _ queries: Vectors, _ what: String, known: [Float]? = nil, kernels: Kernels,
    workers: WorkerPool
  ) throws(TesseraError) {
    self.known = known
    source = queries
    dimension = queries.dimension
    sums = try HostStorage(allocating: queries.count * 8)
    squares = UnsafeBufferPointer(start: sums.doubles, count: queries.count)
    if let rows = queries.denseFloats {
      widened = nil
      start = rows
      try workers.split(queries.count, minimum: 256, maximum: 8192) { [sums] range in
        kernels.table.pointee.widen_rows(
          queries.kernelRows, range.lowerBound, range.count, nil, sums.doubles + range.lowerBound)
      }
    } else {
      let values = try HostStorage(allocating: queries.count * queries.dimension * 4)
      widened = values
      start = UnsafePointer(values.floats)
      try workers.split(queries.count, minimum: 256, maximum: 8192) { [sums] range in
        kernels.table.pointee.widen_rows(
          queries.kernelRows, range.lowerBound, range.count,
          values.floats + range.lowerBound * queries.dimension, sums.doubles + range.lowerBound)
      }
    }
    let bad = squares.indices.filter { !squares[$0].isFinite }
    guard bad.isEmpty else { throw Shapes.nonFinite(what, rows: bad) }
  }

  var count: Int { squares.count }

  func row(_ query: Int) -> UnsafePointer<Float> { start + query * dimension }
}

extension Vectors {
  /// The rows as they lie, if they are aligned Float32 without gaps.
  fileprivate var denseFloats: UnsafePointer<Float>? {
    guard element == .float32, rowStride == dimension * 4, let start = baseAddress,
      Int(bitPattern: start) % 4 == 0
    else { return nil }
    return start.assumingMemoryBound(to: Float.self)
  }
}
