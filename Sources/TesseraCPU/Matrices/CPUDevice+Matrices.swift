internal import CSIMD
public import TesseraCompute
internal import TesseraHost

extension CPUDevice {
  /// Calls `multiply` with the vectors transposed, in Float32.
  public func innerProducts(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.innerProducts(queries, vectors, into: scores)
    try multiply(
      queries, transposed: false, vectors, transposed: true, alpha: 1, beta: 0, into: scores)
  }

  /// Calls OpenBLAS's `sgemm`. Throws `.unsupported` for a side of more than 2^31 - 1 elements.
  public func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, alpha: Float, beta: Float, into result: Matrix<Float>
  ) throws(TesseraError) {
    let inner = try Shapes.multiply(
      a, transposed: aTransposed, b, transposed: bTransposed, into: result)
    let left = try a.hostElements("multiply")
    let right = try b.hostElements("multiply")
    let out = try result.hostElements("multiply")
    guard result.count > 0, let target = out.baseAddress else { return }
    if alpha != 0, inner > 0, usesLibrary(rows: result.rows, columns: result.columns, inner: inner),
      let library = BLAS.shared,
      library.multiply(
        left.baseAddress, columns: a.columns, transposed: aTransposed, right.baseAddress,
        columns: b.columns, transposed: bTransposed, inner: inner, alpha: alpha, beta: beta,
        into: target, rows: result.rows, columns: result.columns, threads: workers.count)
    {
      return
    }
    // Memory of 0 numbers has an address too, which is not read.
    let first = StridedFloats.rows(left.baseAddress ?? target, columns: a.columns)
    let second = StridedFloats.rows(right.baseAddress ?? target, columns: b.columns)
    // With alpha 0 the factors need not be numbers: as if they had no terms.
    let isScaling = alpha == 0 || inner == 0
    try products.multiply(
      aTransposed ? first.transposed : first, bTransposed ? second.transposed : second,
      rows: result.rows, columns: result.columns, inner: isScaling ? 0 : inner,
      alpha: isScaling ? 0 : alpha, beta: beta, into: target, stride: result.columns)
  }

  /// The kernels with this device's threads.
  var products: BlockedProduct { BlockedProduct(kernels: kernels, workers: workers) }

  /// Tells whether a product of this size is better given to OpenBLAS.
  private func usesLibrary(rows: Int, columns: Int, inner: Int) -> Bool {
    switch productPolicy {
    case .kernels: return false
    case .library: return true
    case .auto:
      // Waking the library's threads takes as long as a small product, and there is nothing to
      // gain.
      return Double(rows) * Double(columns) * Double(inner) >= 0x1p24
    }
  }

  /// Selects by a partial sort of keys, rows divided among threads.
  public func topK(
    _ scores: Matrix<Float>, order: ScoreOrder, into values: Matrix<Float>,
    _ columns: Matrix<Int32>
  ) throws(TesseraError) {
    try Shapes.topK(scores, into: values, columns)
    let (k, width) = (values.columns, scores.columns)
    let all = try HostSpan(scores, "topK")
    let best = try HostSpan(values, "topK")
    let chosen = try HostSpan(columns, "topK")
    guard k > 0 else { return }
    let scratchCount = csimd_select_scratch(width, k)
    try workers.split(scores.rows, minimum: max(1, 16384 / width)) { rows throws(TesseraError) in
      let scratch = try HostStorage(allocating: scratchCount * 8)
      for row in rows {
        csimd_select_scores(
          all.start + row * width, width, k, order == .largestFirst ? 1 : 0,
          chosen.start + row * k, scratch.start(as: UInt64.self))
        for place in row * k..<(row + 1) * k {
          best.start[place] = all.start[row * width + Int(chosen.start[place])]
        }
      }
    }
  }

  /// Sorts the points by label, then adds each cluster on one thread.
  public func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>
  ) throws(TesseraError) {
    try Shapes.accumulateClusters(points, labels, into: sums, counts)
    let width = points.columns
    let rows = try HostSpan(points, "accumulateClusters")
    let totals = try HostSpan(sums, "accumulateClusters")
    let (order, starts) = try Self.sortedByLabel(
      labels.hostElements("accumulateClusters"), clusters: sums.rows)
    let counts = try counts.hostElements("accumulateClusters")
    for cluster in 0..<sums.rows {
      counts[cluster] = Int32(starts[cluster + 1] - starts[cluster])
    }
    let members = order
    try workers.split(sums.rows, minimum: 1) { clusters throws(TesseraError) in
      let run = try HostStorage(allocating: width * 8)
      members.withUnsafeBufferPointer { members in
        for cluster in clusters {
          kernels.table.pointee.sum_rows(
            rows.start, width, members.baseAddress.map { $0 + starts[cluster] },
            starts[cluster + 1] - starts[cluster], totals.start + cluster * width, run.doubles)
        }
      }
    }
  }

  /// The points of each cluster in rising order, cluster after cluster, and where each begins:
  /// a counting sort.
  private static func sortedByLabel(
    _ labels: UnsafeMutableBufferPointer<Int32>, clusters: Int
  ) throws(TesseraError) -> (order: [Int32], starts: [Int]) {
    var starts = [Int](repeating: 0, count: clusters + 1)
    let run = 1 << 20
    try StopSignal.checkEvery(run, of: labels.count) { points throws(TesseraError) in
      for point in points {
        let label = labels[point]
        guard label >= 0, Int(label) < clusters else {
          throw Shapes.outside(
            "accumulateClusters: label", value: Int(label), at: point, limit: clusters)
        }
        starts[Int(label) + 1] += 1
      }
    }
    for cluster in 0..<clusters { starts[cluster + 1] += starts[cluster] }
    var next = starts
    var order = [Int32](repeating: 0, count: labels.count)
    try StopSignal.checkEvery(run, of: labels.count) { points in
      for point in points {
        let label = Int(labels[point])
        order[next[label]] = Int32(point)
        next[label] += 1
      }
    }
    return (order, starts)
  }

  /// Adds table entries with SIMD kernels; queries and rows are divided among threads.
  public func lookupScores(
    _ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.lookupScores(tables, codes, into: scores)
    let subspaceCount = codes.columns
    let codewords = tables.columns / subspaceCount
    let table = try HostSpan(tables, "lookupScores")
    let code = try HostSpan(codes, "lookupScores")
    let result = try HostSpan(scores, "lookupScores")
    if codewords < 256, let index = (0..<codes.count).first(where: { code.start[$0] >= codewords })
    {
      throw Shapes.outside(
        "lookupScores: code", value: Int(code.start[index]), at: index, limit: codewords)
    }
    // Rows are cut as well as queries: one query is enough to keep every worker busy.
    let block = 16384
    let blocks = (codes.rows + block - 1) / block
    try workers.run(scores.rows * blocks) { task throws(TesseraError) in
      let query = task / blocks
      let first = task % blocks * block
      kernels.table.pointee.lookup_scores(
        table.start + query * tables.columns, codewords, code.start + first * subspaceCount,
        subspaceCount,
        min(block, codes.rows - first), result.start + query * codes.rows + first)
    }
  }

  /// Checks all row numbers, then copies rows on several threads.
  public func gather(
    _ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>
  ) throws(TesseraError) {
    try Shapes.gather(source, rows: rows, into: target)
    let width = source.columns
    let values = try HostSpan(source, "gather")
    let wanted = try HostSpan(rows, "gather")
    let result = try HostSpan(target, "gather")
    for index in 0..<rows.rows where !(0..<source.rows).contains(Int(wanted.start[index])) {
      throw Shapes.outside(
        "gather: row", value: Int(wanted.start[index]), at: index, limit: source.rows)
    }
    try workers.split(target.rows, minimum: max(1, 65536 / max(1, width))) { range in
      for index in range {
        (result.start + index * width).update(
          from: values.start + Int(wanted.start[index]) * width, count: width)
      }
    }
  }
}

/// The elements of a matrix in host memory, kept alive, for use from several workers.
///
/// Safe: each worker writes only the rows it was given.
struct HostSpan<Element: DeviceScalar>: @unchecked Sendable {
  let start: UnsafeMutablePointer<Element>
  private let storage: Storage

  init(_ matrix: Matrix<Element>, _ operation: String) throws(TesseraError) {
    // Aligned allocations are never null, not even of 0 bytes.
    start = try matrix.hostElements(operation).baseAddress.unsafelyUnwrapped
    storage = matrix.storage
  }
}
