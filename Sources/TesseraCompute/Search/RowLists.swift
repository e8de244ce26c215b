public import TesseraHost

/// The ids of rows, one for each: consecutive numbers, or any that differ from each other.
public struct IDMap: Sendable, Hashable {
  private enum Form: Hashable {
    case consecutive(first: Int64)
    /// The ids in rising order, and for each row the place of its id among them; no places where
    /// rows are in that order.
    case listed(rising: [Int64], ranks: [Int32]?)
  }

  private let form: Form
  /// The number of rows.
  public let count: Int

  /// Gives row i the id `first + i`.
  ///
  /// - Precondition: The ids are within 64 bits.
  public static func consecutive(from first: Int64 = 0, count: Int) -> IDMap {
    IDMap(form: .consecutive(first: first), count: count)
  }

  private init(form: Form, count: Int) {
    self.form = form
    self.count = count
  }

  /// Gives row i the id `ids[i]`.
  ///
  /// - Complexity: O(n log n), and 12 bytes a row are kept, none where the ids are consecutive.
  /// - Throws: `.invalidArgument`, naming an id that two rows have; `.unsupported` for more rows than
  ///   a set can hold.
  public init(_ ids: [Int64]) throws(TesseraError) {
    guard ids.count <= Int(Int32.max) else {
      throw TesseraError(.unsupported, "ids: \(ids.count) are more than \(Int32.max) in one set")
    }
    self.init(checked: ids)
    guard case .listed(let rising, _) = form else { return }
    for (id, next) in zip(rising, rising.dropFirst()) where id == next {
      let rows = ids.indices.filter { ids[$0] == id }
      throw TesseraError(
        .invalidArgument,
        "ids: rows \(rows[0]) and \(rows[1]) both have the id \(id); give every row an id of its own"
      )
    }
  }

  /// Takes ids that are known to differ.
  private init(checked ids: [Int64]) {
    count = ids.count
    let isConsecutive = zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 && $1 &- $0 == 1 }
    // No range of ids can end behind the highest number there is.
    guard !isConsecutive || ids.last == .max else {
      form = .consecutive(first: ids.first ?? 0)
      return
    }
    guard !zip(ids, ids.dropFirst()).allSatisfy({ $0 < $1 }) else {
      form = .listed(rising: ids, ranks: nil)
      return
    }
    if let ranks = Self.ranks(ofConsecutive: ids), let first = ids.min() {
      form = .listed(rising: (0..<Int64(ids.count)).map { first + $0 }, ranks: ranks)
      return
    }
    let order = ids.indices.map(Int32.init).sorted { ids[Int($0)] < ids[Int($1)] }
    var ranks = [Int32](repeating: 0, count: ids.count)
    for (rank, row) in order.enumerated() { ranks[Int(row)] = Int32(rank) }
    form = .listed(rising: order.map { ids[Int($0)] }, ranks: ranks)
  }

  /// The ranks of ids that are consecutive numbers in any order, without sorting them; nil for others.
  private static func ranks(ofConsecutive ids: [Int64]) -> [Int32]? {
    guard let first = ids.min(), let last = ids.max(),
      last.distance(above: first) == UInt64(ids.count - 1)
    else { return nil }
    var isSeen = [Bool](repeating: false, count: ids.count)
    var ranks: [Int32] = []
    ranks.reserveCapacity(ids.count)
    for id in ids {
      let rank = Int(id - first)
      guard !isSeen[rank] else { return nil }
      isSeen[rank] = true
      ranks.append(Int32(rank))
    }
    return ranks
  }

  /// The id of a row.
  public subscript(row: Int) -> Int64 { id(ofRank: rank(of: row)) }

  /// True if the ids are 0, 1, 2 and so on, in any order.
  package var areRowNumbers: Bool {
    count == 0 || id(ofRank: 0) == 0 && id(ofRank: count - 1) == Int64(count - 1)
  }

  /// The id of row 0 where row i has the id `first + i`; else nil.
  public var first: Int64? {
    if case .consecutive(let first) = form { first } else { nil }
  }

  /// The place of each row's id among the rising ids; nil where ids rise with rows. Rows that score
  /// alike are in this order, so it is what devices sort by: a number of 32 bits.
  package var ranks: [Int32]? {
    if case .listed(_, let ranks) = form { ranks } else { nil }
  }

  /// Bit i is set if there is a row `rows.lowerBound + i`, and `selector` selects its id (nil: any).
  ///
  /// - Precondition: At most 32 rows.
  package func mask32(of rows: Range<Int>, only selector: IDSelector?) -> UInt32 {
    guard let selector else { return .lowBits(rows.count) }
    if case .consecutive(let first) = form {
      return selector.mask32(from: first + Int64(rows.lowerBound)) & .lowBits(rows.count)
    }
    return rows.reduce(into: 0) { mask, row in
      if selector.contains(self[row]) { mask |= 1 << UInt32(row - rows.lowerBound) }
    }
  }

  /// The ids of some rows.
  package func rows(_ range: Range<Int>) -> IDMap {
    if case .consecutive(let first) = form {
      return .consecutive(from: first + Int64(range.lowerBound), count: range.count)
    }
    return IDMap(checked: range.map { self[$0] })
  }

  package func rank(of row: Int) -> Int { ranks.map { Int($0[row]) } ?? row }

  /// The rank of an id; nil if no row has it.
  package func rank(ofID id: Int64) -> Int? {
    switch form {
    case .consecutive(let first):
      return id >= first && id.distance(above: first) < UInt64(count) ? Int(id - first) : nil
    case .listed(let rising, _):
      // Ids that follow one another need no search.
      if let first = rising.first, id >= first, let last = rising.last,
        last.distance(above: first) == UInt64(rising.count - 1)
      {
        return id <= last ? Int(id - first) : nil
      }
      let place = rising.firstPlace(notBelow: id)
      return place < rising.count && rising[place] == id ? place : nil
    }
  }

  /// The row of each rank.
  package func rowsByRank() -> [Int32] {
    guard let ranks else { return Array(0..<Int32(count)) }
    var rows = [Int32](repeating: 0, count: count)
    for (row, rank) in ranks.enumerated() { rows[Int(rank)] = Int32(row) }
    return rows
  }

  /// The number of rows that a selector selects.
  package func count(of selector: IDSelector) -> Int {
    switch form {
    case .consecutive(let first): selector.count(in: first..<first + Int64(count))
    case .listed(let rising, _): selector.count(among: rising)
    }
  }

  package func id(ofRank rank: Int) -> Int64 {
    switch form {
    case .consecutive(let first): first + Int64(rank)
    case .listed(let rising, _): rising[rank]
    }
  }
}

/// Rows in lists, one list after the other: the cells of an index, or one list of all rows.
public struct RowLists: Sendable, Hashable {
  /// List l holds the rows `starts[l]..<starts[l + 1]`.
  public let starts: [Int]
  /// The ids of all rows.
  public let ids: IDMap

  /// - Parameter starts: Rising from 0 to the number of ids; one more than there are lists.
  /// - Throws: `.invalidShape` for other starts.
  public init(starts: [Int], ids: IDMap) throws(TesseraError) {
    guard starts.count >= 2, starts.first == 0, starts.last == ids.count,
      zip(starts, starts.dropFirst()).allSatisfy({ $0 <= $1 })
    else {
      throw TesseraError(
        .invalidShape, "lists: their starts have to rise from 0 to the \(ids.count) rows")
    }
    self.starts = starts
    self.ids = ids
  }

  /// All rows in one list.
  public init(one ids: IDMap) {
    starts = [0, ids.count]
    self.ids = ids
  }

  /// The number of lists.
  public var count: Int { starts.count - 1 }

  /// The rows of all lists that queries look at, each list as often as it is looked at.
  package func rowCount(of probes: Probes) -> Int {
    probes.lists.reduce(0) { $0 + self[Int($1)].count }
  }

  /// Some of the lists, or some rows of the only list.
  package func lists(_ lists: Range<Int32>, rows: Range<Int>) -> RowLists {
    var starts = self.starts[Int(lists.lowerBound)...Int(lists.upperBound)].map {
      $0 - rows.lowerBound
    }
    if count == 1 { starts = [0, rows.count] }
    return RowLists(checked: starts, ids: ids.rows(rows))
  }

  private init(checked starts: [Int], ids: IDMap) {
    self.starts = starts
    self.ids = ids
  }

  /// The rows of a list.
  public subscript(list: Int) -> Range<Int> { starts[list]..<starts[list + 1] }
}

/// Says which lists each query looks at.
public struct Probes: Sendable, Hashable {
  /// Query q looks at `lists[starts[q]..<starts[q + 1]]`.
  public let starts: [Int]
  /// The numbers of lists, none twice for a query. The nearest first makes searches faster; the order
  /// changes no result.
  public let lists: [Int32]
  /// A number that is added to the scores of a list's rows for this query, in the places of `lists`;
  /// nil adds nothing. Only searches among codes have a use for it.
  public let terms: [Float]?

  /// - Throws: `.invalidShape` for starts that do not rise from 0 to the number of entries, or another
  ///   number of terms; `.invalidArgument` for a list that a query looks at twice.
  public init(starts: [Int], lists: [Int32], terms: [Float]? = nil) throws(TesseraError) {
    guard starts.first == 0, starts.last == lists.count,
      zip(starts, starts.dropFirst()).allSatisfy({ $0 <= $1 })
    else {
      throw TesseraError(
        .invalidShape, "probes: their starts have to rise from 0 to the \(lists.count) entries")
    }
    guard terms?.count ?? lists.count == lists.count else {
      throw TesseraError(
        .invalidShape, "probes: \(terms?.count ?? 0) terms for \(lists.count) entries")
    }
    self.starts = starts
    self.lists = lists
    self.terms = terms
    for query in 0..<queryCount {
      let own = self[query].sorted()
      guard !zip(own, own.dropFirst()).contains(where: { $0 == $1 }) else {
        throw TesseraError(.invalidArgument, "probes: query \(query) looks at a list twice")
      }
    }
  }

  /// Every one of `queryCount` queries looks at all of `listCount` lists.
  public static func all(of listCount: Int, queryCount: Int) -> Probes {
    let lists = (0..<queryCount).flatMap { _ in 0..<Int32(listCount) }
    return Probes(
      checked: (0...queryCount).map { $0 * listCount }, lists: lists, terms: nil)
  }

  /// Takes entries that are known to be right.
  package init(checked starts: [Int], lists: [Int32], terms: [Float]?) {
    self.starts = starts
    self.lists = lists
    self.terms = terms
  }

  /// The number of queries.
  public var queryCount: Int { starts.count - 1 }

  /// The lists that a query looks at.
  public subscript(query: Int) -> ArraySlice<Int32> { lists[starts[query]..<starts[query + 1]] }
}

/// Says how many hits of a query are wanted.
public enum Limit: Sendable, Hashable {
  /// The best so many, or all rows where there are fewer.
  case k(Int)
  /// All rows with a better score than this: larger, and for distances smaller.
  case score(Float)

  /// The hits that every query has of `count` rows, where that does not depend on the query; else 0.
  package func hitCount(of count: Int, probing probes: Probes?) -> Int {
    if case .k(let k) = self, probes == nil { min(k, count) } else { 0 }
  }
}

extension Probes {
  /// The probes of some of the queries.
  package func of(_ queries: some Sequence<Int>) -> Probes {
    picking(queries) { starts[$0]..<starts[$0 + 1] }
  }

  /// Every `step`th probe of each query, from number `first` on.
  package func every(_ step: Int, from first: Int) -> Probes {
    picking(0..<queryCount) { stride(from: starts[$0] + first, to: starts[$0 + 1], by: step) }
  }

  /// The probes of the lists in `range`, counted from its first.
  package func within(_ range: Range<Int32>) -> Probes {
    let own = picking(0..<queryCount) { query in
      (starts[query]..<starts[query + 1]).lazy.filter { range.contains(lists[$0]) }
    }
    return Probes(
      checked: own.starts, lists: own.lists.map { $0 - range.lowerBound }, terms: own.terms)
  }

  /// The entries that `entries` picks for each of the queries.
  private func picking<Entries: Sequence<Int>>(
    _ queries: some Sequence<Int>, _ entries: (Int) -> Entries
  ) -> Probes {
    var starts = [0]
    var picked: [Int] = []
    for query in queries {
      picked += entries(query)
      starts.append(picked.count)
    }
    return Probes(
      checked: starts, lists: picked.map { lists[$0] },
      terms: terms.map { terms in picked.map { terms[$0] } })
  }
}
