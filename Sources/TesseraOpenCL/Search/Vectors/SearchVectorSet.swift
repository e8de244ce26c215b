internal import TesseraCompute

/// Rows prepared on an OpenCL device.
///
/// Safe to share: nothing changes after `init`.
final class OpenCLVectorSet: VectorSet, @unchecked Sendable {
  let panels: SearchPanels

  /// The id of row 0; row i has the id `firstID + i`.
  let firstID: Int64

  /// - Precondition: One list, and consecutive ids.
  init(_ vectors: Vectors, in lists: RowLists, panels: SearchPanels) {
    self.panels = panels
    firstID = lists.ids.first ?? 0
    super.init(vectors, in: lists, metric: panels.metric)
  }

  /// Returns the panels that a search of the rows that `selector` selects visits.
  func parts(
    only selector: IDSelector?, on device: OpenCLDevice
  ) throws(TesseraError) -> [SearchPart] {
    var parts: [SearchPart] = []
    for segment in panels.segments {
      guard let selector else {
        parts.append(SearchPart(segment))
        continue
      }
      let part = try SearchPart(segment, only: selector, firstID: firstID, on: device)
      if part.panelCount > 0 { parts.append(part) }
    }
    return parts
  }

  override var residentBytes: Int { panels.byteCount }
}
