public import TesseraCompute

extension ProductQuantizer: ScannedQuantizer {
  /// Returns asymmetric scores by tables: for each query, the score of each codeword with the
  /// query's subspace (Float64, rounded once), and for each code the Float32 sum of its codewords'
  /// entries in rising order of subspaces. Under cosine the query is scaled to unit length first, and
  /// the sum is divided by the length of what the code stands for.
  ///
  /// With more than 256 codewords a subspace, codes are decoded.
  ///
  /// - Throws: `.nonFinite` for a query whose scores would be beyond Float32.
  public func scores(
    of queries: Vectors, against codes: Codes, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    try tableScores(of: queries, against: codes, metric: metric, on: device)
  }

  package var canScan: Bool { bits <= 8 }
  package var scanEntries: Int { subspaceCount * codewordCount }
  package var scanCenter: [Float]? { nil }

  package func scanCodes(
    _ codes: Codes, metric: Metric, around centroids: ListedCentroids?
  ) throws(TesseraError) -> ProductCodes {
    try scanCodes(codes, metric: metric, around: centroids, after: nil)
  }

  /// - Parameter rotation: What vectors and centroids go through first; nil if nothing.
  func scanCodes(
    _ codes: Codes, metric: Metric, around centroids: ListedCentroids?, after rotation: LinearMap?
  ) throws(TesseraError) -> ProductCodes {
    try requireOwn(codes)
    let numbers = bits == 8 ? codes.bytes : packing.unpack(codes.bytes).map { UInt8($0) }
    var scales: [Float]?
    var offsets: [Float]?
    switch (metric, centroids) {
    case (.cosine, nil):
      // Shorter by what sums are rounded: a cosine is never above 1.
      let one = 1 - Double(subspaceCount + 16) * 0x1p-24
      scales = lengths(numbers).map { $0 > 0 ? Float(one / $0.squareRoot()) : 0 }
    case (.squaredL2, let centroids?):
      // |q - c - r|^2 = |q - c|^2 + |r|^2 + 2 c.r - 2 q.r
      let products = try products(numbers, centroids, rotation)
      offsets = zip(lengths(numbers), products).map { Float($0 + 2 * $1) }
    default: break
    }
    return bits == 4
      ? try ProductCodes(
        codes.bytes, subspaceCount: subspaceCount, bits: 4, scales: scales, offsets: offsets)
      : try ProductCodes(
        numbers, subspaceCount: subspaceCount, bits: 8, scales: scales, offsets: offsets)
  }

  /// The squared length of what each code stands for.
  private func lengths(_ numbers: [UInt8]) -> [Double] {
    let squares = (0..<subspaceCount * codewordCount).map { codeword in
      FixedOrder.squares(codewords.span.extracting(.row(codeword, of: width)))
    }
    return sums(numbers, of: 0..<numbers.count / subspaceCount, squares)
  }

  /// The product of what each code stands for with its list's centroid.
  private func products(
    _ numbers: [UInt8], _ lists: ListedCentroids, _ rotation: LinearMap?
  ) throws(TesseraError) -> [Double] {
    var products: [Double] = []
    products.reserveCapacity(numbers.count / subspaceCount)
    for list in 0..<lists.lists.count where !lists.lists[list].isEmpty {
      var centroid = lists.centroids.row(list)
      if let rotation {
        centroid = (0..<rotation.outputs).map { output in
          Float(
            FixedOrder.product(
              centroid.span, rotation.rows.span.extracting(.row(output, of: rotation.inputs))))
        }
      }
      let padded = try layout.padded(centroid)
      let entries = (0..<subspaceCount * codewordCount).map { codeword in
        let start = codeword / codewordCount * width
        return FixedOrder.product(
          codewords.span.extracting(.row(codeword, of: width)),
          padded.span.extracting(start..<start + width))
      }
      products += sums(numbers, of: lists.lists[list], entries)
    }
    return products
  }

  /// The Float64 sum of each code's entries, in rising subspaces.
  private func sums(_ numbers: [UInt8], of rows: Range<Int>, _ entries: [Double]) -> [Double] {
    rows.map { row in
      var sum = 0.0
      for subspace in 0..<subspaceCount {
        sum += entries[subspace * codewordCount + Int(numbers[row * subspaceCount + subspace])]
      }
      return sum
    }
  }

  package func scanQueries(
    _ queries: Vectors, metric: Metric, aroundCentroids: Bool, on device: any Device, firstRow: Int
  ) throws(TesseraError) -> ScanQueries {
    let own = metric == .cosine ? try queries.unitLength() : queries
    let isDistance = metric == .squaredL2
    var tables = try CodewordTables(self).tables(
      of: own, metric: isDistance && !aroundCentroids ? .squaredL2 : .innerProduct, on: device,
      firstRow: firstRow)
    if isDistance, aroundCentroids {
      for index in tables.indices { tables[index] *= -2 }
    }
    return ScanQueries(tables)
  }
}
