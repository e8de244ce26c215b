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

  override var residentBytes: Int { panels.byteCount }
}
