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
      var given = originals
      if case .bits(let own) = content { given = own.vectors }
      if let originals {
        rows = try transforms.apply(to: originals, on: device, "measure lists")
      } else {
        rows = try decoded(0..<count, on: device)
      }
      try control.report("measure lists", done: 0.1)
      let lists = ListCalibration(
        rows: rows, given: given ?? rows, order: nil, lists: lists, centroids: coarse.centroids,
        metric: metric, bits: bits)
      let radius = try lists.radius(on: device)
      try control.report("measure lists", done: 0.3)
      let recall = try lists.recall(on: device)
      try control.report("measure lists", done: 1)
      return Index(
        specification, metric: metric, dimension: dimension, transforms: transforms,
        lists: self.lists,
        coarse: CoarseLists(centroids: coarse.centroids, radius: radius, recall: recall),
        content: content, originals: originals, file: file, history: history)
    }
  }
}

/// Measures lists by the rows in them.
struct ListCalibration {
  /// The rows in the order of lists, transformed.
  let rows: Vectors
  /// The rows as they were given, as far as they are still there.
  let given: Vectors
  /// Which of `given` each of `rows` was; nil where they are in the same order.
  let order: [Int]?
  let lists: RowLists
  let centroids: Vectors
  let metric: Metric
  /// How `given` are compared where they are rows of bits.
  let bits: BitMetric?
  /// Bytes that may be held; nil: as many as a search takes.
  var memoryLimit: Int?

  /// The largest distance of a row from its list's centroid.
  func radius(on device: any Device) throws(TesseraError) -> Float {
    let isCosine = metric == .cosine
    let largest: [Double] = try device.hostWorkers.makeEachRow(lists.count, of: 1, minimum: 1) {
      list, largest throws(TesseraError) in
      try StopSignal.check()
      var most = 0.0
      let centroid = centroids.row(list).map(Double.init)
      let centroidScale = isCosine ? Self.inverseLength(centroid) : 1
      for row in lists[list] {
        let values = rows.row(row).map(Double.init)
        let scale = isCosine ? Self.inverseLength(values) : 1
        var sum = 0.0
        for (value, middle) in zip(values, centroid) {
          let difference = value * scale - middle * centroidScale
          sum += difference * difference
        }
        most = max(most, sum)
      }
      largest[0] = most
    }
    if memoryLimit != nil { rows.evict() }
    return Float((largest.max() ?? 0).squareRoot()).nextUp
  }

  private static func inverseLength(_ values: [Double]) -> Double {
    let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return length > 0 ? 1 / length : 0
  }

  /// Rows that are asked to measure recall, and neighbors that each should find.
  private static let sampleSize = 256
  private static let neighbors = 10

  /// Asks some rows, as they were given, for their neighbors but themselves, and counts in how many of
  /// the lists that are nearest to the transformed rows those lie.
  func recall(on device: any Device) throws(TesseraError) -> [Float] {
    let order = order ?? Array(0..<rows.count)
    let places = Set((0..<Self.sampleSize).map { $0 * rows.count / Self.sampleSize }).sorted()
    let asked = try given.gathered(places.map { order[$0] })
    let all =
      if let bits { try Index(whole: given, metric: bits) } else {
        Index(whole: given, metric: metric)
      }
    let found = try IndexSearch(
      all, on: device, options: IndexSearch.Options(memoryBudget: memoryLimit)
    ).nearest(asked, k: Self.neighbors + 1).neighbors
    let coarse = try device.nearest(
      rows.gathered(places), in: device.prepare(centroids, metric: metric), k: centroids.count)
    var listOfRow = [Int32](repeating: 0, count: rows.count)
    for list in 0..<lists.count {
      for place in lists[list] { listOfRow[order[place]] = Int32(list) }
    }
    var counts = [Int](repeating: 0, count: centroids.count)
    var total = 0
    var rankOfList = [Int](repeating: 0, count: centroids.count)
    for (query, place) in places.enumerated() {
      for (rank, hit) in coarse[query].enumerated() { rankOfList[Int(hit.id)] = rank }
      for hit in found[query].filter({ $0.id != Int64(order[place]) }).prefix(Self.neighbors) {
        counts[rankOfList[Int(listOfRow[Int(hit.id)])]] += 1
        total += 1
      }
    }
    var reached = 0
    return counts.map { count in
      reached += count
      return total > 0 ? Float(reached) / Float(total) : 1
    }
  }
}
