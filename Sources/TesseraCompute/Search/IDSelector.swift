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
    }
  }

  /// Bit i is set if id `first + i` is selected. Devices ask once for each panel of 32 rows.
  package func mask32(from first: Int64) -> UInt32 {
    switch form {
    case .range(let range):
      UInt32.lowBits(range.upperBound.distance(above: first))
        & ~UInt32.lowBits(range.lowerBound.distance(above: first))
    case .bitmap(let bitmap): bitmap.mask32(from: first)
    }
  }

  /// A range outside of which nothing is selected.
  package var span: Range<Int64> {
    switch form {
    case .range(let range): range
    case .bitmap(let bitmap): bitmap.span
    }
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
