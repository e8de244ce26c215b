public import TesseraCompute
internal import TesseraHost

extension CoarseLists {
  /// Lists of which nobody has measured how far rows are from centroids, and which lists hold the near
  /// ones: nothing is ruled out, and only all lists are known to hold all neighbors.
  init(unmeasured centroids: Vectors) {
    var recall = [Float](repeating: 0, count: centroids.count)
    recall[centroids.count - 1] = 1
    self.init(centroids: centroids, radius: .infinity, recall: recall)
  }

  var isMeasured: Bool { radius.isFinite }
}

extension Index {
  /// True if it is known how many lists hold a share of the true neighbors. Indexes of other programs
  /// do not say; ``measured(on:control:)`` finds it out.
  public var isMeasured: Bool { coarse?.isMeasured ?? true }

  /// Returns the same index with what the building of an index measures: how far rows are from their
  /// centroids, and in how many of the nearest lists the neighbors of 256 rows lie.
  ///
  /// - Complexity: A search of all rows for 256 queries.
  /// - Throws: `.nonFinite`, `.outOfMemory`, `.cancelled`, `.deadlineExceeded`, and what the device
  ///   throws.
  public func measured(
    on device: any Device, control: RunControl = RunControl()
  ) throws(TesseraError) -> Index {
    guard let coarse, count > 0, !isMeasured else { return self }
    return try control.steer(on: device) { device throws(TesseraError) -> Index in
      let rows: Vectors
      if let originals {
        rows = try transforms.apply(to: originals, on: device, "measure lists")
      } else {
        rows = try decoded(0..<count, on: device)
      }
      try control.report("measure lists", done: 0.1)
      let lists = ListCalibration(
        rows: rows, given: originals ?? rows, lists: lists, centroids: coarse.centroids,
        metric: metric)
      let radius = try lists.radius(on: device)
      try control.report("measure lists", done: 0.3)
      let recall = try lists.recall(on: device)
      try control.report("measure lists", done: 1)
      return Index(
        specification, metric: metric, dimension: dimension, transforms: transforms,
        lists: self.lists,
        coarse: CoarseLists(centroids: coarse.centroids, radius: radius, recall: recall),
        content: content, originals: originals, file: file)
    }
  }
}

/// Measures lists by the rows in them.
private struct ListCalibration {
  let rows: Vectors
  /// The rows as they were given, as far as the index still has them.
  let given: Vectors
  let lists: RowLists
  let centroids: Vectors
  let metric: Metric

  /// The largest distance of a row from its list's centroid, for squared L2 and inner products.
  func radius(on device: any Device) throws(TesseraError) -> Float {
    let largest: [Double] = try device.hostWorkers.makeEachRow(lists.count, of: 1, minimum: 1) {
      list, largest throws(TesseraError) in
      try StopSignal.check()
      var most = 0.0
      let centroid = centroids.row(list)
      for row in lists[list] {
        var sum = 0.0
        for (value, middle) in zip(rows.row(row), centroid) {
          let difference = Double(value) - Double(middle)
          sum += difference * difference
        }
        most = max(most, sum)
      }
      largest[0] = most
    }
    return Float((largest.max() ?? 0).squareRoot()).nextUp
  }

  private static let sampleSize = 256
  private static let neighbors = 10

  /// The share of the neighbors of some rows, but themselves, in the 1, 2, 3, ... nearest lists.
  func recall(on device: any Device) throws(TesseraError) -> [Float] {
    let places = Set((0..<Self.sampleSize).map { $0 * rows.count / Self.sampleSize }).sorted()
    let queries = try rows.gathered(places)
    let found = try device.nearest(
      given.gathered(places), in: device.prepare(given, metric: metric), k: Self.neighbors + 1)
    let coarse = try device.nearest(
      queries, in: device.prepare(centroids, metric: metric), k: centroids.count)
    var listOfRow = [Int](repeating: 0, count: rows.count)
    for list in 0..<lists.count { for row in lists[list] { listOfRow[row] = list } }
    var counts = [Int](repeating: 0, count: centroids.count)
    for (query, place) in places.enumerated() {
      var rankOfList = [Int](repeating: 0, count: centroids.count)
      for (rank, hit) in coarse[query].enumerated() { rankOfList[Int(hit.id)] = rank }
      for hit in found[query].filter({ $0.id != Int64(place) }).prefix(Self.neighbors) {
        counts[rankOfList[listOfRow[Int(hit.id)]]] += 1
      }
    }
    let total = counts.reduce(0, +)
    var reached = 0
    return counts.map { count in
      reached += count
      return total > 0 ? Float(reached) / Float(total) : 1
    }
  }
}
