internal import TesseraCompute

/// The panels of one segment that each block of queries looks at, or each query among codes.
/// (`Kernels/cl/search/search_places.cl`)
struct BlockWork {
  /// For each block, one after the other: a panel, the mask of its rows that may be hits, and the
  /// mask of the queries that look at it; of codes the number of their term.
  let entries: OpenCLStorage
  /// The first entry of each block, and their number.
  let starts: OpenCLStorage
  /// The entries of each block.
  let counts: [Int]

  /// Bytes of an entry.
  static let entryBytes = 12

  /// The most entries of a block.
  var panelCount: Int { counts.max() ?? 0 }

  /// The entries at some positions of the longest block, and the same share of the others'.
  func pairs(_ positions: Range<Int>) -> Int {
    let most = panelCount
    return counts.reduce(0) {
      $0 + positions.upperBound * $1 / most - positions.lowerBound * $1 / most
    }
  }

  init(
    _ entries: [UInt32], counts: [Int], on device: OpenCLDevice
  ) throws(TesseraError) {
    let starts = counts.reduce(into: [UInt32(0)]) { $0.append($0[$0.count - 1] + UInt32($1)) }
    self.entries = try device.reserve(entries.count, of: UInt32.self)
    self.starts = try device.reserve(starts.count, of: UInt32.self)
    try device.context.write(entries, to: self.entries)
    try device.context.write(starts, to: self.starts)
    self.counts = counts
  }
}

/// The lists that the queries of a search look at, and their rows that may be hits.
struct ProbedRows {
  let probes: Probes
  private let layout: PanelLayout
  private let masks: [UInt32]
  /// The rows of each query that may be hits.
  let counts: [Int]

  init(_ probes: Probes, _ layout: PanelLayout, only selector: IDSelector?) {
    let selected = SelectedPlaces(layout, only: selector, probes)
    self.probes = probes
    self.layout = layout
    masks = selected.masks
    counts = selected.counts(of: probes)
  }

  /// The most bytes that the work of a batch takes for each query.
  var workBytesPerQuery: Int {
    let most = (0..<probes.queryCount).lazy.map { query in
      probes[query].reduce(0) { $0 + layout.panels(of: Int($1)).count }
    }.max()
    let block = SearchMemory.blockQueries
    return min(most ?? 0, (layout.panelCount + block - 1) / block) * BlockWork.entryBytes
  }

  /// Returns the panels that blocks of the queries in `range` look at, the segments in which there
  /// are any.
  ///
  /// Entries lie in an order that makes each run of them a fair sample of a block's panels.
  func visits(
    _ range: Range<Int>, of segments: [SearchPanels.Segment], on device: OpenCLDevice
  ) throws(TesseraError) -> [SegmentVisit] {
    var entries = [[UInt32]](repeating: [], count: segments.count)
    var counts = [[Int]](repeating: [], count: segments.count)
    var looking = [UInt32](repeating: 0, count: layout.lists.count)
    for block in stride(from: range.lowerBound, to: range.upperBound, by: SearchMemory.blockQueries)
    {
      var lists: [Int] = []
      for query in block..<min(block + SearchMemory.blockQueries, range.upperBound) {
        for list in probes[query].map({ Int($0) }) {
          if looking[list] == 0 { lists.append(list) }
          looking[list] |= 1 << UInt32(query - block)
        }
      }
      for (index, segment) in segments.enumerated() {
        let own = segment.panelRange
        var panels: [(panel: Int, looking: UInt32)] = []
        for list in lists {
          for panel in layout.panels(of: list).clamped(to: own) where masks[panel] != 0 {
            panels.append((panel, looking[list]))
          }
        }
        let stride = SegmentVisit.stride(over: panels.count)
        for place in panels.indices {
          let (panel, looking) = panels[place * stride % panels.count]
          entries[index] += [UInt32(panel - own.lowerBound), masks[panel], looking]
        }
        counts[index].append(panels.count)
      }
      for list in lists { looking[list] = 0 }
    }
    var visits: [SegmentVisit] = []
    for (index, segment) in segments.enumerated() where !entries[index].isEmpty {
      visits.append(
        SegmentVisit(segment, try BlockWork(entries[index], counts: counts[index], on: device)))
    }
    return visits
  }
}
