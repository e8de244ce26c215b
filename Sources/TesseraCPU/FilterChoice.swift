internal import TesseraCompute

/// Which filter suits a set of rows.
enum FilterChoice {
  /// The filter to try first: whole numbers lose nothing as bytes, other numbers are worth a look.
  static func candidate(_ element: ElementType, dimension: Int, _ kernels: Kernels) -> Filter {
    guard kernels.canQuantize, dimension <= QuantizedBound.largestDimension else {
      return .float32
    }
    switch element {
    case .uint8: return .quantized(zero: 0, exact: true)
    case .int8: return .quantized(zero: 128, exact: true)
    case .float32, .float16, .bfloat16: return .quantized(zero: 128, exact: false)
    }
  }

  /// The filter that needs the most memory among those `element` may get.
  static func largest(_ element: ElementType, dimension: Int, _ kernels: Kernels) -> Filter {
    element.isFloatingPoint
      ? .float32 : candidate(element, dimension: dimension, kernels)
  }

  // A sample large enough to rank, small enough to cost a millisecond or two.
  static let sampleRows = 2048
  static let sampleQueries = 28
  static let sampleHits = 16
}

extension CPUDevice {
  /// The filter for `vectors`: bytes where rounding to them still tells rows apart, as a search
  /// of a sample of the rows among themselves shows, else Float32.
  func chooseFilter(_ vectors: Vectors, metric: Metric) throws(TesseraError) -> Filter {
    let candidate = FilterChoice.candidate(
      vectors.element, dimension: vectors.dimension, kernels)
    guard case .quantized(_, exact: false) = candidate, vectors.count > 0 else { return candidate }
    do throws(TesseraError) {
      return try tellsRowsApart(candidate, vectors, metric: metric) ? candidate : .float32
    } catch  where error.code == .nonFinite {
      // The packing of all rows will name every one that is not finite.
      return candidate
    }
  }

  private func tellsRowsApart(
    _ filter: Filter, _ vectors: Vectors, metric: Metric
  ) throws(TesseraError) -> Bool {
    let sample = vectors.everyNth(max(1, vectors.count / FilterChoice.sampleRows))
    let set = try CPUVectorSet(
      sample, metric: metric, firstID: 0, filter: filter, as: "sample", kernels: kernels,
      workers: workers)
    let queries = try PreparedQueries(
      sample.everyNth(max(1, sample.count / FilterChoice.sampleQueries)), "sample",
      kernels: kernels,
      workers: workers)
    let found = try nearest(queries, in: set, k: FilterChoice.sampleHits)
    // In units of a Float32 multiply-add at filter speed: a row saves 3/4 of its dimensions, and a
    // canonical score that Float32 would have spared costs about 10,000 with the visit to memory.
    // A quarter of that, because 16 of 2,048 is a larger share, with more rows near the edge, than
    // searches ask for. (Measured on Zen 5; the order of magnitude matters, not the digits.)
    let saved = 0.75 * Double(vectors.dimension)
    let wasted = found.statistics.rescored - queries.count * found.hitCount
    let spent = 2_500 * Double(wasted) / Double(queries.count * set.count)
    return spent < saved
  }
}
