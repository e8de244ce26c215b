internal import TesseraCompute

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
    let pieces =
      step == 1
      ? [panels.lowerBound..<end]
      : stride(from: panels.lowerBound, to: end, by: step).map { $0..<$0 + 1 }
    panels = end..<panels.upperBound
    size = Swift.min(2 * size, largest)
    return pieces
  }
}
