internal import TesseraCompute

/// Codes prepared on an OpenCL device in groups (``CodeGroups``), in one or more segments.
///
/// Safe to share: nothing changes after `init`.
final class OpenCLCodeSet: CodeSet, @unchecked Sendable {
  struct Segment: Sendable {
    /// The places it holds, of the whole set; the first is one of a group.
    let rows: Range<Int>
    let bytes: OpenCLStorage
    /// A scale and an offset for each place; nil where codes have neither.
    let factors: OpenCLStorage?

    var panelCount: Int { SearchPanels.panelCount(rows.count) }
  }

  /// The order in which rows are stored.
  let layout: CodeGroups
  let segments: [Segment]
  /// Two zeros for each 32 rows, which all have the same bound.
  let panelLengths: OpenCLStorage
  /// The ranks of the rows at all places; nil if those are the places.
  let ranks: RowRanks?

  /// Cost: one pass over the codes, and a run of them at a time in the host's memory.
  init(
    _ codes: ProductCodes, in lists: RowLists, on device: OpenCLDevice, limits: SearchLimits
  ) throws(TesseraError) {
    let layout = CodeGroups(lists, subspaceCount: codes.subspaceCount, bits: codes.bits)
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
      let rows =
        first * layout.rows..<min(groups.upperBound * layout.rows, layout.layout.placeCount)
      segments.append(
        Segment(
          rows: rows, bytes: bytes, factors: try layout.factors(of: codes, groups, on: device)))
    }
    let lengths = 2 * SearchPanels.panelCount(layout.layout.placeCount)
    panelLengths = try device.reserve(lengths, of: Float.self)
    try device.context.write([Float](repeating: 0, count: lengths), to: panelLengths)
    ranks =
      layout.layout.hasGaps || lists.ids.ranks != nil
      ? try RowRanks(layout.layout, on: device) : nil
    self.layout = layout
    self.segments = segments
    super.init(codes, in: lists)
  }

  override var residentBytes: Int {
    segments.reduce(panelLengths.byteCount + (ranks?.byteCount ?? 0)) {
      $0 + $1.bytes.byteCount + ($1.factors?.byteCount ?? 0)
    }
  }

  var hasFactors: Bool { segments.contains { $0.factors != nil } }
}

extension CodeGroups {
  /// A scale and an offset for each place of some groups; nil where codes have neither.
  fileprivate func factors(
    of codes: ProductCodes, _ groups: Range<Int>, on device: OpenCLDevice
  ) throws(TesseraError) -> OpenCLStorage? {
    guard codes.scales != nil || codes.offsets != nil else { return nil }
    var numbers = [Float](repeating: 0, count: 2 * groups.count * rows)
    for group in groups {
      let first = (group - groups.lowerBound) * rows
      for (place, row) in layout.rows(of: group).enumerated() {
        numbers[2 * (first + place)] = codes.scales?[row] ?? 1
        numbers[2 * (first + place) + 1] = codes.offsets?[row] ?? 0
      }
    }
    let factors = try device.reserve(numbers.count, of: Float.self)
    try device.context.write(numbers, to: factors)
    return factors
  }
}
