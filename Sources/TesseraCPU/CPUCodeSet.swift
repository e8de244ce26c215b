internal import CSIMD
internal import TesseraCompute

/// Codes as the CPU scans them: those of 4 bits in groups of 32, others as they came.
final class CPUCodeSet: CodeSet, @unchecked Sendable {
  /// The groups; nil for 8 bits.
  private let storage: HostStorage?
  let groups: CodeGroups
  /// Codes of 8 bits, row after row; empty for others.
  let rows: [UInt8]

  /// - Throws: `.outOfMemory`.
  init(_ codes: ProductCodes, _ workers: Workers) throws(TesseraError) {
    groups = CodeGroups(count: codes.count, parts: codes.parts)
    if codes.bits == 4 {
      let storage = try HostStorage(allocating: groups.byteCount)
      let groups = groups
      try workers.split(groups.groupCount, minimum: 1024) { range in
        groups.pack(
          codes, range,
          to: storage.start(as: UInt8.self) + range.lowerBound * groups.groupBytes)
      }
      self.storage = storage
      rows = []
    } else {
      storage = nil
      rows = codes.bytes
    }
    super.init(codes)
  }

  /// The groups as the C kernels see them; nil for codes of 8 bits. Valid while the set is alive.
  var kernelCodes: csimd_codes? {
    storage.map {
      csimd_codes(
        groups: $0.start(as: UInt8.self), blocks: groups.blocks, parts: parts, row_count: count)
    }
  }

  override var residentBytes: Int { storage?.byteCount ?? rows.count }
}
