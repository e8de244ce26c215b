internal import TesseraCompute

/// Rows prepared on an OpenCL device.
///
/// Safe to share: nothing changes after `init`.
final class OpenCLVectorSet: VectorSet, @unchecked Sendable {
  let panels: SearchPanels

  init(_ vectors: Vectors, firstID: Int64, panels: SearchPanels) {
    self.panels = panels
    super.init(vectors, metric: panels.metric, firstID: firstID)
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
