internal import TesseraCompute

/// Rows packed for the filter: panels of 32 rows in one or more segments, and their terms.
/// `Kernels/cl/search/search_common.cl` has the layouts.
struct SearchPanels: Sendable {
  static let panelRows = 32

  struct Segment: Sendable {
    /// The rows it holds, of the whole set; the first is a multiple of 32.
    let rows: Range<Int>
    let panels: OpenCLStorage
    let terms: OpenCLStorage
    /// The same rows for a filter on rounded numbers.
    let rounded: Rounded?

    var panelCount: Int { SearchPanels.panelCount(rows.count) }
  }

  /// Rounded rows and their terms. (`Kernels/cl/search/search_round.cl`)
  struct Rounded: Sendable {
    let panels: OpenCLStorage
    let terms: OpenCLStorage
  }

  let metric: Metric
  let dimension: Int
  let rowCount: Int
  /// The numbers that the first filter of a search computes in.
  let filter: SearchFilter
  let segments: [Segment]
  /// Two lengths of each panel, over all segments: the largest norm, and the most that rounding
  /// removed.
  let panelLengths: OpenCLStorage

  static func panelCount(_ rowCount: Int) -> Int { (rowCount + panelRows - 1) / panelRows }

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

/// Rows prepared on an OpenCL device.
///
/// Safe to share: nothing changes after `init`.
final class OpenCLVectorSet: VectorSet, @unchecked Sendable {
  let panels: SearchPanels

  /// The id of row 0; row i has the id `firstID + i`.
  let firstID: Int64

  /// - Precondition: One list, and consecutive ids.
  init(_ vectors: Vectors, in lists: RowLists, panels: SearchPanels) {
    self.panels = panels
    firstID = lists.ids.first ?? 0
    super.init(vectors, in: lists, metric: panels.metric)
  }

  /// Returns the panels that a search of the rows that `selector` selects visits.
  func visits(
    only selector: IDSelector?, on device: OpenCLDevice
  ) throws(TesseraError) -> [SegmentVisit] {
    var visits: [SegmentVisit] = []
    for segment in panels.segments {
      guard let selector else {
        visits.append(SegmentVisit(segment))
        continue
      }
      let visit = try SegmentVisit(segment, only: selector, firstID: firstID, on: device)
      if visit.panelCount > 0 { visits.append(visit) }
    }
    return visits
  }

  override var residentBytes: Int { panels.byteCount }
}
