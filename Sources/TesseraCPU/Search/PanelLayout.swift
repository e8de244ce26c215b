internal import TesseraCompute

/// Where the rows of lists lie in panels: each list begins with a panel of its own, so that only the
/// last panel of a list has room to spare.
struct PanelLayout: Sendable {
  let lists: RowLists
  /// List l has the panels `starts[l]..<starts[l + 1]`.
  private let starts: [Int]

  init(_ lists: RowLists) {
    self.lists = lists
    var starts = [0]
    starts.reserveCapacity(lists.count + 1)
    for list in 0..<lists.count {
      starts.append(starts[list] + Self.panelCount(lists[list].count))
    }
    self.starts = starts
  }

  static func panelCount(_ rows: Int) -> Int { (rows + panelWidth - 1) / panelWidth }

  var panelCount: Int { starts[lists.count] }

  func panels(of list: Int) -> Range<Int> { starts[list]..<starts[list + 1] }

  /// The row at each place of the panels, where a panel before the last has room to spare; there 0.
  ///
  /// - Throws: `.outOfMemory`.
  func originals() throws(TesseraError) -> HostStorage? {
    guard hasGaps else { return nil }
    let rows = try HostStorage(allocating: panelCount * panelWidth * 4)
    rows.int32s.update(repeating: 0, count: panelCount * panelWidth)
    for list in 0..<lists.count {
      let start = starts[list] * panelWidth
      for (place, row) in lists[list].enumerated() { rows.int32s[start + place] = Int32(row) }
    }
    return rows
  }

  /// The rows of a panel.
  func rows(of panel: Int) -> Range<Int> {
    // The last list that begins at or before the panel is the one that holds it.
    var (first, end) = (0, lists.count)
    while end - first > 1 {
      let middle = (first + end) / 2
      if starts[middle] <= panel { first = middle } else { end = middle }
    }
    let start = lists.starts[first] + (panel - starts[first]) * panelWidth
    return start..<min(start + panelWidth, lists.starts[first + 1])
  }

  /// True if a panel before the last has room to spare.
  var hasGaps: Bool { lists.count > 1 }
}
