/// Places the rows of lists in panels: each list begins with a panel of its own, so that only the last
/// panel of a list has room to spare.
package struct PanelLayout: Sendable {
  /// Rows of a full panel of vectors.
  package static let panelRows = 32

  package let lists: RowLists
  /// Rows of a full panel.
  package let panelRows: Int
  /// List l has the panels `starts[l]..<starts[l + 1]`.
  private let starts: [Int]

  package init(_ lists: RowLists, panelRows: Int = panelRows) {
    self.lists = lists
    self.panelRows = panelRows
    var starts = [0]
    starts.reserveCapacity(lists.count + 1)
    for list in 0..<lists.count {
      starts.append(starts[list] + (lists[list].count + panelRows - 1) / panelRows)
    }
    self.starts = starts
  }

  package static func panelCount(_ rows: Int) -> Int { (rows + panelRows - 1) / panelRows }

  package var panelCount: Int { starts[lists.count] }

  package func panels(of list: Int) -> Range<Int> { starts[list]..<starts[list + 1] }

  /// The panels of all lists that queries look at, each list as often as it is looked at.
  package func panelCount(of probes: Probes) -> Int {
    probes.lists.reduce(0) { $0 + panels(of: Int($1)).count }
  }

  /// Calls `body` with the panels of some lists and their rows, list by list.
  package func forEachPanel(
    of lists: some Sequence<Int>, _ body: (_ panel: Int, _ rows: Range<Int>) -> Void
  ) {
    for list in lists {
      var rows = self.lists[list]
      for panel in panels(of: list) {
        body(panel, rows.prefix(panelRows))
        rows = rows.dropFirst(panelRows)
      }
    }
  }

  /// The number of places: of all panels, or of the rows where they lie close together.
  package var placeCount: Int { hasGaps ? panelCount * panelRows : lists.ids.count }

  /// The rows of a panel.
  package func rows(of panel: Int) -> Range<Int> {
    // The last list that begins at or before the panel is the one that holds it.
    var (first, end) = (0, lists.count)
    while end - first > 1 {
      let middle = (first + end) / 2
      if starts[middle] <= panel { first = middle } else { end = middle }
    }
    let start = lists.starts[first] + (panel - starts[first]) * panelRows
    return start..<min(start + panelRows, lists.starts[first + 1])
  }

  /// The row at a place; nil where the place is empty or there is no such panel.
  package func row(at place: Int) -> Int? {
    let panel = place / panelRows
    guard place >= 0, panel < panelCount else { return nil }
    let rows = rows(of: panel)
    let row = rows.lowerBound + place % panelRows
    return row < rows.upperBound ? row : nil
  }

  /// True if a panel before the last has room to spare.
  package var hasGaps: Bool { lists.count > 1 }
}

/// Tells which rows of lists may be hits, in masks of 32 places each.
package struct SelectedPlaces: Sendable {
  /// Bit i of mask m is set if place 32 m + i has a row that may be a hit; 0 for lists that nobody looks
  /// at.
  package let masks: [UInt32]
  /// The rows of each list that may be hits.
  private let listCounts: [Int]

  /// Marks the rows that `selector` selects (nil: all), of the lists that `probes` look at (nil: of all).
  package init(_ layout: PanelLayout, only selector: IDSelector?, _ probes: Probes?) {
    let (ids, width) = (layout.lists.ids, PanelLayout.panelRows)
    let words = layout.panelRows / width
    var masks = [UInt32](repeating: 0, count: layout.panelCount * words)
    var counts = [Int](repeating: 0, count: layout.lists.count)
    let probed = probes.map { Set($0.lists).map { Int($0) } } ?? Array(0..<layout.lists.count)
    for list in probed {
      layout.forEachPanel(of: CollectionOfOne(list)) { panel, rows in
        for word in 0..<words {
          let own = rows.dropFirst(word * width).prefix(width)
          let mask = ids.mask32(of: own.startIndex..<own.endIndex, only: selector)
          masks[panel * words + word] = mask
          counts[list] += mask.nonzeroBitCount
        }
      }
    }
    self.masks = masks
    listCounts = counts
  }

  /// The rows that may be hits of each query.
  package func counts(of probes: Probes) -> [Int] {
    (0..<probes.queryCount).map { query in
      probes[query].reduce(0) { $0 + listCounts[Int($1)] }
    }
  }
}
