import TesseraCompute

/// k-means and product quantization.
extension Workload {
  static func kmeans(
    on device: any Device, _ size: BenchmarkSize
  ) throws(TesseraError) -> Workload {
    let (rows, dimension, clusters) = size.pick(
      (10_000, 32, 64), (50_000, 64, 256), (100_000, 128, 1024), (4_000_000, 128, 4096))
    let values = BenchmarkInput.clustered(rows, dimension, seed: 41)
    let starts = BenchmarkInput.clustered(clusters, dimension, seed: 42)
    let points = try device.upload(values, rows: rows, columns: dimension)
    let centroids = try device.upload(starts, rows: clusters, columns: dimension)
    let labels = try device.allocate(Int32.self, rows: rows, columns: 1)
    let distances = try device.allocate(Float.self, rows: rows, columns: 1)
    let sums = try device.allocate(Double.self, rows: clusters, columns: dimension)
    let counts = try device.allocate(Int32.self, rows: clusters, columns: 1)
    return Workload(
      shape: ["rows": rows, "dimension": dimension, "k": clusters],
      work: 2 * Double(rows) * Double(dimension) * Double(clusters)
    ) { () throws(TesseraError) in
      try device.assignNearest(
        points, to: centroids, metric: .squaredL2, into: labels, distances)
      try device.accumulateClusters(points, labels, into: sums, counts)
    } check: { () throws(TesseraError) in
      let found = try device.download(labels)
      let checkedRows = 16
      let host = ReferenceDevice.shared
      let few = try host.upload(
        Array(values.prefix(checkedRows * dimension)), rows: checkedRows, columns: dimension)
      let fewLabels = try host.allocate(Int32.self, rows: checkedRows, columns: 1)
      let fewDistances = try host.allocate(Float.self, rows: checkedRows, columns: 1)
      try host.assignNearest(
        few, to: host.upload(starts, rows: clusters, columns: dimension), metric: .squaredL2,
        into: fewLabels, fewDistances)
      let checked =
        try compare(
          .kmeans, device, labels.rows(0..<checkedRows), host.download(fewLabels))
        + compare(
          .kmeans, device, distances.rows(0..<checkedRows), host.download(fewDistances))
      return try checked
        + checkCluster(
          of: found, values, dimension: dimension, sums, counts, on: device)
    }
  }

  /// Checks that the cluster of the first point has the sum and count of its points, bit for bit.
  private static func checkCluster(
    of labels: [Int32], _ values: [Float], dimension: Int, _ sums: Matrix<Double>,
    _ counts: Matrix<Int32>, on device: any Device
  ) throws(TesseraError) -> Int {
    guard let cluster = labels.first.map(Int.init) else { return 0 }
    let members = labels.indices.filter { labels[$0] == cluster }
    let host = ReferenceDevice.shared
    let points = try host.upload(
      members.flatMap { values[$0 * dimension..<($0 + 1) * dimension] }, rows: members.count,
      columns: dimension)
    let zeros = try host.upload(
      [Int32](repeating: 0, count: members.count), rows: members.count, columns: 1)
    let sum = try host.allocate(Double.self, rows: 1, columns: dimension)
    let count = try host.allocate(Int32.self, rows: 1, columns: 1)
    try host.accumulateClusters(points, zeros, into: sum, count)
    let place = cluster..<cluster + 1
    return try compare(.kmeans, device, sums.rows(place), host.download(sum))
      + compare(.kmeans, device, counts.rows(place), host.download(count))
  }

  static func encode(
    on device: any Device, _ size: BenchmarkSize
  ) throws(TesseraError) -> Workload {
    let (rows, dimension, subspaces) = size.pick(
      (2000, 32, 8), (10_000, 64, 16), (50_000, 128, 16), (2_000_000, 128, 16))
    let codewords = 256
    let values = BenchmarkInput.uniform(rows * dimension, seed: 43)
    let book = BenchmarkInput.uniform(codewords * dimension, seed: 44)
    let points = try device.upload(values, rows: rows, columns: dimension)
    let width = dimension / subspaces
    let codebook = try ProductCodebook(
      device.upload(book, rows: subspaces * codewords, columns: width), subspaceCount: subspaces)
    let codes = try device.allocate(UInt8.self, rows: rows, columns: subspaces)
    return Workload(
      shape: ["rows": rows, "dimension": dimension, "subspaces": subspaces],
      work: 2 * Double(rows) * Double(dimension) * Double(codewords)
    ) { () throws(TesseraError) in
      try device.encode(points, codebook, into: codes)
    } check: { () throws(TesseraError) in
      let host = ReferenceDevice.shared
      let checkedRows = 32
      let few = try host.upload(
        Array(values.suffix(checkedRows * dimension)), rows: checkedRows, columns: dimension)
      let fewCodes = try host.allocate(UInt8.self, rows: checkedRows, columns: subspaces)
      let hostBook = try ProductCodebook(
        host.upload(book, rows: subspaces * codewords, columns: width), subspaceCount: subspaces)
      try host.encode(few, hostBook, into: fewCodes)
      return try compare(
        .encode, device, codes.rows(rows - checkedRows..<rows), host.download(fewCodes))
    }
  }

  static func lookupScores(
    on device: any Device, _ size: BenchmarkSize
  ) throws(TesseraError) -> Workload {
    let (queries, rows, subspaces) = size.pick(
      (4, 20_000, 8), (16, 200_000, 16), (32, 400_000, 32), (64, 8_000_000, 32))
    let codewords = 256
    let entries = BenchmarkInput.uniform(queries * subspaces * codewords, seed: 45)
    var random = SplitMix64(seed: 46)
    let bytes = (0..<rows * subspaces).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let tables = try device.upload(entries, rows: queries, columns: subspaces * codewords)
    let codes = try device.upload(bytes, rows: rows, columns: subspaces)
    let scores = try device.allocate(Float.self, rows: queries, columns: rows)
    return Workload(
      shape: ["queries": queries, "rows": rows, "subspaces": subspaces],
      work: Double(queries) * Double(rows) * Double(subspaces)
    ) { () throws(TesseraError) in
      try device.lookupScores(tables, codes, into: scores)
    } check: { () throws(TesseraError) in
      let host = ReferenceDevice.shared
      let last = try host.upload(
        Array(entries.suffix(subspaces * codewords)), rows: 1, columns: subspaces * codewords)
      let checkedRows = 64
      let few = try host.upload(
        Array(bytes.prefix(checkedRows * subspaces)), rows: checkedRows, columns: subspaces)
      let expected = try host.allocate(Float.self, rows: 1, columns: checkedRows)
      try host.lookupScores(last, few, into: expected)
      let start = Matrix<Float>(
        scores.storage, offset: scores.offset + (queries - 1) * rows, rows: 1,
        columns: checkedRows)
      return try compare(.lookupScores, device, start, host.download(expected))
    }
  }

  static func nearestCodes(
    on device: any Device, _ size: BenchmarkSize
  ) throws(TesseraError) -> Workload {
    let (queries, rows, subspaceCount) = size.pick(
      (8, 20_000, 8), (64, 200_000, 16), (256, 400_000, 32), (1024, 8_000_000, 32))
    let (codewords, k) = (16, 10)
    let entries = BenchmarkInput.uniform(queries * subspaceCount * codewords, seed: 47)
    var random = SplitMix64(seed: 48)
    let bytes = (0..<rows * subspaceCount / 2).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let tables = try device.upload(entries, rows: queries, columns: subspaceCount * codewords)
    let set = try device.prepare(ProductCodes(bytes, subspaceCount: subspaceCount, bits: 4))
    let found = LastHits()
    return Workload(
      shape: ["queries": queries, "rows": rows, "subspaces": subspaceCount, "k": k],
      work: Double(queries) * Double(rows) * Double(subspaceCount)
    ) { () throws(TesseraError) in
      found.neighbors = try device.nearestCodes(tables, in: set, order: .largestFirst, k: k)
    } check: { () throws(TesseraError) in
      try check(
        found.neighbors, .nearestCodes, queries: queries, rows: rows, k: k, on: device
      ) { query, row in
        (0..<subspaceCount).reduce(Float(0)) { sum, subspace in
          let number = Int(bytes[(row * subspaceCount + subspace) / 2] >> (subspace % 2 * 4) & 15)
          return sum + entries[(query * subspaceCount + subspace) * codewords + number]
        }
      }
    }
  }
}
