internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// The points of an assigner: rounded to bytes once, with what is known of each.
final class AssignedPoints: @unchecked Sendable {
  // Safe: each worker writes only what belongs to the points it was given.
  let metric: Metric
  let values: PreparedQueries
  let points: UnsafeMutablePointer<csimd_point>
  /// The position of each point's nearest centroid, and its canonical merit.
  let positions: UnsafeMutablePointer<Int32>
  let merits: UnsafeMutablePointer<Float>
  private let storage: [HostStorage]

  var count: Int { values.count }
  var dimension: Int { values.dimension }

  /// - Throws: `.nonFinite`, `.outOfMemory`.
  init(
    _ source: Vectors, metric: Metric, kernels: Kernels, workers: WorkerPool
  ) throws(TesseraError) {
    self.metric = metric
    values = try PreparedQueries(
      source, "assignNearest: points", kernels: kernels, workers: workers)
    let count = source.count
    let codeBytes = (source.dimension + 3) / 4 * 4
    let codes = try HostStorage(allocating: count * codeBytes)
    let heads = try HostStorage(allocating: count * MemoryLayout<csimd_point>.stride)
    let positions = try HostStorage(allocating: count * 4)
    let merits = try HostStorage(allocating: count * 4)
    storage = [codes, heads, positions, merits]
    points = heads.start(as: csimd_point.self)
    self.positions = positions.start(as: Int32.self)
    self.merits = merits.floats
    try workers.split(count, minimum: 256, maximum: 8192) { [self] range throws(TesseraError) in
      for index in range {
        let target = codes.start(as: Int8.self) + index * codeBytes
        points[index] = point(index, codes: target, codeBytes: codeBytes, kernels)
      }
    }
    forget()
  }

  private func point(
    _ index: Int, codes: UnsafeMutablePointer<Int8>, codeBytes: Int, _ kernels: Kernels
  ) -> csimd_point {
    for byte in max(0, codeBytes - 4)..<codeBytes { codes[byte] = 0 }
    var query = csimd_query()
    let rounded = kernels.table.pointee.quantize_query(
      values.row(index), dimension, 0, 4, codes, &query)
    let length = values.squares[index].squareRoot()
    var point = csimd_point()
    point.codes = UnsafePointer(codes)
    (point.step, point.middle, point.code_sum) = (query.step, query.middle, query.code_sum)
    (point.a, point.b, point.c) = QuantizedBound.query(metric, length: length, rounded)
    point.residual = rounded.residual.roundedUp
    point.squares = rounded.squares
    point.inverse = length > 0 ? Float(1 / length) : 0
    return point
  }

  /// No point has a centroid any more.
  func forget() {
    for index in 0..<count { positions[index] = -1 }
  }

  /// The same centroids in other positions.
  func rename(from old: CentroidOrder, to new: CentroidOrder) {
    for index in 0..<count {
      positions[index] = new.positions[Int(old.centroids[Int(positions[index])])]
    }
  }

  /// Returns what a point's best row surely has, from its canonical merit, as
  /// `csimd_point.reached`.
  func reached(_ index: Int, merit: Float) -> Float {
    guard metric == .squaredL2 else {
      return Filter.threshold(metric, score: merit, querySquares: values.squares[index])
    }
    return (Double(-merit) * (1 + 0x1p-22) + 0x1p-148).squareRoot().roundedUp
  }

  /// Returns the limit that no row of a group may be near, for the group to be left out: `reached`
  /// in the terms of the groups' bounds, and room for rounding sums with numbers up to `moved`.
  func limit(_ index: Int, moved: Float) -> Float {
    let point = points[index]
    let limit =
      metric == .squaredL2
      ? Double(point.reached) : -Double(point.reached) * Double(point.inverse)
    return (limit + (abs(limit) + Double(moved)) * 0x1p-22).roundedUp
  }

  /// A bound for a row whose canonical merit is known.
  func bound(_ index: Int, merit: Float) -> Double {
    let merit = Double(merit)
    switch metric {
    case .squaredL2: return (-merit).squareRoot() * (1 - 0x1p-22)
    case .innerProduct:
      let value = merit + abs(merit) * 0x1p-22 + 0x1p-148
      return -value * Double(points[index].inverse)
    case .cosine: return -merit - 0x1p-22
    }
  }
}
