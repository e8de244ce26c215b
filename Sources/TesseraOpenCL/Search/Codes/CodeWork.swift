internal import TesseraCompute

/// The rows of one segment that each query of a batch scores. (`Kernels/cl/codes/codes_exact.cl`)
struct CodeWork {
  let segment: OpenCLCodeSet.Segment
  /// Three words for each 32 places: their number, the mask of the rows that may be hits, and the
  /// number of their term.
  let entries: OpenCLStorage
  /// The first entry of each query, and their number.
  let starts: OpenCLStorage
  /// The entries of each query.
  let counts: [Int]

  /// The most that a query has.
  var panelCount: Int { counts.max() ?? 0 }

  /// The entries at some positions, of all queries together.
  func pairs(_ positions: Range<Int>) -> Int {
    counts.reduce(0) {
      $0 + positions.upperBound * $1 / panelCount - positions.lowerBound * $1 / panelCount
    }
  }
}

/// The rows that the queries of a search score, and their terms.
struct ProbedCodes {
  private let probes: Probes
  private let layout: PanelLayout
  /// For each 32 places of a list that is looked at, the mask of its rows that may be hits.
  private let masks: [UInt32]
  /// The rows of each query that may be hits.
  let rowCounts: [Int]

  /// Bytes of an entry.
  private static let entryBytes = 12

  init(_ probes: Probes, _ layout: PanelLayout, only selector: IDSelector?) {
    self.probes = probes
    self.layout = layout
    let words = layout.panelRows / PanelLayout.panelRows
    var masks = [UInt32](repeating: 0, count: layout.panelCount * words)
    var ofLists = [Int](repeating: 0, count: layout.lists.count)
    for list in Set(probes.lists).map({ Int($0) }) {
      layout.forEachPanel(of: CollectionOfOne(list)) { panel, rows in
        for word in 0..<words {
          let own = rows.dropFirst(word * PanelLayout.panelRows).prefix(PanelLayout.panelRows)
          let mask = layout.lists.ids.mask32(
            of: own.startIndex..<own.endIndex, only: selector)
          masks[panel * words + word] = mask
          ofLists[list] += mask.nonzeroBitCount
        }
      }
    }
    self.masks = masks
    rowCounts = (0..<probes.queryCount).map { query in
      probes[query].reduce(0) { $0 + ofLists[Int($1)] }
    }
  }

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
    return (most ?? 0) * Self.entryBytes
  }

  /// The terms of some queries.
  func terms(_ range: Range<Int>) -> [Float]? {
    probes.terms.map {
      Array($0[probes.starts[range.lowerBound]..<probes.starts[range.upperBound]])
    }
  }

  /// Returns what the queries in `range` score of each segment in which there is any.
  func work(
    _ range: Range<Int>, of segments: [OpenCLCodeSet.Segment], on device: OpenCLDevice
  ) throws(TesseraError) -> [CodeWork] {
    var work: [CodeWork] = []
    let firstTerm = probes.starts[range.lowerBound]
    for segment in segments {
      let first = segment.rows.lowerBound / PanelLayout.panelRows
      let own = first..<first + segment.panelCount
      var entries: [UInt32] = []
      var starts: [UInt32] = [0]
      for query in range {
        for (entry, list) in zip(probes[query].indices, probes[query]) {
          for panel in places(of: list).clamped(to: own) where masks[panel] != 0 {
            entries += [UInt32(panel - first), masks[panel], UInt32(entry - firstTerm)]
          }
        }
        starts.append(UInt32(entries.count / 3))
      }
      guard !entries.isEmpty else { continue }
      let storage = try (
        device.reserve(entries.count, of: UInt32.self),
        device.reserve(starts.count, of: UInt32.self)
      )
      try device.context.write(entries, to: storage.0)
      try device.context.write(starts, to: storage.1)
      work.append(
        CodeWork(
          segment: segment, entries: storage.0, starts: storage.1,
          counts: zip(starts, starts.dropFirst()).map { Int($1 - $0) }))
    }
    return work
  }
}
