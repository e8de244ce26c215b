internal import TesseraCompute

/// A small problem that a device must solve as the reference does, bit for bit, before its kernels
/// are used. Each runs the kernels that an operation uses; the name tells apart those that are
/// compiled differently.
struct SelfTest: Sendable {
  let name: String
  let operation: DeviceOperation
  /// The bits of the result.
  let problem: @Sendable (any Device) throws(TesseraError) -> [UInt32]

  /// True if the host does the operation where its kernels are wrong. Searches are too much for the
  /// plain reference: the caller takes another device.
  var isLeftToHost: Bool { ![.nearest, .assignNearest].contains(operation) }

  init(
    _ operation: DeviceOperation, _ variant: String = "",
    _ problem: @escaping @Sendable (any Device) throws(TesseraError) -> [UInt32]
  ) {
    name = operation.rawValue + (variant.isEmpty ? "" : " " + variant)
    self.operation = operation
    self.problem = problem
  }

  // MARK: Searches

  /// - Parameters:
  ///   - isSelected: Whether only some rows are searched.
  ///   - filter: The numbers that the filter computes in.
  ///   - unit: The unit that multiplies for a filter on rounded numbers.
  static func nearest(
    _ element: ElementType, isSelected: Bool = false, _ filter: SearchFilter, on unit: MatrixUnit?
  ) -> SelfTest {
    let rounding = filter == .float32 ? "" : ", \(filter.rawValue) on \(unit?.name ?? "nothing")"
    return SelfTest(.nearest, "\(element)" + (isSelected ? " selected" : "") + rounding) {
      device throws(TesseraError) in
      // Rounding begins where it pays.
      let dimension = filter == .float32 ? 8 : SearchFilter.worthwhileDimensions.lowerBound + 8
      let rows = try vectors(200, dimension, element, seed: 1)
      let queries = try vectors(130, dimension, element, seed: 2)
      var bits: [UInt32] = []
      // Flat tiles, small ones, and large ones, of which two lie side by side each way.
      for (metric, queryCount, isLarge) in [
        (Metric.innerProduct, 9, false), (.cosine, 5, false), (.squaredL2, 40, false),
        (.innerProduct, 130, true),
      ] {
        let set = try device.prepare(rows, metric: metric, firstID: 7)
        let hits = try device.nearest(
          queries.rows(0..<queryCount), in: set, k: 10, only: isSelected ? .range(20..<150) : nil,
          usesLargeTiles: isLarge)
        bits += hits.ids.map { UInt32(truncatingIfNeeded: $0) } + hits.scores.map(\.bitPattern)
      }
      return bits
    }
  }

  /// Lists of rows whose ids are in no order: searched whole, and those that queries look at.
  static let nearestInLists = SelfTest(.nearest, "in lists") { device throws(TesseraError) in
    let rows = try vectors(200, 8, .float32, seed: 1)
    let queries = try vectors(21, 8, .float32, seed: 2)
    let lists = try RowLists(
      starts: [0, 1, 1, 60, 97, 200], ids: IDMap((0..<200).map { Int64($0 * 37 % 200) }))
    let probes = try Probes(
      starts: (0...21).map { 2 * $0 },
      lists: (0..<21).flatMap { [Int32($0 % 5), Int32(($0 + 2) % 5)] })
    var bits: [UInt32] = []
    for metric in [Metric.innerProduct, .squaredL2] {
      let set = try device.prepare(rows, in: lists, metric: metric)
      for (probes, selector) in [(probes, nil), (nil, nil), (probes, IDSelector.range(20..<150))] {
        let hits = try device.nearest(
          queries, in: set, probing: probes, within: .k(10), only: selector)
        bits += hits.starts.map { UInt32($0) } + hits.scores.map(\.bitPattern)
        bits += hits.ids.map { UInt32(truncatingIfNeeded: $0) }
      }
    }
    return bits
  }

  static let assignNearest = SelfTest(.assignNearest) { device throws(TesseraError) in
    let points = try device.upload(numbers(70 * 4, seed: 1), rows: 70, columns: 4)
    let centroids = try device.upload(numbers(37 * 4, seed: 2), rows: 37, columns: 4)
    let labels = try unwritten(Int32.self, rows: 70, columns: 1, on: device)
    let scores = try unwritten(Float.self, rows: 70, columns: 1, on: device)
    try device.assignNearest(
      points, to: centroids, metric: .squaredL2, into: labels, scores)
    return try device.download(labels).map(UInt32.init(bitPattern:))
      + device.download(scores).map(\.bitPattern)
  }

  // MARK: Matrices

  /// Sums of products of such coarse numbers are exact in any order.
  ///
  /// - Parameter largeTiles: How many of the largest tiles the rows are cut into, two side by side
  ///   · 0 for few numbers.
  static func multiply(aTransposed: Bool, bTransposed: Bool, largeTiles: Int = 0) -> SelfTest {
    SelfTest(
      .multiply,
      "\(aTransposed ? "At" : "A") \(bTransposed ? "Bt" : "B")"
        + (largeTiles == 0 ? "" : " large")
    ) { device throws(TesseraError) in
      let (rows, inner, columns) = largeTiles == 0 ? (70, 17, 37) : (128 * largeTiles - 1, 17, 133)
      let a = try device.upload(
        numbers(rows * inner, seed: 1), rows: aTransposed ? inner : rows,
        columns: aTransposed ? rows : inner)
      let b = try device.upload(
        numbers(inner * columns, seed: 2), rows: bTransposed ? columns : inner,
        columns: bTransposed ? inner : columns)
      let result = try device.upload(
        numbers(rows * columns, seed: 3), rows: rows, columns: columns)
      try device.multiply(
        a, transposed: aTransposed, b, transposed: bTransposed, alpha: 2, beta: 0.5, into: result)
      return try device.download(result).map(\.bitPattern)
    }
  }

  static func topK(_ order: ScoreOrder) -> SelfTest {
    SelfTest(.topK, order == .largestFirst ? "largest" : "smallest") {
      device throws(TesseraError) in
      var bits: [UInt32] = []
      // One selected at once, one in segments, and one too long to sort in local memory.
      for (rows, columns, k) in [(2, 300, 20), (1, 40_000, 3), (1, 2600, 2100)] {
        let scores = try device.upload(
          numbers(rows * columns, seed: 1), rows: rows, columns: columns)
        let values = try unwritten(Float.self, rows: rows, columns: k, on: device)
        let places = try unwritten(Int32.self, rows: rows, columns: k, on: device)
        try device.topK(scores, order: order, into: values, places)
        bits += try device.download(values).map(\.bitPattern)
        bits += try device.download(places).map(UInt32.init(bitPattern:))
      }
      return bits
    }
  }

  static let gather = SelfTest(.gather) { device throws(TesseraError) in
    let source = try device.upload(numbers(35, seed: 1), rows: 7, columns: 5)
    let rows = try device.upload((0..<40).map { Int32($0 * 3 % 7) }, rows: 40, columns: 1)
    let target = try unwritten(Float.self, rows: 40, columns: 5, on: device)
    try device.gather(source, rows: rows, into: target)
    return try device.download(target).map(\.bitPattern)
  }

  // MARK: Clusters and codes

  static let accumulateClusters = SelfTest(.accumulateClusters) { device throws(TesseraError) in
    let (points, columns, clusters) = (700, 3, 20)
    let sums = try unwritten(Double.self, rows: clusters, columns: columns, on: device)
    let counts = try unwritten(Int32.self, rows: clusters, columns: 1, on: device)
    // Most points in cluster 1, which so has several runs; the last cluster is empty.
    let labels = (0..<points).map { Int32($0 % 3 == 0 ? $0 % (clusters - 1) : 1) }
    try device.accumulateClusters(
      device.upload(numbers(points * columns, seed: 1), rows: points, columns: columns),
      device.upload(labels, rows: points, columns: 1), into: sums, counts)
    // Sums of so few coarse numbers are exact in Float32 too.
    return try device.download(sums).map { Float($0).bitPattern }
      + device.download(counts).map(UInt32.init(bitPattern:))
  }

  static func encode(width: Int) -> SelfTest {
    SelfTest(.encode, "width \(width)") { device throws(TesseraError) in
      let (points, subspaces, codewords) = (40, 2, 33)
      let codebook = try ProductCodebook(
        device.upload(
          numbers(subspaces * codewords * width, seed: 1), rows: subspaces * codewords,
          columns: width), subspaceCount: subspaces)
      let codes = try unwritten(UInt8.self, rows: points, columns: subspaces, on: device)
      try device.encode(
        device.upload(
          numbers(points * subspaces * width, seed: 2), rows: points, columns: subspaces * width),
        codebook, into: codes)
      return try device.download(codes).map(UInt32.init)
    }
  }

  static let lookupScores = SelfTest(.lookupScores) { device throws(TesseraError) in
    let scores = try unwritten(Float.self, rows: 2, columns: 1100, on: device)
    try device.lookupScores(
      device.upload(numbers(2 * 9 * 7, seed: 1), rows: 2, columns: 9 * 7),
      device.upload((0..<1100 * 9).map { UInt8($0 * 5 % 7) }, rows: 1100, columns: 9),
      into: scores)
    return try device.download(scores).map(\.bitPattern)
  }

  /// Several launches, tables in bytes, and tables that bytes cannot hold.
  static func nearestCodes(bits: Int) -> SelfTest {
    SelfTest(.nearestCodes, "\(bits) bits") { device throws(TesseraError) in
      let (count, subspaceCount, queryCount) = (1100, 9, 6)
      let (columns, width) = (subspaceCount << bits, (subspaceCount * bits + 7) / 8)
      var random = SplitMix64(seed: 1)
      var bytes = (0..<count * width).map { _ in UInt8(random.nextIndex(below: 256)) }
      // Most rows tie.
      for row in 0..<count where row % 3 != 0 {
        for byte in 0..<width { bytes[row * width + byte] = bytes[byte] }
      }
      var entries = numbers(queryCount * columns, seed: 2)
      entries[3 * columns + 5] = 0x1p127
      let set = try device.prepare(ProductCodes(bytes, subspaceCount: subspaceCount, bits: bits))
      let tables = try device.upload(entries, rows: queryCount, columns: columns)
      var bits: [UInt32] = []
      for (order, k) in [(ScoreOrder.largestFirst, 10), (.smallestFirst, 3)] {
        let hits = try device.nearestCodes(tables, in: set, order: order, k: k)
        bits += hits.ids.map { UInt32(truncatingIfNeeded: $0) } + hits.scores.map(\.bitPattern)
      }
      return try bits + listed(bytes, tables.rows(0..<3), subspaceCount, on: device)
    }
  }

  /// Codes with scales and offsets in lists, ids in another order than rows, and terms.
  private static func listed(
    _ bytes: [UInt8], _ tables: Matrix<Float>, _ subspaceCount: Int, on device: any Device
  ) throws(TesseraError) -> [UInt32] {
    let bits = tables.columns / subspaceCount == 16 ? 4 : 8
    let count = bytes.count / ((subspaceCount * bits + 7) / 8)
    let codes = try ProductCodes(
      bytes, subspaceCount: subspaceCount, bits: bits,
      scales: numbers(count, seed: 3).map { abs($0) }, offsets: numbers(count, seed: 4))
    let lists = try RowLists(
      starts: [0, 33, 700, 700, count], ids: IDMap((0..<Int64(count)).reversed()))
    let hits = try device.nearestCodes(
      CodeQueries(tables, offsetWeights: [1, -0.5, 2]), in: device.prepare(codes, in: lists),
      probing: Probes(
        starts: [0, 2, 3, 5], lists: [1, 0, 3, 3, 1], terms: numbers(5, seed: 5)),
      order: .smallestFirst, within: .k(40), only: .range(5..<900))
    return hits.ids.map { UInt32(truncatingIfNeeded: $0) } + hits.scores.map(\.bitPattern)
  }

  // MARK: Numbers

  /// A matrix for results, full of bytes that no result has. New memory may hold the right results
  /// of an earlier trial, which a kernel that does nothing would leave there.
  static func unwritten<Element: DeviceScalar>(
    _: Element.Type, rows: Int, columns: Int, on device: any Device
  ) throws(TesseraError) -> Matrix<Element> {
    let matrix = try device.allocate(Element.self, rows: rows, columns: columns)
    let bytes = [UInt8](repeating: 0xFF, count: matrix.count * MemoryLayout<Element>.stride)
    try device.upload(bytes, to: Matrix(matrix.storage, rows: 1, columns: bytes.count))
    return matrix
  }

  /// Multiples of 1/128 in -1..<1.
  private static func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float(random.nextIndex(below: 256) - 128) / 128 }
  }

  /// Rows of finite numbers of every element type.
  private static func vectors(
    _ count: Int, _ dimension: Int, _ element: ElementType, seed: UInt64
  ) throws(TesseraError) -> Vectors {
    var random = SplitMix64(seed: seed)
    func words(_ mask: UInt16, _ exponent: UInt16) -> HostMemory {
      // The sign, some digits, and an exponent of 0: 1 to 2, or -1 to -2.
      HostMemory(
        copying: (0..<count * dimension).map { _ in
          UInt16(random.nextIndex(below: 1 << 16)) & mask | exponent
        })
    }
    let memory =
      switch element {
      case .float32: HostMemory(copying: numbers(count * dimension, seed: seed))
      case .float16: words(0x83FF, 0x3C00)
      case .bfloat16: words(0x807F, 0x3F80)
      case .int8, .uint8:
        HostMemory(
          copying: (0..<count * dimension).map { _ in UInt8(random.nextIndex(below: 256)) })
      }
    return try Vectors(memory, element: element, count: count, dimension: dimension)
  }
}

extension Device {
  /// The nearest rows, by an OpenCL device's largest tiles if asked for.
  fileprivate func nearest(
    _ queries: Vectors, in set: VectorSet, k: Int, only selector: IDSelector?, usesLargeTiles: Bool
  ) throws(TesseraError) -> Neighbors {
    guard usesLargeTiles, let device = self as? OpenCLDevice else {
      return try nearest(queries, in: set, k: k, only: selector)
    }
    var limits = SearchLimits()
    limits.usesLargeTiles = true
    return try device.nearest(queries, in: set, k: k, only: selector, limits: limits)
  }
}
