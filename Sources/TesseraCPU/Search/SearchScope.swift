internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// The rows a search goes over: a packing of a set, and which of its rows may be hits.
struct SearchScope: @unchecked Sendable {
  // Safe: nothing is written after `init`.
  let set: CPUVectorSet
  let rows: PackedRows
  /// The number of rows that may be hits.
  let count: Int
  /// Panels outside of which there are none.
  let panels: Range<Int>
  /// For each panel, which of its rows may be hits; nil if all may.
  private let masks: HostStorage?

  /// All rows of a set.
  ///
  /// - Parameter rowsPerQuery: Rows that each query looks at.
  init(_ set: CPUVectorSet, k: Int, rowsPerQuery: Int? = nil) {
    self.set = set
    rows = set.suited(to: k, of: rowsPerQuery ?? set.count)
    count = set.count
    panels = 0..<rows.panelCount
    masks = set.filled
  }

  /// The rows `selector` lets through.
  ///
  /// Panels without such rows are skipped. Where that leaves many rows that are looked at in vain,
  /// and enough queries to pay for it, the others are packed close together first.
  ///
  /// - Parameter probes: The lists that matter; nil for all.
  /// - Throws: `.outOfMemory`.
  init(
    _ set: CPUVectorSet, only selector: IDSelector, k: Int, rowsPerQuery: Int? = nil,
    probes: Probes?, queryCount: Int, workers: WorkerPool
  ) throws(TesseraError) {
    self.set = set
    let packed = set.suited(to: k, of: rowsPerQuery ?? set.count)
    let masks = try HostStorage(allocating: packed.panelCount * 4)
    let words = masks.start(as: UInt32.self)
    var count = 0
    var visited = 0
    var first = packed.panelCount
    var last = 0
    func mark(_ panel: Int, _ rows: Range<Int>) {
      let mask = set.lists.ids.mask32(of: rows, only: selector)
      words[panel] = mask
      guard mask != 0 else { return }
      count += mask.nonzeroBitCount
      visited += panelWidth
      first = min(first, panel)
      last = max(last, panel + 1)
    }
    if let probes {
      words.update(repeating: 0, count: packed.panelCount)
      set.layout.forEachPanel(of: Set(probes.lists).lazy.map { Int($0) }, mark)
    } else {
      set.layout.forEachPanel(of: 0..<set.lists.count, mark)
    }
    self.count = count
    // Panels of lists stay where their queries look for them.
    guard !set.layout.hasGaps, probes == nil,
      queryCount * (visited - count) > Self.gatheringCost * count, count > 0
    else {
      rows = packed
      panels = first < last ? first..<last : 0..<0
      self.masks = masks
      return
    }
    let originals = try HostStorage(allocating: count * 4)
    let numbers = originals.start(as: Int32.self)
    var next = 0
    for panel in first..<last {
      var mask = words[panel]
      while mask != 0 {
        numbers[next] = Int32(panel * panelWidth + mask.trailingZeroBitCount)
        next += 1
        mask &= mask - 1
      }
    }
    rows = try packed.gathering(originals, count: count, workers: workers)
    panels = 0..<rows.panelCount
    self.masks = nil
  }

  /// Gathering a row takes about as long as filtering so many. (Measured on Zen 5.)
  private static let gatheringCost = 250

  /// Returns how many rows of each list may be hits.
  func listCounts() -> [Int] {
    (0..<set.lists.count).map { count(in: set.layout.panels(of: $0)) }
  }

  /// Returns how many rows of `panels` may be hits.
  func count(in panels: Range<Int>) -> Int {
    guard let masks else {
      return min(panels.upperBound * panelWidth, rows.rowCount)
        - min(panels.lowerBound * panelWidth, rows.rowCount)
    }
    let words = masks.start(as: UInt32.self)
    return panels.reduce(0) { $0 + words[$1].nonzeroBitCount }
  }

  /// True if some rows of the packing may not be hits.
  var isMasked: Bool { masks != nil }

  /// The packed rows as the C kernels see them. Valid while this is alive.
  var kernelPanels: csimd_panels {
    var panels = rows.kernelPanels
    panels.selected = masks.map { UnsafePointer($0.start(as: UInt32.self)) }
    return panels
  }
}

/// Panels in the order they are searched, cut into what stays in the cache meanwhile.
struct Chunks: Sequence, IteratorProtocol {
  private var panels: Range<Int>
  private let step: Int
  private var size: Int
  private let largest: Int

  /// Every `step`th panel of `panels`.
  init(_ panels: Range<Int>, step: Int = 1, k: Int, largest: Int) {
    self.panels = panels
    self.step = step
    self.largest = largest
    // Before there is a threshold every row passes, so the first chunk holds little more than k.
    // Where a score is the threshold, k is 0.
    size = k == 0 ? largest : Swift.min(largest, (k + panelWidth - 1) / panelWidth)
  }

  /// The next chunk: one run of panels, or several where panels are left out.
  mutating func next() -> [Range<Int>]? {
    guard !panels.isEmpty else { return nil }
    let end = Swift.min(panels.lowerBound + size * step, panels.upperBound)
    let runs =
      step == 1
      ? [panels.lowerBound..<end]
      : stride(from: panels.lowerBound, to: end, by: step).map { $0..<$0 + 1 }
    panels = end..<panels.upperBound
    size = Swift.min(2 * size, largest)
    return runs
  }
}
