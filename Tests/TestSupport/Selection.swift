public import TesseraCompute

/// Some rows of a set, said in one of the ways a search can be told.
public struct Selection: Sendable, CustomStringConvertible {
  /// The name of the selection in failures.
  public let description: String
  private let selects: @Sendable (_ row: Int, _ count: Int) -> Bool
  private let make: @Sendable ([Bool], Int64) throws(TesseraError) -> IDSelector

  private init(
    _ description: String, _ selects: @escaping @Sendable (Int, Int) -> Bool,
    as make: @escaping @Sendable ([Bool], Int64) throws(TesseraError) -> IDSelector
  ) {
    self.description = description
    self.selects = selects
    self.make = make
  }

  /// For each of `count` rows whether it is selected. Asks nothing of the code under test.
  public func flags(_ count: Int) -> [Bool] { (0..<count).map { selects($0, count) } }

  /// The same rows of a set whose ids begin at `firstID`.
  public func selector(_ count: Int, firstID: Int64 = 0) throws(TesseraError) -> IDSelector {
    try make(flags(count), firstID)
  }

  /// Rows `rows(count)`, as a range of ids. They may lie outside the set.
  public static func range(
    _ name: String, _ rows: @escaping @Sendable (Int) -> Range<Int>
  ) -> Selection {
    let selects: @Sendable (Int, Int) -> Bool = { row, count in rows(count).contains(row) }
    return Selection("range, \(name)", selects) { flags, firstID in
      let range = rows(flags.count)
      return .range(firstID + Int64(range.lowerBound)..<firstID + Int64(range.upperBound))
    }
  }

  /// Rows that `selects` holds for, given with the number of rows: as flags.
  public static func flags(
    _ name: String, _ selects: @escaping @Sendable (Int, Int) -> Bool
  ) -> Selection {
    Selection("flags, \(name)", selects) { .flags($0, firstID: $1) }
  }

  /// The same as a list, backwards and each id twice, among ids that no row has.
  public static func list(
    _ name: String, _ selects: @escaping @Sendable (Int, Int) -> Bool
  ) -> Selection {
    Selection("list, \(name)", selects) { flags, firstID throws(TesseraError) in
      let ids = flags.indices.reversed().filter { flags[$0] }.map { firstID + Int64($0) }
      let end = firstID + Int64(flags.count)
      return try .ids(ids + ids + [firstID - 5, end, end + 1000])
    }
  }

  /// The same as words that begin `early` ids before the set, all of those selected.
  public static func words(
    _ name: String, early: Int, _ selects: @escaping @Sendable (Int, Int) -> Bool
  ) -> Selection {
    Selection("words \(early) early, \(name)", selects) { flags, firstID in
      let bits = [Bool](repeating: true, count: early) + flags
      var words = [UInt64](repeating: 0, count: bits.count / 64 + 1)
      for (bit, isSet) in bits.enumerated() where isSet { words[bit / 64] |= 1 << UInt64(bit % 64) }
      return .bitmap(words, firstID: firstID - Int64(early))
    }
  }
}

extension Selection {
  /// Every way to say it, and every edge: nothing, the ends, around panels of 32 rows and words of
  /// 64, rows that are not there.
  public static let all: [Selection] = [
    .range("all") { 0..<$0 },
    .range("nothing") { $0 / 2..<$0 / 2 },
    .range("the first") { _ in 0..<1 },
    .range("the last") { max(0, $0 - 1)..<$0 },
    .range("a panel") { _ in 32..<64 },
    .range("across panels") { _ in 31..<65 },
    .range("more than there are") { -7..<$0 + 1000 },
    .range("begins before") { _ in -100..<3 },
    .range("ends after") { $0 - 3..<$0 + 100 },
    .range("wholly before") { _ in -100..<0 },
    .range("wholly after") { $0..<$0 + 100 },
    .flags("all") { _, _ in true },
    .flags("nothing") { _, _ in false },
    .flags("every other") { row, _ in row % 2 == 1 },
    .list("both ends") { row, count in row == 0 || row == count - 1 },
    .list("one") { row, count in row == count / 2 },
    .list("one a panel") { row, _ in row % 32 == 5 },
    .words("every third", early: 0) { row, _ in row % 3 == 0 },
    .words("all but every third", early: 37) { row, _ in row % 3 != 0 },
    .words("ends early", early: 64) { row, count in row < count / 3 },
  ]

  /// Each row with a chance of `share`.
  public static func random(_ share: Double, seed: UInt64) -> Selection {
    .words("a share of \(share), seed \(seed)", early: Int(seed % 70)) { row, _ in
      var generator = RepeatableGenerator(seed: seed &* 1_000_003 &+ UInt64(row))
      return Double(generator.below(1 << 20)) < share * Double(1 << 20)
    }
  }
}

extension Neighbors {
  /// The hits whose ids have a flag that is set; `flags[0]` is that of `firstID`.
  public func only(_ flags: [Bool], firstID: Int64 = 0) -> Neighbors {
    let kept = ids.indices.filter { flags[Int(ids[$0] - firstID)] }
    return Neighbors(
      queryCount: queryCount, hitCount: queryCount == 0 ? 0 : kept.count / queryCount,
      ids: kept.map { ids[$0] }, scores: kept.map { scores[$0] }, statistics: statistics)
  }
}
