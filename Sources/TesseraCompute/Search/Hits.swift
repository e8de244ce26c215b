/// A row that was found, and its score.
public struct Hit: Sendable, Hashable {
  /// The row's id.
  public let id: Int64
  /// The row's canonical score.
  public let score: Float

  /// Takes the id and the score as they are.
  public init(id: Int64, score: Float) {
    self.id = id
    self.score = score
  }
}

/// The hits of one query, best first: a view of ``Neighbors`` that copies nothing.
public struct Hits: RandomAccessCollection, Sendable {
  private let ids: ArraySlice<Int64>
  private let scores: ArraySlice<Float>

  fileprivate init(ids: ArraySlice<Int64>, scores: ArraySlice<Float>) {
    self.ids = ids
    self.scores = scores
  }

  /// 0, the position of the best hit.
  public var startIndex: Int { 0 }
  /// The number of hits.
  public var endIndex: Int { ids.count }

  /// The hit at `position`, 0 being the best.
  public subscript(position: Int) -> Hit {
    Hit(id: ids[ids.startIndex + position], score: scores[scores.startIndex + position])
  }
}

extension Neighbors {
  /// The hits of query `query`, best first.
  ///
  ///     for hit in found[query] { print(hit.id, hit.score) }
  ///
  /// - Precondition: `query` is at least 0 and below ``queryCount``.
  public subscript(query: Int) -> Hits {
    precondition(query >= 0 && query < queryCount, "query \(query) of \(queryCount)")
    let hits = starts[query]..<starts[query + 1]
    return Hits(ids: ids[hits], scores: scores[hits])
  }
}
