internal import TesseraCompute

/// Codes prepared on an OpenCL device in groups (``CodeGroups``), in one or more segments.
///
/// Safe to share: nothing changes after `init`.
final class OpenCLCodeSet: CodeSet, @unchecked Sendable {
  struct Segment: Sendable {
    /// The rows it holds, of the whole set; the first is one of a group.
    let rows: Range<Int>
    let bytes: OpenCLStorage

    var panelCount: Int { SearchPanels.panelCount(rows.count) }
  }

  let segments: [Segment]
  /// Two zeros for each 32 rows, which all have the same bound.
  let panelLengths: OpenCLStorage

  /// Cost: one pass over the codes, and a run of them at a time in the host's memory.
  init(
    _ codes: ProductCodes, on device: OpenCLDevice, limits: SearchLimits
  ) throws(TesseraError) {
    let layout = CodeGroups(
      count: codes.count, subspaceCount: codes.subspaceCount, bits: codes.bits)
    let groupBytes = layout.groupBytes
    let segmentGroups = max(1, device.segmentBytes(limits) / groupBytes)
    let stagedGroups = max(1, limits.stagingBytes / groupBytes)
    var segments: [Segment] = []
    for first in stride(from: 0, to: layout.groupCount, by: segmentGroups) {
      let groups = first..<min(first + segmentGroups, layout.groupCount)
      let bytes = try device.reserve(groups.count * groupBytes)
      for start in stride(from: first, to: groups.upperBound, by: stagedGroups) {
        let staged = start..<min(start + stagedGroups, groups.upperBound)
        let packed = [UInt8](unsafeUninitializedCapacity: staged.count * groupBytes) {
          target, count in
          layout.pack(codes, staged, to: target.baseAddress!)
          count = staged.count * groupBytes
        }
        try device.context.write(packed, to: bytes, from: (start - first) * groupBytes)
      }
      let rows = first * layout.rows..<min(groups.upperBound * layout.rows, codes.count)
      segments.append(Segment(rows: rows, bytes: bytes))
    }
    let lengths = 2 * SearchPanels.panelCount(codes.count)
    panelLengths = try device.reserve(lengths, of: Float.self)
    try device.context.write([Float](repeating: 0, count: lengths), to: panelLengths)
    self.segments = segments
    super.init(codes)
  }

  override var residentBytes: Int {
    segments.reduce(panelLengths.byteCount) { $0 + $1.bytes.byteCount }
  }

  /// The order in which rows are stored.
  var layout: CodeGroups { CodeGroups(count: count, subspaceCount: subspaceCount, bits: bits) }
}
