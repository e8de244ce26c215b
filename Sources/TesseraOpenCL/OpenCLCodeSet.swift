internal import TesseraCompute

/// Codes prepared on an OpenCL device, in one or more segments: in groups (``CodeGroups``) where a
/// number has 4 bits, else a byte for each number, row after row.
///
/// Safe to share: nothing changes after `init`.
final class OpenCLCodeSet: CodeSet, @unchecked Sendable {
  struct Segment: Sendable {
    /// The rows it holds, of the whole set; the first is a multiple of 32.
    let rows: Range<Int>
    let bytes: OpenCLStorage

    var groupCount: Int { SearchPanels.panelCount(rows.count) }
  }

  let segments: [Segment]
  /// Two zeros for each group of rows, which all have the same bound; nothing for 8 bits.
  let panelLengths: OpenCLStorage

  /// Cost: one pass over the codes, and a part of them at a time in the host's memory.
  init(
    _ codes: ProductCodes, on device: OpenCLDevice, limits: SearchLimits
  ) throws(TesseraError) {
    let groups = CodeGroups(count: codes.count, parts: codes.parts, bits: 4)
    let isGrouped = codes.bits == 4
    let width = SearchPanels.panelRows
    let panelBytes = isGrouped ? groups.groupBytes : width * codes.parts
    let segmentRows = max(1, device.segmentBytes(limits) / panelBytes) * width
    let stagedRows = max(1, limits.stagingBytes / panelBytes) * width
    var segments: [Segment] = []
    for first in stride(from: 0, to: codes.count, by: segmentRows) {
      let rows = first..<min(first + segmentRows, codes.count)
      let bytes = try device.reserve(SearchPanels.panelCount(rows.count) * panelBytes)
      for start in stride(from: first, to: rows.upperBound, by: stagedRows) {
        let staged = start..<min(start + stagedRows, rows.upperBound)
        let place = (start - first) / width * panelBytes
        let panels = SearchPanels.panelCount(start)..<SearchPanels.panelCount(staged.upperBound)
        let laidOut =
          isGrouped
          ? [UInt8](unsafeUninitializedCapacity: panels.count * panelBytes) { target, count in
            groups.pack(codes, panels, to: target.baseAddress!)
            count = panels.count * panelBytes
          }
          : Array(codes.bytes[start * codes.parts..<staged.upperBound * codes.parts])
        try device.context.write(laidOut, to: bytes, from: place)
      }
      segments.append(Segment(rows: rows, bytes: bytes))
    }
    let lengths = isGrouped ? 2 * groups.groupCount : 0
    panelLengths = try device.reserve(lengths, of: Float.self)
    try device.context.write([Float](repeating: 0, count: lengths), to: panelLengths)
    self.segments = segments
    super.init(codes)
  }

  override var residentBytes: Int {
    segments.reduce(panelLengths.byteCount) { $0 + $1.bytes.byteCount }
  }

  /// How rows lie where a number has 4 bits.
  var groups: CodeGroups { CodeGroups(count: count, parts: parts, bits: 4) }
}
