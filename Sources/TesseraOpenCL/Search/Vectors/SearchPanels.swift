internal import TesseraCompute

/// Rows packed for the filter: panels of 32 rows in one or more segments, and their terms.
/// `Kernels/cl/search/search_common.cl` has the layouts.
struct SearchPanels: Sendable {
  static let panelRows = PanelLayout.panelRows

  struct Segment: Sendable {
    /// The places it holds, of the whole set; the first is a multiple of 32. Places are rows unless
    /// there are several lists: see ``PanelLayout``.
    let rows: Range<Int>
    let panels: OpenCLStorage
    let terms: OpenCLStorage
    /// The same rows for a filter on rounded numbers.
    let rounded: Rounded?

    var panelCount: Int { SearchPanels.panelCount(rows.count) }

    /// Its panels, of the whole set.
    var panelRange: Range<Int> {
      let first = rows.lowerBound / SearchPanels.panelRows
      return first..<first + panelCount
    }
  }

  /// Rounded rows and their terms. (`Kernels/cl/search/search_round.cl`)
  struct Rounded: Sendable {
    let panels: OpenCLStorage
    let terms: OpenCLStorage
  }

  let metric: Metric
  let dimension: Int
  /// Places, of all segments.
  let rowCount: Int
  /// The numbers that the first filter of a search computes in.
  let filter: SearchFilter
  let segments: [Segment]
  /// Two lengths of each panel, over all segments: the largest norm, and the most that rounding
  /// removed.
  let panelLengths: OpenCLStorage

  static func panelCount(_ rowCount: Int) -> Int { PanelLayout.panelCount(rowCount) }

  static func panelBytes(_ dimension: Int) -> Int { panelRows * dimension * 4 }

  /// Scales and offsets of a panel.
  static let termBytes = 2 * panelRows * 4

  var byteCount: Int {
    Self.byteCount(rowCount: rowCount, dimension: dimension, filter: filter)
  }

  static func byteCount(rowCount: Int, dimension: Int, filter: SearchFilter) -> Int {
    let layout = RoundedLayout(filter: filter, dimension: dimension)
    let rounded = filter == .float32 ? 0 : layout.panelBytes + termBytes
    return panelCount(rowCount) * (panelBytes(dimension) + termBytes + 2 * 4 + rounded)
  }

  /// The largest allocation per panel: rounded rows shorter than 64 bytes outgrow exact ones.
  static func largestPanelBytes(_ dimension: Int, _ filter: SearchFilter) -> Int {
    filter == .float32
      ? panelBytes(dimension)
      : max(panelBytes(dimension), RoundedLayout(filter: filter, dimension: dimension).panelBytes)
  }

  /// The rows of each segment: as few segments as `segmentBytes` allows, of about one size.
  static func segmentRows(
    rowCount: Int, dimension: Int, filter: SearchFilter, segmentBytes: Int
  ) -> [Range<Int>] {
    let panels = panelCount(rowCount)
    let fitting = max(1, segmentBytes / largestPanelBytes(dimension, filter))
    let count = (panels + fitting - 1) / fitting
    return (0..<count).map { index in
      let first = panels * index / count * panelRows
      return first..<min(rowCount, panels * (index + 1) / count * panelRows)
    }
  }
}

/// The constants of the error bound, which `search_common.cl` derives.
struct SearchBound {
  /// g, for rounded numbers G: relative to the norms.
  let slack: Float
  /// The most that underflow can add.
  let tiny: Float
  /// The coefficient of the squared row norm.
  let square: Float

  init(_ metric: Metric, dimension: Int, filter: SearchFilter) {
    let size = Float(dimension)
    let rounding: Float = filter == .float32 ? 1 : 2
    // Past 2^21 dimensions the Float32 sum proves nothing, and every row is scored canonically.
    slack = dimension <= 1 << 21 ? rounding * (size + 16) * 0x1p-23 * 1.01 : .infinity
    tiny = rounding * 16 * size * (metric == .cosine ? 0x1p-64 : 0x1p-126)
    square = metric == .squaredL2 ? slack : 0
  }
}

extension Metric {
  /// The number that stands for the metric in the kernels.
  var kernelValue: Int {
    switch self {
    case .innerProduct: 0
    case .squaredL2: 1
    case .cosine: 2
    }
  }
}
