internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// Codes in groups.
final class CPUCodeSet: CodeSet, @unchecked Sendable {
  let groups: CodeGroups
  private let storage: HostStorage

  /// - Throws: `.outOfMemory`.
  init(_ codes: ProductCodes, _ workers: WorkerPool) throws(TesseraError) {
    let groups = CodeGroups(count: codes.count, parts: codes.parts, bits: codes.bits)
    let storage = try HostStorage(allocating: groups.byteCount)
    try workers.split(groups.groupCount, minimum: 1024) { range in
      groups.pack(
        codes, range, to: storage.start(as: UInt8.self) + range.lowerBound * groups.groupBytes)
    }
    self.groups = groups
    self.storage = storage
    super.init(codes)
  }

  /// The groups as the C kernels see them. Valid while the set is alive.
  var kernelCodes: csimd_codes {
    csimd_codes(
      groups: storage.start(as: UInt8.self), blocks: groups.blocks, parts: parts,
      row_count: count, bits: Int32(bits))
  }

  override var residentBytes: Int { storage.byteCount }
}
