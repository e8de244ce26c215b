import TesseraCompute

/// Clustering and quantization.
let clusterChecks: [Check] =
  [
    accumulateCheck(points: 700, columns: 3, clusters: 5),
    accumulateCheck(points: 300, columns: 34, clusters: 20),
    encodeCheck(points: 70, subspaces: 2, codewords: 20, width: 3),
    encodeCheck(points: 10, subspaces: 1, codewords: 33, width: 18),
    lookupCheck(rows: 1100, subspaceCount: 9, codewords: 7),
    // More codewords than a byte can name.
    lookupCheck(rows: 20, subspaceCount: 9, codewords: 300),
    Check("a label outside the clusters") { device in
      let sums = try device.allocate(Double.self, rows: 3, columns: 1)
      let counts = try device.allocate(Int32.self, rows: 3, columns: 1)
      do {
        try device.accumulateClusters(
          device.upload(numbers(4, seed: 1), rows: 4, columns: 1),
          device.upload([0, 3, 1, 9], rows: 4, columns: 1), into: sums, counts)
        return "nothing was thrown"
      } catch {
        return "\(error)"
      }
    },
    Check("a point that is not finite") { device in
      let codes = try device.allocate(UInt8.self, rows: 4, columns: 1)
      do {
        try device.encode(
          device.upload([1, .nan, 2, .infinity], rows: 4, columns: 1),
          ProductCodebook(
            device.upload(numbers(2, seed: 1), rows: 2, columns: 1), subspaceCount: 1),
          into: codes)
        return "nothing was thrown"
      } catch {
        return "\(error)"
      }
    },
  ]

private func accumulateCheck(points: Int, columns: Int, clusters: Int) -> Check {
  Check("accumulateClusters \(points) x \(columns) in \(clusters)") { device in
    let sums = try device.allocate(Double.self, rows: clusters, columns: columns)
    let counts = try device.allocate(Int32.self, rows: clusters, columns: 1)
    // Most points in cluster 1, which so has several runs; the last cluster is empty.
    let labels = (0..<points).map { Int32($0 % 3 == 0 ? $0 % (clusters - 1) : 1) }
    try device.accumulateClusters(
      device.upload(numbers(points * columns, seed: 1), rows: points, columns: columns),
      device.upload(labels, rows: points, columns: 1), into: sums, counts)
    return try [device.download(sums), device.download(counts).map(Double.init)]
  }
}

private func lookupCheck(rows: Int, subspaceCount: Int, codewords: Int) -> Check {
  Check("lookupScores of \(rows) codes of \(subspaceCount) x \(codewords)") { device in
    let scores = try device.allocate(Float.self, rows: 2, columns: rows)
    try device.lookupScores(
      device.upload(
        numbers(2 * subspaceCount * codewords, seed: 1), rows: 2, columns: subspaceCount * codewords
      ),
      device.upload(
        (0..<rows * subspaceCount).map { UInt8($0 * 5 % 7) }, rows: rows, columns: subspaceCount),
      into: scores)
    return try device.download(scores)
  }
}

private func encodeCheck(points: Int, subspaces: Int, codewords: Int, width: Int) -> Check {
  Check("encode \(points) points, \(subspaces) x \(codewords) x \(width)") { device in
    let codes = try device.allocate(UInt8.self, rows: points, columns: subspaces)
    let codebook = try ProductCodebook(
      device.upload(
        numbers(subspaces * codewords * width, seed: 1), rows: subspaces * codewords,
        columns: width), subspaceCount: subspaces)
    try device.encode(
      device.upload(
        numbers(points * subspaces * width, seed: 2), rows: points, columns: subspaces * width),
      codebook, into: codes)
    return try device.download(codes)
  }
}
