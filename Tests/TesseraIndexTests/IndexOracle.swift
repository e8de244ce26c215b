import TesseraCompute
import TesseraHost
import TestSupport

@testable import TesseraIndex

/// Knows the score of every row of an index with every query, and ranks the rows by hand: what any
/// search of the index has to find, whatever its limit, its lists and its filter.
///
/// Scores are canonical scores of the rows as the index knows them. Codes that are scanned have the sums
/// that the reference device makes, since sums of table entries are rounded otherwise.
struct IndexOracle {
  private let index: Index
  /// The score of each row with each query, among them the one of the row as it was given where hits
  /// are scored again.
  private let scores: [[Float]]
  private let exact: [[Float]]?
  /// The rows in their lists, those of the nearest list of each query first.
  private let nearestLists: [[Int]]

  init(_ index: Index, _ queries: Vectors) throws {
    let device = ReferenceDevice.shared
    let seen = try index.transformed(queries, on: device)
    self.index = index
    scores =
      index.scannedCodes == nil
      ? try Self.decodedScores(index, seen) : try Self.scannedScores(index, seen)
    exact = index.originals.map { originals in
      Self.scores(index.metric, queries, originals.widened())
    }
    let order = index.metric.order
    nearestLists = (0..<queries.count).map { query in
      guard let coarse = index.coarse else { return [0] }
      let scores = Self.scores(
        index.metric, seen.rows(query..<query + 1), coarse.centroids.widened())[0]
      return scores.indices.sorted {
        order.ranks((scores[$0], Int64($0)), ahead: (scores[$1], Int64($1)))
      }
    }
  }

  /// The scores of rows as they are kept, or decoded.
  static func decodedScores(_ index: Index, _ seen: Vectors) throws -> [[Float]] {
    let rows = try index.decoded(0..<index.count, on: ReferenceDevice.shared)
    return scores(index.metric, seen, rows.widened())
  }

  private static func scannedScores(_ index: Index, _ seen: Vectors) throws -> [[Float]] {
    let device = ReferenceDevice.shared
    let (asked, probes) = try index.asked(
      seen, nil, index.codeCenters(), firstRow: 0, on: device)
    let found = try index.kept(
      0..<index.count, of: 0..<Int32(index.listCount), on: device
    ).nearest(
      asked, probing: probes, within: .k(index.count), order: index.metric.order, only: nil,
      on: device)
    return (0..<seen.count).map { query in
      var scores = [Float](repeating: .nan, count: index.count)
      for hit in found[query] { scores[index.row(of: hit.id) ?? -1] = hit.score }
      return scores
    }
  }

  private static func scores(
    _ metric: Metric, _ queries: Vectors, _ rows: [Float]
  ) -> [[Float]] {
    let count = rows.count / queries.dimension
    let all = Oracle.scores(metric, queries.widened(), rows, dimension: queries.dimension)
    return (0..<queries.count).map { Array(all[$0 * count..<($0 + 1) * count]) }
  }

  /// A score that about half of the rows are beyond, so that range searches find some.
  var middle: Float {
    let first = scores[0].sorted { index.metric.order.ranks($0, ahead: $1) }
    return first.isEmpty ? 0 : first[first.count / 2]
  }

  /// The hits of a search that looks at the `probes` nearest lists (nil: at all).
  func hits(
    _ limit: Limit, probes: Int?, refineFactor: Int = 4, only selects: (Int64) -> Bool
  ) -> Neighbors {
    var all = Neighbors.none(queryCount: 0)
    for query in scores.indices {
      let lists = probes.map { nearestLists[query].prefix($0) } ?? nearestLists[query][...]
      let rows = lists.flatMap { Array(index.lists[$0]) }.filter { selects(index.lists.ids[$0]) }
      var best = ranked(rows, scores[query], limit, times: exact == nil ? 1 : refineFactor)
      if let exact { best = ranked(best, exact[query], limit, times: 1) }
      let own = (exact ?? scores)[query]
      all.append(
        Neighbors(
          queryCount: 1, hitCount: best.count, ids: best.map { index.lists.ids[$0] },
          scores: best.map { own[$0] },
          statistics: SearchStatistics(certified: true, candidates: 0, rescored: 0)))
    }
    return all
  }

  /// The best of some rows by their scores, ties by lower id.
  private func ranked(_ rows: [Int], _ scores: [Float], _ limit: Limit, times: Int) -> [Int] {
    let order = index.metric.order
    let ids = index.lists.ids
    let sorted = rows.sorted {
      order.ranks((scores[$0], ids[$0]), ahead: (scores[$1], ids[$1]))
    }
    switch limit {
    case .k(let k): return Array(sorted.prefix(k * times))
    case .score(let score): return sorted.filter { order.ranks(scores[$0], ahead: score) }
    }
  }
}

/// Rows that a search may return, said to the search and in plain Swift.
struct Filter: Sendable, CustomStringConvertible {
  let description: String
  let selector: IDSelector?
  let selects: @Sendable (Int64) -> Bool

  static let none = Filter(description: "all rows", selector: nil) { _ in true }

  /// Every way to select some of the ids, and to select nothing.
  static func all(_ ids: [Int64]) throws -> [Filter] {
    let rising = ids.sorted()
    let (low, high) = (rising.first ?? 0, rising.last ?? 0)
    let middle = rising.isEmpty ? 0 : rising[rising.count / 2]
    let flags = (low...high).map { $0 % 3 == 0 }
    var words = [UInt64](repeating: 0, count: Int(high - low) / 64 + 1)
    for id in low...high where id % 5 != 0 { words[Int(id - low) / 64] |= 1 << ((id - low) % 64) }
    let listed = Set(rising.filter { $0 % 4 == 0 })
    return [
      .none,
      Filter(description: "range", selector: .range(low..<middle)) { $0 < middle },
      Filter(description: "list", selector: try .ids(Array(listed) + [high + 9])) {
        listed.contains($0)
      },
      Filter(description: "flags", selector: .flags(flags, firstID: low)) { $0 % 3 == 0 },
      Filter(description: "bitmap", selector: .bitmap(words, firstID: low)) { $0 % 5 != 0 },
      Filter(description: "one", selector: try .ids([middle])) { $0 == middle },
      Filter(description: "nothing", selector: .range(middle..<middle)) { _ in false },
      Filter(description: "no row's", selector: try .ids([high + 1])) { _ in false },
    ]
  }
}

extension Index {
  /// The same rows or codes, cut into lists of the sizes given and then into equal ones. They are then
  /// not in the lists that they are nearest to, which no search may rely on.
  func recut(_ sizes: [Int]) throws -> Index {
    guard let coarse, sizes.count < listCount else { return self }
    var starts = [0]
    for list in 0..<listCount {
      let left = count - starts[list]
      let share = list < sizes.count ? sizes[list] : left / (listCount - list)
      starts.append(starts[list] + min(left, share))
    }
    return Index(
      specification, metric: metric, dimension: dimension, transforms: transforms,
      lists: try RowLists(starts: starts, ids: lists.ids),
      coarse: CoarseLists(unmeasured: coarse.centroids), content: content, originals: originals)
  }
}
