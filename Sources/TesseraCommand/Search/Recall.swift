import Tessera
internal import TesseraHost

/// Measures how much of the truth a search found.
struct Recall: Encodable {
  let queries: Int
  /// Hits compared per query.
  let k: Int
  /// The share of true neighbors among the hits, over all queries.
  let recall: Double
  /// Queries with every true neighbor among their hits.
  let completeQueries: Int
  /// Queries whose hits are the true neighbors in the same order.
  let identicalQueries: Int

  /// Opens the file of true neighbors at `path`, of which the first `k` of each row are compared.
  ///
  /// - Throws: As ``IDFile/open(_:)``; `.invalidShape` for a negative id among them: it is no row, so
  ///   it would leave nothing to be found, and a file that is read wrongly is full of such numbers.
  static func openTruth(_ path: String, k: Int) throws(TesseraError) -> IDTable {
    let truth = try IDFile.open(path)
    for row in 0..<truth.rows {
      guard let column = (0..<min(k, truth.columns)).first(where: { truth[row, $0] < 0 }) else {
        continue
      }
      let remedy =
        column == 0
        ? "give a file of the rows that are nearest" : "lower -k to \(column), or remove the query"
      throw TesseraError(
        .invalidShape,
        "\(path.printable): id \(truth[row, column]) in row \(row), column \(column) is no row, "
          + "so there is nothing to find; \(remedy)")
    }
    return truth
  }

  /// Compares the first `k` of each row. Negative ids among the found are hits that are missing; ids
  /// repeated in a row count once.
  ///
  /// - Parameter found: The ids of one query, best first.
  init(queries: Int, k: Int, truth: IDTable, found: (Int) -> [Int64]) {
    var (hits, wanted, complete, identical) = (0, 0, 0, 0)
    for query in 0..<queries {
      let expected = truth.row(query).prefix(k)
      let given = found(query).prefix(k).filter { $0 >= 0 }
      let distinct = Set(expected)
      let overlap = distinct.intersection(given).count
      hits += overlap
      wanted += distinct.count
      if overlap == distinct.count { complete += 1 }
      if expected.elementsEqual(given) { identical += 1 }
    }
    self.queries = queries
    self.k = k
    recall = wanted > 0 ? Double(hits) / Double(wanted) : 1
    completeQueries = complete
    identicalQueries = identical
  }
}
