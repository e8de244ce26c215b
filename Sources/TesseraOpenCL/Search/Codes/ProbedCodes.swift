internal import TesseraCompute

/// The rows that the queries of a search score, and their terms.
struct ProbedCodes {
  private let probes: Probes
  private let layout: PanelLayout
  private let masks: [UInt32]
  /// The rows of each query that may be hits.
  let rowCounts: [Int]

  init(_ probes: Probes, _ layout: PanelLayout, only selector: IDSelector?) {
    let selected = SelectedPlaces(layout, only: selector, probes)
    self.probes = probes
    self.layout = layout
    masks = selected.masks
    rowCounts = selected.counts(of: probes)
  }

  /// The numbers of the masks of a list.
  private func places(of list: Int32) -> Range<Int> {
    let panels = layout.panels(of: Int(list))
    let words = layout.panelRows / PanelLayout.panelRows
    return panels.lowerBound * words..<panels.upperBound * words
  }

  /// The most bytes that the work of a batch takes for each query.
  var workBytesPerQuery: Int {
    let most = (0..<probes.queryCount).lazy.map { query in
      probes[query].reduce(0) { $0 + places(of: $1).count }
    }.max()
    return (most ?? 0) * BlockWork.entryBytes
  }

  /// The terms of some queries.
  func terms(_ range: Range<Int>) -> [Float]? {
    probes.terms.map {
      Array($0[probes.starts[range.lowerBound]..<probes.starts[range.upperBound]])
    }
  }

  /// Returns what each query in `range` scores of the segments in which there is any: for each 32 places
  /// their number, the mask of the rows that may be hits, and the number of their term.
  /// (`Kernels/cl/codes/codes_exact.cl`)
  func work(
    _ range: Range<Int>, of segments: [OpenCLCodeSet.Segment], on device: OpenCLDevice
  ) throws(TesseraError) -> [(segment: OpenCLCodeSet.Segment, work: BlockWork)] {
    var all: [(segment: OpenCLCodeSet.Segment, work: BlockWork)] = []
    let firstTerm = probes.starts[range.lowerBound]
    for segment in segments {
      let first = segment.rows.lowerBound / PanelLayout.panelRows
      let own = first..<first + segment.panelCount
      var entries: [UInt32] = []
      var counts: [Int] = []
      for query in range {
        let before = entries.count
        for (entry, list) in zip(probes[query].indices, probes[query]) {
          for panel in places(of: list).clamped(to: own) where masks[panel] != 0 {
            entries += [UInt32(panel - first), masks[panel], UInt32(entry - firstTerm)]
          }
        }
        counts.append((entries.count - before) / 3)
      }
      if !entries.isEmpty {
        all.append((segment, try BlockWork(entries, counts: counts, on: device)))
      }
    }
    return all
  }
}
