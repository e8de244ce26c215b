internal import TesseraCompute

/// Rows prepared on an OpenCL device.
///
/// Safe to share: nothing changes after `init`.
final class OpenCLVectorSet: VectorSet, @unchecked Sendable {
  let panels: SearchPanels
  /// The places of the rows in the panels.
  let layout: PanelLayout
  /// The ranks of the rows at all places; nil if those are the places.
  let ranks: RowRanks?
  /// The panels with the places that hold rows.
  private let filled: [SegmentVisit]

  init(
    _ vectors: Vectors, in layout: PanelLayout, panels: SearchPanels, on device: OpenCLDevice
  ) throws(TesseraError) {
    self.panels = panels
    self.layout = layout
    ranks =
      layout.hasGaps || layout.lists.ids.ranks != nil ? try RowRanks(layout, on: device) : nil
    var filled: [SegmentVisit] = []
    for segment in panels.segments {
      filled.append(
        layout.hasGaps
          ? try SegmentVisit(segment, of: layout, only: nil, on: device) : SegmentVisit(segment))
    }
    self.filled = filled
    super.init(vectors, in: layout.lists, metric: panels.metric)
  }

  /// Returns the panels that a search of the rows that `selector` selects visits.
  func visits(
    only selector: IDSelector?, on device: OpenCLDevice
  ) throws(TesseraError) -> [SegmentVisit] {
    guard let selector else { return filled }
    var visits: [SegmentVisit] = []
    for segment in panels.segments {
      let visit = try SegmentVisit(segment, of: layout, only: selector, on: device)
      if visit.panelCount > 0 { visits.append(visit) }
    }
    return visits
  }

  override var residentBytes: Int {
    filled.reduce(panels.byteCount + (ranks?.byteCount ?? 0)) {
      $0 + ($1.kept?.byteCount ?? 0)
    }
  }
}

/// The ranks by id of rows that are not stored in the order of their ids, and back.
struct RowRanks: Sendable {
  let ofPlaces: OpenCLStorage
  let places: OpenCLStorage
  let placeCount: Int
  let rowCount: Int

  init(_ layout: PanelLayout, on device: OpenCLDevice) throws(TesseraError) {
    let ids = layout.lists.ids
    placeCount = layout.placeCount
    rowCount = ids.count
    var ranks = [UInt32](repeating: 0, count: placeCount)
    var places = [UInt32](repeating: 0, count: rowCount)
    for list in 0..<layout.lists.count {
      let first = layout.panels(of: list).lowerBound * layout.panelRows
      for (index, row) in layout.lists[list].enumerated() {
        let rank = ids.rank(of: row)
        ranks[first + index] = UInt32(rank)
        places[rank] = UInt32(first + index)
      }
    }
    ofPlaces = try device.reserve(placeCount, of: UInt32.self)
    self.places = try device.reserve(rowCount, of: UInt32.self)
    try device.context.write(ranks, to: ofPlaces)
    try device.context.write(places, to: self.places)
  }

  var byteCount: Int { ofPlaces.byteCount + places.byteCount }

  /// What kernels with the macro RANKED take at the end.
  var arguments: [KernelArgument] {
    [
      .all(of: ofPlaces, as: UInt32.self), .all(of: places, as: UInt32.self), .int(rowCount),
      .int(placeCount),
    ]
  }
}
