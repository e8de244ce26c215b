import TesseraBenchmark
import TesseraCompute

/// The reference device under another name, wrong in one task.
final class WrongDevice: RoundedMultiplier {
  let info: DeviceInfo
  private let wrong: BenchmarkTask?
  private let memoryBytes: Int
  private let host = ReferenceDevice.shared

  init(_ wrong: BenchmarkTask?, memoryBytes: Int = .max) {
    self.wrong = wrong
    self.memoryBytes = memoryBytes
    info = DeviceInfo(
      identifier: "wrong", name: "Wrong", kind: .accelerator, variant: "none",
      memoryBytes: memoryBytes, computeUnits: 1, accelerated: [])
  }

  func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    guard byteCount <= memoryBytes else { throw TesseraError(.outOfMemory, "no room") }
    return try host.allocate(byteCount: byteCount)
  }

  func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    try host.upload(source, to: target, at: byteOffset)
    if wrong == .upload { try spoil(target, at: byteOffset + source.count - 4) }
  }

  func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try host.download(source, at: byteOffset, to: target)
    if wrong == .download { target[target.count - 1] ^= 1 }
  }

  func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    let found = try host.nearest(
      queries, in: set, probing: probes, within: limit, only: selector)
    return wrong == .read ? withoutBest(found) : found
  }

  func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, order: ScoreOrder,
    within limit: Limit, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    let found = try host.nearestCodes(
      queries, in: set, probing: probes, order: order, within: limit, only: selector)
    return wrong == .nearestCodes ? withoutBest(found) : found
  }

  /// The best hit is lost, and all others move up.
  private func withoutBest(_ found: Neighbors) -> Neighbors {
    Neighbors(
      queryCount: found.queryCount, hitCount: found.hitCount,
      ids: Array(found.ids.dropFirst()) + [found.ids[0]],
      scores: Array(found.scores.dropFirst()) + [found.scores[0]],
      statistics: found.statistics)
  }

  func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, alpha: Float, beta: Float, into result: Matrix<Float>
  ) throws(TesseraError) {
    // Good enough to look right, and outside the bound.
    try host.multiply(
      a, transposed: aTransposed, b, transposed: bTransposed,
      alpha: wrong == .multiply ? alpha * 1.01 : alpha, beta: beta, into: result)
  }

  func roundedProducts(
    of numbers: RoundedNumber, queries: Int, rows: Int, dimension: Int
  ) throws(TesseraError) -> RoundedProducts {
    let mistake = wrong == .multiplyInt8 ? "one is wrong" : nil
    return RoundedProducts(keptCount: rows, run: {}, mistake: { mistake })
  }

  func gather(
    _ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>
  ) throws(TesseraError) {
    try host.gather(source, rows: rows, into: target)
    if wrong == .copy { try spoil(target) }
  }

  func topK(
    _ scores: Matrix<Float>, order: ScoreOrder, into values: Matrix<Float>,
    _ columns: Matrix<Int32>
  ) throws(TesseraError) {
    try host.topK(scores, order: order, into: values, columns)
    if wrong == .topK { try spoil(values) }
  }

  func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>
  ) throws(TesseraError) {
    try host.accumulateClusters(points, labels, into: sums, counts)
    guard wrong == .kmeans else { return }
    for cluster in 0..<counts.rows { try spoil(sums.rows(cluster..<cluster + 1)) }
  }

  func encode(
    _ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>
  ) throws(TesseraError) {
    try host.encode(points, codebook, into: codes)
    if wrong == .encode { try spoil(codes) }
  }

  func lookupScores(
    _ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try host.lookupScores(tables, codes, into: scores)
    guard wrong == .lookupScores else { return }
    try spoil(scores.rows(scores.rows - 1..<scores.rows), first: true)
  }

  /// One bit of the last number, or of the first.
  private func spoil<Element>(_ matrix: Matrix<Element>, first: Bool = false) throws(TesseraError) {
    let place = first ? 0 : matrix.byteCount - 1
    try spoil(matrix.storage, at: matrix.byteOffset + place)
  }

  private func spoil(_ storage: Storage, at place: Int) throws(TesseraError) {
    let whole = Matrix<UInt8>(storage, rows: 1, columns: storage.byteCount)
    try whole.hostElements("spoil")[place] ^= 1
  }
}
