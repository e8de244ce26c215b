internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// Codes in groups, list after list, and what belongs to their places.
final class CPUCodeSet: CodeSet, @unchecked Sendable {
  let groups: CodeGroups
  private let storage: HostStorage
  private let scales: HostStorage?
  private let offsets: HostStorage?
  private let ranks: HostStorage?

  /// - Throws: `.outOfMemory`.
  init(
    _ codes: ProductCodes, in lists: RowLists, _ kernels: Kernels, _ workers: WorkerPool
  ) throws(TesseraError) {
    let groups = CodeGroups(lists, subspaceCount: codes.subspaceCount, bits: codes.bits)
    let storage = try HostStorage(allocating: groups.byteCount)
    try workers.split(groups.groupCount, minimum: 1024) { range in
      let start = storage.start(as: UInt8.self) + range.lowerBound * groups.groupBytes
      groups.pack(codes, range, to: start)
      if codes.bits == 4 {
        kernels.table.pointee.arrange_codes?(start, range.count * groups.blocks)
      }
    }
    func placed<Number: BitwiseCopyable>(
      _ numbers: [Number]?, _ none: Number
    ) throws(TesseraError) -> HostStorage? {
      guard let numbers else { return nil }
      let placed = try HostStorage(allocating: groups.placeCount * 4)
      groups.spread(numbers, none, to: placed.start(as: Number.self))
      return placed
    }
    scales = try placed(codes.scales, 0)
    offsets = try placed(codes.offsets, 0)
    // Without gaps, ids that rise with rows rise with places.
    ranks = try placed(
      groups.layout.hasGaps
        ? lists.ids.ranks ?? (0..<Int32(lists.ids.count)).map(\.self) : lists.ids.ranks, 0)
    self.groups = groups
    self.storage = storage
    super.init(codes, in: lists)
  }

  /// The groups as the C kernels see them. Valid while the set is alive.
  var kernelCodes: csimd_codes {
    csimd_codes(
      groups: storage.start(as: UInt8.self), blocks: groups.blocks, subspaces: subspaceCount,
      bits: Int32(bits), scales: scales?.floats, offsets: offsets?.floats,
      ranks: ranks?.start(as: Int32.self))
  }

  override var residentBytes: Int {
    [storage, scales, offsets, ranks].reduce(0) { $0 + ($1?.byteCount ?? 0) }
  }

  /// The end of the places that rows of a list have.
  func placeEnd(of list: Int) -> Int {
    groups.layout.panels(of: list).lowerBound * groups.rows + lists[list].count
  }

  /// Marks which rows of every 32 places `selector` selects, of the lists that `probes` look at (nil:
  /// of all).
  ///
  /// - Throws: `.outOfMemory`.
  func selected(
    by selector: IDSelector, _ probes: Probes?
  ) throws(TesseraError) -> HostStorage {
    let words = SelectedPlaces(groups.layout, only: selector, probes).masks
    let masks = try HostStorage(allocating: words.count * 4)
    masks.start(as: UInt32.self).update(from: words, count: words.count)
    return masks
  }
}
