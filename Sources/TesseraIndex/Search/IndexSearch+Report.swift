public import TesseraCompute

extension IndexSearch {
  /// Holds what a search found, and tells how it went.
  public struct Report: Sendable {
    /// The hits of all queries, in query order.
    public internal(set) var neighbors: Neighbors
    /// The device that found them: the fallback, if the chosen one failed.
    public let device: DeviceInfo
    /// Lists that each query looked at.
    public let probes: Int
    /// Lists that a query looked at, on average.
    public internal(set) var listsPerQuery: Double
    /// Rows in those lists, on average.
    public internal(set) var rowsPerQuery: Double
    /// The share of queries whose hits are proven to be the best of all rows; 0 where the index keeps
    /// codes or transformed rows.
    public internal(set) var certifiedShare: Double
    /// The rows that were gone through.
    public let path: Path
    /// Chunks that were searched: 1 where everything fits the memory, 0 where no row is selected.
    public let chunkCount: Int
    /// Queries given to the device at a time.
    public let batchSize: Int
    /// Bytes the largest prepared chunk kept beyond the caller's rows, and the centroids of lists.
    public internal(set) var residentBytes: Int
    /// Bytes planned for the work on one chunk and one batch, and given back.
    public let workingBytes: Int
    /// The most the device and its working memory were planned to hold, in bytes, beyond the caller's
    /// rows.
    public let peakBytes: Int
    /// Seconds spent making rows ready. 0 where they were ready from the search before.
    public internal(set) var prepareSeconds: Double
    /// Seconds spent searching. Where rows are streamed, every search makes them ready again, and
    /// this includes that.
    public internal(set) var searchSeconds: Double
    /// Where they went.
    public internal(set) var stages: Stages

    /// Seconds of the stages of a search.
    public struct Stages: Sendable, Hashable {
      /// Transforming queries and finding the nearest lists.
      public internal(set) var coarse = 0.0
      /// Searching the lists.
      public internal(set) var scan = 0.0
      /// Scoring hits again.
      public internal(set) var refine = 0.0
    }
  }
}

extension IndexSearch.Report.Stages {
  /// Adds the seconds of another search.
  static func += (stages: inout Self, other: Self) {
    stages.coarse += other.coarse
    stages.scan += other.scan
    stages.refine += other.refine
  }
}

extension Neighbors {
  /// Takes the hits of queries that were asked by several searches: query q was number `places[q].query`
  /// of those that `searches[places[q].search]` asked.
  init(
    _ searches: [Neighbors], places: [(search: Int, query: Int)], statistics: SearchStatistics
  ) {
    var starts = [0]
    var (ids, scores): ([Int64], [Float]) = ([], [])
    starts.reserveCapacity(places.count + 1)
    for (search, query) in places {
      let found = searches[search]
      let own = found.starts[query]..<found.starts[query + 1]
      ids += found.ids[own]
      scores += found.scores[own]
      starts.append(ids.count)
    }
    self.init(starts: starts, ids: ids, scores: scores, statistics: statistics)
  }
}
