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
    _ codes: ProductCodes, in lists: RowLists, _ workers: WorkerPool
  ) throws(TesseraError) {
    let groups = CodeGroups(lists, subspaceCount: codes.subspaceCount, bits: codes.bits)
    let storage = try HostStorage(allocating: groups.byteCount)
    try workers.split(groups.groupCount, minimum: 1024) { range in
      groups.pack(
        codes, range, to: storage.start(as: UInt8.self) + range.lowerBound * groups.groupBytes)
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
    let wordsEach = groups.rows / 32
    let masks = try HostStorage(allocating: groups.groupCount * wordsEach * 4)
    let words = masks.start(as: UInt32.self)
    words.update(repeating: 0, count: groups.groupCount * wordsEach)
    let probed = probes.map { Set($0.lists).map { Int($0) } } ?? Array(0..<lists.count)
    groups.layout.forEachPanel(of: probed) { group, rows in
      for word in 0..<wordsEach {
        let first = min(rows.lowerBound + 32 * word, rows.upperBound)
        words[group * wordsEach + word] = lists.ids.mask32(
          of: first..<min(first + 32, rows.upperBound), only: selector)
      }
    }
    return masks
  }
}
