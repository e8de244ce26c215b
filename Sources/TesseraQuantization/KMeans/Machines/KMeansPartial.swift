public import TesseraCompute
internal import TesseraHost

/// What some chunks of the rows say about given centroids: a value that a machine makes of its rows
/// (``KMeans/partial(_:firstRow:centroids:on:control:)``), that is sent and stored as ``bytes``, and that
/// others merge.
///
/// Merging is associative, and its order does not matter: chunks are numbered among all rows, and what
/// they come to is added as a fixed binary tree of these numbers. Which machine had which chunks leaves no
/// trace in the bytes.
///
/// It holds `clusterCount * (dimension + 2)` numbers of 8 bytes for each run of chunks whose other half it
/// has not seen, which are few, and one row for each cluster that none of its rows is nearest to.
public struct KMeansPartial: Sendable, Hashable {
  /// Clusters, also those without rows.
  public let clusterCount: Int
  /// Numbers of a row.
  public let dimension: Int
  /// The metric that rows and centroids were compared by.
  public let metric: Metric
  /// Rows of a chunk.
  public let chunkRows: Int
  /// A checksum of the centroids that rows were compared with.
  let centroids: UInt32
  private(set) var tree = ChunkTree<ClusterStatistics>()
  /// The rows farthest from their centroids, no two alike, the farthest first, as many as there are clusters
  /// without rows: where those start again.
  private(set) var farthest: [FarRow] = []

  /// A row that a cluster without rows may start again at.
  struct FarRow: Sendable, Hashable {
    let row: Int
    let distance: Double
    let values: [Float]

    /// Orders rows by falling distance, ties by lower row.
    func ranks(ahead other: FarRow) -> Bool {
      (distance, other.row) > (other.distance, row)
    }
  }

  init(clusterCount: Int, dimension: Int, metric: Metric, chunkRows: Int, centroids: UInt32) {
    self.clusterCount = clusterCount
    self.dimension = dimension
    self.metric = metric
    self.chunkRows = chunkRows
    self.centroids = centroids
  }

  /// Rows of all its chunks.
  public var rowCount: Int { tree.blocks.reduce(0) { $0 + $1.sum.rowCount } }

  /// Adds a run of chunks and its farthest rows.
  ///
  /// - Throws: `.invalidArgument` if some of its chunks are there already, `.invalidShape` for a short chunk
  ///   that is not the last.
  mutating func insert(
    _ block: ChunkTree<ClusterStatistics>.Block, farthest rows: [FarRow]
  ) throws(TesseraError) {
    var grown = tree
    try grown.insert(block)
    if let last = tree.blocks.last {
      let before = last.first < block.first ? last : block
      guard before.sum.rowCount == before.count * chunkRows else {
        throw TesseraError(
          .invalidShape,
          "k-means: the chunks up to row \(before.end * chunkRows) have \(before.sum.rowCount) rows; each "
            + "but the last of all has to have \(chunkRows)")
      }
    }
    tree = grown
    var ranked = farthest + rows
    ranked.sort { $0.ranks(ahead: $1) }
    var seen: Set<[Float]> = []
    farthest = Array(ranked.filter { seen.insert($0.values).inserted }.prefix(emptyClusters.count))
  }

  /// The clusters that none of its rows is nearest to.
  var emptyClusters: [Int] {
    (0..<clusterCount).filter { cluster in tree.blocks.allSatisfy { $0.sum.counts[cluster] == 0 } }
  }

  /// What all rows come to.
  ///
  /// - Throws: `.invalidShape` unless its chunks hold the rows 0 to `rowCount - 1`, each once.
  func statistics(ofAll rowCount: Int) throws(TesseraError) -> ClusterStatistics {
    var end = 0
    for block in tree.blocks {
      guard block.first == end / chunkRows else {
        throw TesseraError(
          .invalidShape,
          "k-means: the partial results end at row \(end) and go on at chunk \(block.first) of "
            + "\(chunkRows) rows each; merge those of all rows, each chunk but the last whole")
      }
      end += block.sum.rowCount
    }
    guard end == rowCount, let total = tree.total else {
      throw TesseraError(
        .invalidShape,
        "k-means: the partial results are of \(end) rows, expected \(rowCount); merge those of all rows"
      )
    }
    return total
  }

  /// Returns one partial result of the chunks of all `parts`, in whatever order and grouping they come.
  ///
  /// - Throws: `.invalidArgument` for no parts, for a chunk that is in two of them, and for parts of
  ///   different centroids or options; `.invalidShape` for a short chunk that is not the last.
  public static func merging(_ parts: [KMeansPartial]) throws(TesseraError) -> KMeansPartial {
    guard var merged = parts.first else {
      throw TesseraError(.invalidArgument, "k-means: there are no partial results to merge")
    }
    for part in parts.dropFirst() {
      guard part.hasSameQuestion(as: merged) else {
        throw TesseraError(
          .invalidArgument,
          "k-means: partial results of different centroids, metrics or chunks cannot be merged; make "
            + "them with the same")
      }
      for (place, block) in part.tree.blocks.enumerated() {
        try merged.insert(block, farthest: place == 0 ? part.farthest : [])
      }
    }
    return merged
  }

  private func hasSameQuestion(as other: KMeansPartial) -> Bool {
    clusterCount == other.clusterCount && dimension == other.dimension && metric == other.metric
      && chunkRows == other.chunkRows && centroids == other.centroids
  }

  /// Returns the checksum of centroids.
  static func checksum(_ centroids: [Float]) -> UInt32 {
    centroids.withUnsafeBytes { Checksum.crc32($0) }
  }
}

/// What the rows of chunks come to: per cluster the sum of rows, their mass and their number, and the
/// objective.
struct ClusterStatistics: ChunkSum {
  var sums: ClusterTotals
  var counts: [Int]
  /// Weights times distances.
  var objective: Double

  var rowCount: Int { counts.reduce(0, +) }

  mutating func add(_ next: ClusterStatistics) {
    sums.add(next.sums)
    for cluster in counts.indices { counts[cluster] += next.counts[cluster] }
    objective += next.objective
  }
}
