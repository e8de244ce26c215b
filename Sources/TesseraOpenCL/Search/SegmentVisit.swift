internal import TesseraCompute

/// The panels of one segment that a search visits: all, or those with a selected row.
struct SegmentVisit {
  let segment: SearchPanels.Segment
  let panelCount: Int
  /// For each panel with a row that may be hit its index and the mask of those rows, a word each;
  /// nil where every row may be hit.
  let kept: OpenCLStorage?
  /// The panels that each block of queries looks at, where that differs; `kept` is nil then.
  let work: BlockWork?

  /// The whole of `segment`.
  init(_ segment: SearchPanels.Segment) {
    self.segment = segment
    panelCount = segment.panelCount
    kept = nil
    work = nil
  }

  /// The rows of `segment` that `selector` selects (nil: all), leaving out places without a row.
  ///
  /// Cost: one step for each panel, of one list of consecutive ids only for those in the selector's
  /// span, and 8 bytes of the device's memory for each that is kept.
  init(
    _ segment: SearchPanels.Segment, of layout: PanelLayout, only selector: IDSelector?,
    on device: OpenCLDevice
  ) throws(TesseraError) {
    let ids = layout.lists.ids
    var panels = segment.panelRange
    if let selector, let firstID = ids.first, !layout.hasGaps {
      let first = firstID + Int64(segment.rows.lowerBound)
      let selected = selector.span.clamped(to: first..<first + Int64(segment.rows.count))
      let width = SearchPanels.panelRows
      panels =
        selected.isEmpty
        ? 0..<0
        : panels.lowerBound + Int(selected.lowerBound - first) / width..<panels.lowerBound + Int(
          selected.upperBound - 1 - first) / width + 1
    }
    var kept: [UInt32] = []
    for panel in panels {
      let mask = ids.mask32(of: layout.rows(of: panel), only: selector)
      if mask != 0 { kept += [UInt32(panel - segment.panelRange.lowerBound), mask] }
    }
    self.segment = segment
    panelCount = kept.count / 2
    let storage = try device.reserve(kept.count, of: UInt32.self)
    try device.context.write(kept, to: storage)
    self.kept = storage
    work = nil
  }

  /// The panels of `segment` that blocks of queries look at.
  init(_ segment: SearchPanels.Segment, _ work: BlockWork) {
    self.segment = segment
    self.work = work
    panelCount = work.panelCount
    kept = nil
  }

  /// Pairs of a panel and a block of queries at some positions, of `blocks` blocks.
  func pairs(_ positions: Range<Int>, blocks: Int) -> Int {
    work?.pairs(positions) ?? positions.count * blocks
  }

  /// The step between panels that are visited one after the other.
  var stride: Int { Self.stride(over: panelCount) }

  /// A step between panels: far apart, and without a common divisor with their number, so that each
  /// is visited once.
  static func stride(over panelCount: Int) -> Int {
    var stride = max(1, Int(Double(panelCount) * 0.618))
    while greatestCommonDivisor(stride, panelCount) != 1 { stride += 1 }
    return stride
  }
}

private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
  b == 0 ? a : greatestCommonDivisor(b, a % b)
}
