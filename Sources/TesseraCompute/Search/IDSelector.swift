/// Selects the rows that a search may return, by id: a range, or one bit for each id.
///
/// It limits what is searched, not what is found: the hits are the k nearest of the selected rows.
/// Ids that no row has select nothing.
///
///     try search.nearest(queries, k: 10, only: .range(0..<1000))
///     try search.nearest(queries, k: 10, only: .flags(labels.map { $0 == "cat" }))
public struct IDSelector: Sendable {
  private enum Form {
    case range(Range<Int64>)
    case bitmap(IDBitmap)
    /// All that the inner selector selects, nil: all there are, but these.
    indirect case excluding(IDExclusion, from: IDSelector?)
  }

  private let form: Form

  /// The ids of `range`; none if it is empty.
  public static func range(_ range: Range<Int64>) -> IDSelector {
    IDSelector(form: .range(range))
  }

  /// Id `firstID + i` where `flags[i]` is true.
  ///
  /// - Complexity: O(`flags.count`); one bit of memory for each.
  public static func flags(_ flags: some Sequence<Bool>, firstID: Int64 = 0) -> IDSelector {
    IDSelector(form: .bitmap(IDBitmap(flags, firstID: firstID)))
  }

  /// The ids listed, in any order; repeating one changes nothing.
  ///
  /// - Complexity: O(`ids.count`); one bit of memory for each id from the lowest to the highest.
  /// - Throws: `.invalidArgument` if that would be more than 2^35 bits.
  public static func ids(_ ids: some Collection<Int64>) throws(TesseraError) -> IDSelector {
    IDSelector(form: .bitmap(try IDBitmap(ids)))
  }

  /// The ids listed, as ``ids(_:)-swift.type.method`` for numbers of type `Int`.
  ///
  /// - Throws: `.invalidArgument` if they are more than 2^35 apart.
  @_disfavoredOverload
  public static func ids(_ ids: some Collection<Int>) throws(TesseraError) -> IDSelector {
    try self.ids(ids.map { Int64($0) })
  }

  /// Id `firstID + 64 * w + b` where bit b of `words[w]` is set, bit 0 being the lowest.
  public static func bitmap(_ words: [UInt64], firstID: Int64 = 0) -> IDSelector {
    IDSelector(form: .bitmap(IDBitmap(words, firstID: firstID)))
  }

  /// The ids that `selector` selects (nil: all), but those of `removed`.
  ///
  /// - Parameter removed: Rising.
  /// - Complexity: O(`removed.count`), and at most 64 bits of memory for each.
  package static func excluding(
    rising removed: [Int64], from selector: IDSelector?
  ) -> IDSelector {
    IDSelector(form: .excluding(IDExclusion(rising: removed), from: selector))
  }

  /// Tells whether a row with this id may be returned.
  ///
  /// - Complexity: O(1).
  public func contains(_ id: Int64) -> Bool { mask32(from: id) & 1 != 0 }

  /// Returns how many of `ids` are selected.
  ///
  /// - Complexity: O(1) for a range, one step for each 64 of `ids` for bits.
  public func count(in ids: Range<Int64>) -> Int {
    switch form {
    case .range(let range): range.clamped(to: ids).length
    case .bitmap(let bitmap): bitmap.count(in: ids)
    case .excluding(let removed, let inner):
      (inner?.count(in: ids) ?? ids.length)
        - removed.rising.count { ids.contains($0) && inner?.contains($0) ?? true }
    }
  }

  /// Returns how many of the ids `rising`, which rise, are selected.
  package func count(among rising: [Int64]) -> Int {
    guard case .excluding(let removed, let inner) = form else {
      return rising.count { contains($0) }
    }
    let excluded = removed.rising.count { id in
      rising.hasSorted(id) && inner?.contains(id) ?? true
    }
    return (inner?.count(among: rising) ?? rising.count) - excluded
  }

  /// Bit i is set if id `first + i` is selected. Devices ask once for each panel of 32 rows.
  package func mask32(from first: Int64) -> UInt32 {
    switch form {
    case .range(let range):
      UInt32.lowBits(range.upperBound.distance(above: first))
        & ~UInt32.lowBits(range.lowerBound.distance(above: first))
    case .bitmap(let bitmap): bitmap.mask32(from: first)
    case .excluding(let removed, let inner):
      (inner?.mask32(from: first) ?? .max) & ~removed.mask32(from: first)
    }
  }

  /// A range outside of which nothing is selected.
  package var span: Range<Int64> {
    switch form {
    case .range(let range): range
    case .bitmap(let bitmap): bitmap.span
    case .excluding(_, let inner): inner?.span ?? .min..<(.max)
    }
  }
}

/// Ids that are not to be found: those of removed rows.
private struct IDExclusion: Sendable {
  let rising: [Int64]
  /// A bit for each, where they are near enough to each other; else they are looked up among `rising`.
  private let bitmap: IDBitmap?

  init(rising: [Int64]) {
    self.rising = rising
    let span = rising.last.map { $0.distance(above: rising[0]) } ?? 0
    bitmap = span / 64 <= UInt64(rising.count) ? try? IDBitmap(rising) : nil
  }

  /// Bit i is set if id `first + i` is excluded.
  func mask32(from first: Int64) -> UInt32 {
    if let bitmap { return bitmap.mask32(from: first) }
    var mask: UInt32 = 0
    var place = rising.firstPlace(notBelow: first)
    while place < rising.count {
      let distance = rising[place].distance(above: first)
      guard distance < 32 else { break }
      mask |= 1 << UInt32(distance)
      place += 1
    }
    return mask
  }
}

extension [Int64] {
  /// The first place of rising ids that has `id` or a higher one.
  package func firstPlace(notBelow id: Int64) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Tells whether one of rising ids is `id`.
  package func hasSorted(_ id: Int64) -> Bool {
    let place = firstPlace(notBelow: id)
    return place < count && self[place] == id
  }
}

extension Range<Int64> {
  /// The number of ids; `count` would trap beyond 63 bits.
  fileprivate var length: Int { Int(clamping: upperBound.distance(above: lowerBound)) }
}

extension Int64 {
  /// Returns the distance from `other` up to this number, 0 if it is not above. Never overflows.
  package func distance(above other: Int64) -> UInt64 {
    self > other ? UInt64(bitPattern: self &- other) : 0
  }
}

extension UInt32 {
  /// The lowest `count` bits set, all of them from 32 on.
  package static func lowBits(_ count: some BinaryInteger) -> UInt32 {
    count >= 32 ? .max : (1 << UInt32(count)) - 1
  }
}
