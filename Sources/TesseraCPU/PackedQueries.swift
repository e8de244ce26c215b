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
  private let block: Int

  /// - Throws: `.outOfMemory`.
  init(
    _ source: PreparedQueries, _ range: Range<Int>, for set: CPUVectorSet, block: Int
  ) throws(TesseraError) {
    filter = set.filter
    dimension = set.dimension
    self.block = block
    queryStorage = try HostStorage(allocating: range.count * MemoryLayout<csimd_query>.stride)
    queries = queryStorage.start(as: csimd_query.self)
    values = try HostStorage(
      allocating: range.count * set.filter.queryBytes(dimension: set.dimension))
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
        quantize(row, first: first, place, exact: exact, into: &queries[index], length, set.metric)
      }
    }
  }

  private func pack(_ row: UnsafePointer<Float>, first: Int, _ place: (Int, of: Int)) {
    let target = values.floats + first * dimension + place.0
    for d in 0..<dimension { target[d * place.of] = row[d] }
  }

  /// Writes the query as `step * code + middle` and notes what that loses.
  private func quantize(
    _ row: UnsafePointer<Float>, first: Int, _ place: (Int, of: Int), exact: Bool,
    into query: inout csimd_query, _ length: Double, _ metric: Metric
  ) {
    let quads = (dimension + 3) / 4
    let target = values.start(as: Int8.self) + first * quads * 4 + place.0 * 4
    var (low, high) = (row[0], row[0])
    var isWhole = exact
    for d in 0..<dimension {
      low = min(low, row[d])
      high = max(high, row[d])
      isWhole = isWhole && row[d] == row[d].rounded()
    }
    // Whole numbers against whole rows lose nothing.
    isWhole = isWhole && high - low <= 255 && abs(low) < 0x1p20
    query.step = isWhole ? 1 : (high / 254 - low / 254)
    query.middle = isWhole ? low + 128 : low / 2 + high / 2
    let (step, middle) = (Double(query.step), Double(query.middle))
    let inverse = step > 0 ? 1 / step : 0
    var residual = 0.0
    var squares = 0.0
    for d in 0..<quads * 4 {
      let position = d / 4 * place.of * 4 + d % 4
      guard d < dimension else {
        target[position] = 0
        continue
      }
      let scaled = ((Double(row[d]) - middle) * inverse).rounded(.toNearestOrEven)
      let code = max(-128, min(127, scaled))
      target[position] = Int8(code)
      query.code_sum += Int32(code)
      squares += code * code
      let difference = Double(row[d]) - (step * code + middle)
      residual += difference * difference
    }
    let size = step * squares.squareRoot() + abs(middle) * Double(dimension).squareRoot()
    (query.a, query.b, query.c) = QuantizedBound.query(
      metric, length: length, residual: residual.squareRoot(), size: size)
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
