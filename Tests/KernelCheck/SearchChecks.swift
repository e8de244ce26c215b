import TesseraCompute

/// Certified search: every kernel and each shape of the filter's tiles, with ragged edges.
let searchChecks: [Check] =
  [
    // Flat tiles, and no list that needs tightening.
    nearestCheck(rows: 40, dimension: 17, queries: 3, k: 40, .squaredL2),
    // Small and large tiles; thresholds that rise.
    nearestCheck(rows: 100, dimension: 5, queries: 35, k: 3, .cosine),
    nearestCheck(rows: 140, dimension: 3, queries: 130, k: 1, .innerProduct),
    // Lists that overflow, and are searched again.
    nearestCheck(rows: 1100, dimension: 1, queries: 1, k: 2, .innerProduct, equal: true),
    // Selected rows: flat, small and large tiles; panels left out, and lists that overflow.
    nearestCheck(rows: 70, dimension: 17, queries: 3, k: 9, .squaredL2, only: .range(38..<72)),
    nearestCheck(
      rows: 200, dimension: 5, queries: 35, k: 3, .cosine,
      only: .flags((0..<150).map { $0 % 3 == 0 && $0 / 32 % 2 == 0 })),
    nearestCheck(
      rows: 140, dimension: 3, queries: 130, k: 1, .innerProduct,
      only: .flags((0..<200).map { $0 % 2 == 0 })),
    nearestCheck(
      rows: 1100, dimension: 1, queries: 1, k: 2, .innerProduct, equal: true,
      only: .range(20..<1150)),
    // Lists that begin with panels of their own, ids in no order, blocks with panels of their own;
    // then lists of hits that overflow.
    listsCheck(rows: 150, dimension: 5, queries: 11, k: 3, .squaredL2),
    listsCheck(rows: 1600, dimension: 1, queries: 3, k: 2, .innerProduct, equal: true),
    Check("nearest of bytes") { device in
      let bytes = (0..<50 * 6).map { UInt8($0 * 37 % 256) }
      let vectors = try Vectors(
        HostMemory(copying: bytes), element: .uint8, count: 50, dimension: 6)
      return try hits(device, vectors, vectors.rows(3..<12), k: 4, .squaredL2)
    },
    Check("assignNearest") { device in
      let labels = try device.allocate(Int32.self, rows: 45, columns: 1)
      let scores = try device.allocate(Float.self, rows: 45, columns: 1)
      try device.assignNearest(
        device.upload(numbers(45 * 4, seed: 1), rows: 45, columns: 4),
        to: device.upload(numbers(37 * 4, seed: 2), rows: 37, columns: 4), metric: .squaredL2,
        into: labels, scores)
      return try [device.download(labels).map(Float.init), device.download(scores)]
    },
    Check("a row that is not finite") { device in
      do {
        _ = try device.prepare(Vectors([1, 2, 3, .nan], dimension: 2), metric: .innerProduct)
        return "nothing was thrown"
      } catch {
        return "\(error)"
      }
    },
  ]

/// Search by an emulated matrix unit: several tiles and steps, with ragged edges, thresholds that
/// rise, selected rows, and lists that overflow.
let roundedSearchChecks: [Check] =
  [
    nearestCheck(rows: 100, dimension: 70, queries: 35, k: 3, .cosine),
    nearestCheck(
      rows: 140, dimension: 3, queries: 5, k: 2, .squaredL2,
      only: .flags((0..<120).map { $0 % 2 == 0 })),
    nearestCheck(rows: 300, dimension: 1, queries: 1, k: 2, .innerProduct, equal: true),
  ]

private func nearestCheck(
  rows: Int, dimension: Int, queries: Int, k: Int, _ metric: Metric, equal: Bool = false,
  only selector: IDSelector? = nil
) -> Check {
  let of = selector == nil ? "of" : "of selected rows of"
  return Check(
    "nearest \(k) \(of) \(rows) x \(dimension), \(queries) queries, \(metric)"
  ) { device in
    let values =
      equal ? [Float](repeating: 0.5, count: rows * dimension) : numbers(rows * dimension, seed: 1)
    return try hits(
      device, Vectors(values, dimension: dimension),
      Vectors(numbers(queries * dimension, seed: 2), dimension: dimension), k: k, metric,
      only: selector)
  }
}

private func listsCheck(
  rows: Int, dimension: Int, queries: Int, k: Int, _ metric: Metric, equal: Bool = false
) -> Check {
  Check("nearest \(k) of lists of \(rows) x \(dimension), \(queries) queries, \(metric)") {
    device in
    let values =
      equal ? [Float](repeating: 0.5, count: rows * dimension) : numbers(rows * dimension, seed: 1)
    let lists = try RowLists(
      starts: [0, 1, 1, rows / 3, rows], ids: IDMap((0..<rows).map { Int64($0 * 37 % rows) }))
    let set = try device.prepare(Vectors(values, dimension: dimension), in: lists, metric: metric)
    let asked = try Vectors(numbers(queries * dimension, seed: 2), dimension: dimension)
    let probes = try Probes(
      starts: (0...queries).map { 2 * $0 },
      lists: (0..<queries).flatMap { [Int32($0 % 4), Int32(($0 + 1) % 4)] })
    let cases: [(probes: Probes?, selector: IDSelector?)] = [
      (probes, nil), (nil, nil), (probes, .range(9..<Int64(rows / 2))),
    ]
    return try cases.map { probes, selector -> Hits in
      let found = try device.nearest(
        asked, in: set, probing: probes, within: .k(k), only: selector)
      return Hits(ids: found.ids, scoreBits: found.scores.map(\.bitPattern))
    }
  }
}

private struct Hits: Equatable, Sendable {
  var ids: [Int64]
  var scoreBits: [UInt32]
}

private func hits(
  _ device: any Device, _ vectors: Vectors, _ queries: Vectors, k: Int, _ metric: Metric,
  only selector: IDSelector? = nil
) throws -> Hits {
  let set = try device.prepare(vectors, metric: metric, firstID: 7)
  let found = try device.nearest(queries, in: set, k: k, only: selector)
  return Hits(ids: found.ids, scoreBits: found.scores.map(\.bitPattern))
}
