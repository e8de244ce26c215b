internal import TesseraCompute

/// The panels of one segment that a search visits: all, or those with a selected row.
struct SegmentVisit {
  let segment: SearchPanels.Segment
  let panelCount: Int
  /// For each panel with a selected row its index and the mask of those rows, a word each; nil
  /// where every row may be hit.
  let kept: OpenCLStorage?

  /// The whole of `segment`.
  init(_ segment: SearchPanels.Segment) {
    self.segment = segment
    panelCount = segment.panelCount
    kept = nil
  }

  /// The rows of `segment` that `selector` selects, row 0 of the set having the id `firstID`.
  ///
  /// Cost: one step for each panel in the selector's span, and 8 bytes of the device's memory for
  /// each that is kept.
  init(
    _ segment: SearchPanels.Segment, only selector: IDSelector, firstID: Int64,
    on device: OpenCLDevice
  ) throws(TesseraError) {
    let first = firstID + Int64(segment.rows.lowerBound)
    let selected = selector.span.clamped(to: first..<first + Int64(segment.rows.count))
    var kept: [UInt32] = []
    if !selected.isEmpty {
      let width = SearchPanels.panelRows
      let firstPanel = Int(selected.lowerBound - first) / width
      let lastPanel = Int(selected.upperBound - 1 - first) / width
      for panel in firstPanel...lastPanel {
        let left = segment.rows.count - panel * width
        let exists = left < width ? UInt32(1) << UInt32(left) - 1 : .max
        let rows = selector.mask32(from: first + Int64(panel * width)) & exists
        if rows != 0 { kept += [UInt32(panel), rows] }
      }
    }
    self.segment = segment
    panelCount = kept.count / 2
    let storage = try device.reserve(kept.count, of: UInt32.self)
    try device.context.write(kept, to: storage)
    self.kept = storage
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
