internal import TesseraCompute

extension OpenCLDevice {
  /// Returns the numbers that the first filter of a search among rows of `dimension` numbers
  /// computes in.
  func filter(dimension: Int) -> SearchFilter {
    let dimensions =
      isFilterForced ? SearchFilter.roundedDimensions : SearchFilter.worthwhileDimensions
    return dimensions.contains(dimension) ? filter : .float32
  }

  /// Queues the rounding of rows that are packed and have their terms, if there is a filter for them.
  ///
  /// - Parameters:
  ///   - rows: Rows of `segment`, from its panel `panel` on.
  ///   - norms: Theirs alone.
  ///   - panelLengths: Theirs alone, as words.
  func round(
    _ rows: Range<Int>, of segment: SearchPanels.Segment, at panel: Int, metric: Metric,
    _ layout: RoundedLayout, norms: OpenCLStorage, panelLengths: KernelArgument,
    _ bound: SearchBound
  ) throws(TesseraError) {
    guard let rounded = segment.rounded else { return }
    let width = SearchPanels.panelRows
    try launch(
      "search_round_rows", of: layout.source,
      [
        .element(panel * width * layout.dimension, of: segment.panels, as: Float.self),
        .all(of: norms, as: Float.self),
        .element(panel * width * 2, of: segment.terms, as: Float.self),
        .element(panel * layout.panelPieces, of: rounded.panels, as: SIMD4<UInt32>.self),
        .element(panel * width * 2, of: rounded.terms, as: Float.self), panelLengths,
        .int(metric.kernelValue), .int(layout.dimension), .float(bound.slack),
        .int(SearchPanels.panelCount(rows.count) * width),
      ],
      over: Grid(
        items: SearchPanels.panelCount(rows.count) * width, local: packingItems(width),
        workPerItem: 32 * layout.dimension))
  }

  /// Queues the rounding of `queryCount` packed queries.
  func roundQueries(
    _ queryCount: Int, in memory: SearchMemory, _ layout: RoundedLayout, _ bound: SearchBound
  ) throws(TesseraError) {
    guard let rounded = memory.rounded else { return }
    let width = SearchMemory.blockQueries
    let paddedCount = RoundedLayout.panelCount(queryCount) * RoundedLayout.panelLines
    try launch(
      "search_round_queries", of: layout.source,
      [
        .all(of: memory.queries, as: Float.self), .all(of: memory.lists.norms, as: Float.self),
        .all(of: rounded.queries, as: SIMD4<UInt32>.self),
        .all(of: rounded.roundings, as: Float.self), .int(layout.dimension), .float(bound.slack),
        .int((queryCount + width - 1) / width * width), .int(paddedCount),
      ],
      over: Grid(
        items: paddedCount, local: packingItems(RoundedLayout.panelLines),
        workPerItem: 32 * layout.dimension))
  }
}

extension RoundedLayout {
  fileprivate var source: KernelSource {
    KernelSource("search_round", ["BYTES": filter.numberBytes])
  }
}
