internal import CSIMD
internal import TesseraCompute

/// A task's queries as the filter wants them: interleaved in blocks, rounded to bytes where the
/// rows are, each with its part of the error bound.
struct PackedQueries {
  let queries: UnsafeMutablePointer<csimd_query>
  private let queryStorage: HostStorage
  private let values: HostStorage
  private let filter: Filter
  private let dimension: Int
  /// Where the filter's error shrinks as the threshold rises: each query's distance bound.
  private let distances: HostStorage?

  /// - Throws: `.outOfMemory`.
  init(
    _ source: PreparedQueries, _ range: Range<Int>, for set: CPUVectorSet, kernels: Kernels
  ) throws(TesseraError) {
    filter = set.filter
    dimension = set.dimension
    let block = kernels.queryBlock
    queryStorage = try HostStorage(allocating: range.count * MemoryLayout<csimd_query>.stride)
    queries = queryStorage.start(as: csimd_query.self)
    values = try HostStorage(
      allocating: range.count * set.filter.queryBytes(dimension: set.dimension))
    if case .quantized = set.filter, set.metric == .squaredL2 {
      distances = try HostStorage(allocating: range.count * MemoryLayout<DistanceBound>.stride)
    } else {
      distances = nil
    }
    let longest = set.longestRow
    for index in 0..<range.count {
      let row = source.row(range.lowerBound + index)
      let length = source.squares[range.lowerBound + index].squareRoot()
      let first = index / block * block
      let place = (index - first, of: min(block, range.count - first))
      queries[index] = csimd_query()
      queries[index].threshold = -.infinity
      switch set.filter {
      case .float32:
        pack(row, first: first, place)
        (queries[index].a, queries[index].b, queries[index].c) = Float32Bound.query(
          set.metric, length: length, dimension: dimension)
      case .quantized(_, let exact):
        let target =
          values.start(as: Int8.self)
          + first * set.filter.queryBytes(dimension: dimension) + place.0 * 4
        let rounded = kernels.table.pointee.quantize_query(
          row, dimension, exact ? 1 : 0, place.of * 4, target, queries + index)
        (queries[index].a, queries[index].b, queries[index].c) = QuantizedBound.query(
          set.metric, length: length, rounded, longest: longest)
        distances?.start(as: DistanceBound.self)[index] = DistanceBound(
          querySquares: length * length, roundedSquares: rounded.squares,
          residual: rounded.residual)
      }
    }
  }

  /// Raises a query's threshold to a lower bound of the exact value of its k-th best row.
  func raiseThreshold(_ index: Int, to value: Float) {
    let shift = distances?.start(as: DistanceBound.self)[index].shift ?? 0
    queries[index].threshold = max(
      queries[index].threshold, (Double(value) - shift).roundedDown)
  }

  /// Makes use of a threshold that has risen, where the filter's error depends on it.
  func narrow(_ index: Int) {
    guard let distances, queries[index].c < .infinity, queries[index].threshold.isFinite else {
      return
    }
    let bound = distances.start(as: DistanceBound.self)[index]
    (queries[index].a, queries[index].c) = bound.within(queries[index].threshold)
  }

  private func pack(_ row: UnsafePointer<Float>, first: Int, _ place: (Int, of: Int)) {
    let target = values.floats + first * dimension + place.0
    for d in 0..<dimension { target[d * place.of] = row[d] }
  }

  /// Runs the filter for the `count` queries of the block at `first`.
  func filter(
    _ panels: UnsafePointer<csimd_panels>, _ first: Int, _ count: Int, _ chunk: Range<Int>,
    with kernels: Kernels
  ) {
    let offset = first * filter.queryBytes(dimension: dimension)
    let start = values.bytes.baseAddress.unsafelyUnwrapped + offset
    switch filter {
    case .float32:
      kernels.table.pointee.filter(
        panels, start.assumingMemoryBound(to: Float.self), count, chunk.lowerBound,
        chunk.upperBound, queries + first)
    case .quantized:
      kernels.table.pointee.filter_quantized(
        panels, start.assumingMemoryBound(to: Int8.self), count, chunk.lowerBound,
        chunk.upperBound, queries + first)
    }
  }
}
