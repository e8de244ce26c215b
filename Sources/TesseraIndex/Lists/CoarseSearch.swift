internal import Synchronization
internal import TesseraCompute

/// The centroids of lists on a device, searched for those that are nearest to queries.
///
/// Many queries are multiplied with all centroids at once. With few, most of the time would go into
/// reading the centroids: they are searched as rows are, by a filter on bytes. Both find the same
/// lists on every device, and each is made ready when it is first needed.
final class CoarseSearch: Sendable {
  private let centroids: Vectors
  private let metric: Metric
  private let device: any Device
  private let ready = Mutex(Ready())

  private struct Ready {
    var few: VectorSet?
    var many: CoarseMatrix?
  }

  /// Queries that are worth a product of matrices.
  static let manyQueries = 16

  init(_ centroids: Vectors, metric: Metric, on device: any Device) {
    self.centroids = centroids
    self.metric = metric
    self.device = device
  }

  var residentBytes: Int {
    ready.withLock { ($0.few?.residentBytes ?? 0) + ($0.many?.residentBytes ?? 0) }
  }

  /// Finds the `count` nearest lists of each query.
  ///
  /// - Precondition: There are more lists.
  func probes(_ queries: Vectors, _ count: Int) throws(TesseraError) -> CoarseProbes {
    try Shapes.requireFinite(queries, "search: queries")
    guard queries.count < Self.manyQueries else { return try matrix().probes(queries, count) }
    let found = try device.nearest(queries, in: set(), k: count + 1)
    var lists: [Int32] = []
    var next: [Float] = []
    lists.reserveCapacity(queries.count * count)
    for query in 0..<queries.count {
      let end = found.starts[query + 1] - 1
      lists += found.ids[found.starts[query]..<end].lazy.map { Int32($0) }
      next.append(found.scores[end])
    }
    return CoarseProbes(each: count, lists: lists, next: next)
  }

  private func set() throws(TesseraError) -> VectorSet {
    try ready.withLock { ready throws(TesseraError) in
      let set =
        if let few = ready.few { few } else { try device.prepare(centroids, metric: metric) }
      ready.few = set
      return set
    }
  }

  private func matrix() throws(TesseraError) -> CoarseMatrix {
    try ready.withLock { ready throws(TesseraError) in
      let matrix =
        if let many = ready.many { many } else {
          try CoarseMatrix(centroids, metric: metric, on: device)
        }
      ready.many = matrix
      return matrix
    }
  }
}

/// The lists that queries look at, and what is known of those they do not.
struct CoarseProbes {
  let probes: Probes
  /// For each query the score of the nearest centroid that was left out.
  let next: [Float]

  /// Takes the lists of all queries, as many for each.
  init(each count: Int, lists: [Int32], next: [Float]) {
    probes = Probes(
      checked: (0...next.count).map { $0 * count }, lists: lists, terms: nil)
    self.next = next
  }
}
