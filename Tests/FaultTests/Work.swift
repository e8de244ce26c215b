import Synchronization
import TesseraCompute
import TesseraOpenCL
import TesseraQuantization
import TesseraIndex

/// Work for a device that goes wrong. Inputs are coarse numbers, so that sums are exact and every
/// result has only one right set of bits; matrices are too large for the memory that small ones
/// share.
enum Work: String, Sendable, CaseIterable, CustomStringConvertible {
  case nearest, cluster, innerProducts, topK, encode, nearestCodes, gather

  var description: String { rawValue }

  /// True if it starts again, on another device if need be.
  var recovers: Bool { [.nearest, .cluster].contains(self) }

  /// Collects what was said while it was done.
  final class Notes: Sendable {
    private let notes = Mutex<[String]>([])
    var all: [String] { notes.withLock { $0 } }
    func add(_ note: String) { notes.withLock { $0.append(note) } }
  }

  /// The bits of the result on `device`, and where they were found.
  func run(
    on device: any Device, notes: Notes = Notes()
  ) throws(TesseraError) -> (bits: [UInt32], place: String) {
    switch self {
    case .nearest: return try nearest(device, notes)
    case .cluster: return try cluster(device, notes)
    case .innerProducts: return (try innerProducts(device), device.info.identifier)
    case .topK: return (try topK(device), device.info.identifier)
    case .encode: return (try encode(device), device.info.identifier)
    case .nearestCodes: return (try nearestCodes(device), device.info.identifier)
    case .gather: return (try gather(device), device.info.identifier)
    }
  }

  static func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float(random.nextIndex(below: 256) - 128) / 128 }
  }

  static func search(_ device: any Device) throws(TesseraError) -> IndexSearch {
    try IndexSearch(
      Vectors(numbers(500 * 12, seed: 1), dimension: 12), metric: .squaredL2, on: device)
  }

  private func nearest(
    _ device: any Device, _ notes: Notes
  ) throws(TesseraError) -> ([UInt32], String) {
    let report = try Self.search(device).nearest(
      Vectors(Self.numbers(30 * 12, seed: 2), dimension: 12), k: 8,
      control: RunControl(fallback: ReferenceDevice.shared, note: notes.add))
    return (
      report.neighbors.ids.map { UInt32($0) } + report.neighbors.scores.map(\.bitPattern),
      report.device.identifier
    )
  }

  private func cluster(
    _ device: any Device, _ notes: Notes
  ) throws(TesseraError) -> ([UInt32], String) {
    let points = try Vectors(Self.numbers(300 * 6, seed: 3), dimension: 6)
    let control = RunControl(fallback: ReferenceDevice.shared, note: notes.add)
    let (clustering, place) = try control.run(on: device) { device throws(TesseraError) in
      try KMeans(.init(clusterCount: 5, iterations: 3)).cluster(points, on: device)
    }
    return (
      clustering.centroids.map(\.bitPattern) + clustering.labels.map(UInt32.init(bitPattern:)),
      place.info.identifier
    )
  }

  private func innerProducts(_ device: any Device) throws(TesseraError) -> [UInt32] {
    let scores = try device.allocate(Float.self, rows: 40, columns: 33)
    try device.innerProducts(
      device.upload(Self.numbers(40 * 20, seed: 4), rows: 40, columns: 20),
      device.upload(Self.numbers(33 * 20, seed: 5), rows: 33, columns: 20), into: scores)
    return try device.download(scores).map(\.bitPattern)
  }

  private func topK(_ device: any Device) throws(TesseraError) -> [UInt32] {
    let values = try device.allocate(Float.self, rows: 8, columns: 40)
    let columns = try device.allocate(Int32.self, rows: 8, columns: 40)
    try device.topK(
      device.upload(Self.numbers(8 * 300, seed: 6), rows: 8, columns: 300), order: .largestFirst,
      into: values, columns)
    return try device.download(values).map(\.bitPattern)
      + device.download(columns).map(UInt32.init(bitPattern:))
  }

  private func encode(_ device: any Device) throws(TesseraError) -> [UInt32] {
    let codes = try device.allocate(UInt8.self, rows: 600, columns: 2)
    let codebook = try ProductCodebook(
      device.upload(Self.numbers(2 * 40 * 4, seed: 7), rows: 80, columns: 4), subspaceCount: 2)
    try device.encode(
      device.upload(Self.numbers(600 * 8, seed: 8), rows: 600, columns: 8), codebook, into: codes)
    return try device.download(codes).map(UInt32.init)
  }

  private func nearestCodes(_ device: any Device) throws(TesseraError) -> [UInt32] {
    let bytes = (0..<300 * 3).map { UInt8(truncatingIfNeeded: $0 * 29) }
    var bits: [UInt32] = []
    for (subspaceCount, width) in [(6, 4), (3, 8)] {
      let columns = subspaceCount << width
      let hits = try device.nearestCodes(
        device.upload(Self.numbers(6 * columns, seed: 10), rows: 6, columns: columns),
        in: device.prepare(ProductCodes(bytes, subspaceCount: subspaceCount, bits: width)),
        order: .smallestFirst,
        k: 8)
      bits += hits.ids.map { UInt32($0) } + hits.scores.map(\.bitPattern)
    }
    // In lists, where every code that is looked at has its score.
    let lists = try RowLists(starts: [0, 100, 133, 300], ids: .consecutive(count: 300))
    let hits = try device.nearestCodes(
      CodeQueries(
        device.upload(Self.numbers(6 * 96, seed: 11), rows: 6, columns: 96)),
      in: device.prepare(ProductCodes(bytes, subspaceCount: 6, bits: 4), in: lists),
      probing: Probes(
        starts: [0, 2, 3, 4, 5, 6, 7], lists: [2, 0, 1, 2, 0, 1, 2],
        terms: Self.numbers(7, seed: 12)), order: .largestFirst, within: .k(8), only: nil)
    return bits + hits.ids.map { UInt32($0) } + hits.scores.map(\.bitPattern)
  }

  private func gather(_ device: any Device) throws(TesseraError) -> [UInt32] {
    let rows = try device.allocate(Float.self, rows: 300, columns: 8)
    let indices = (0..<300).map { Int32($0 * 7 % 200) }
    try device.gather(
      device.upload(Self.numbers(200 * 8, seed: 9), rows: 200, columns: 8),
      rows: device.upload(indices, rows: 300, columns: 1), into: rows)
    return try device.download(rows).map(\.bitPattern)
  }
}
