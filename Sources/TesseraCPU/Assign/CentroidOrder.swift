internal import TesseraCompute

/// Places for centroids, so that those near each other come to lie in one panel: then a bound for
/// a panel says something about each of its rows.
///
/// The rows are halved, at a multiple of the panel's width, along the line through two far ones,
/// and the halves again. Any order gives the same assignments.
struct CentroidOrder {
  /// The centroid in each position.
  private(set) var centroids: [Int32]
  /// The position of each centroid.
  let positions: [Int32]

  init(_ rows: UnsafePointer<Float>, count: Int, dimension: Int) {
    centroids = (0..<Int32(count)).map(\.self)
    var keys = [Float](repeating: 0, count: count)
    var open = [0..<count]
    while let range = open.popLast() {
      guard range.count > panelWidth else { continue }
      let row = { (centroid: Int32) in rows + Int(centroid) * dimension }
      let far = Self.farthest(
        from: row(centroids[range.lowerBound]), centroids[range], row, dimension)
      let other = Self.farthest(from: row(far), centroids[range], row, dimension)
      let direction = (0..<dimension).map { row(other)[$0] - row(far)[$0] }
      for centroid in centroids[range] {
        var product: Float = 0
        for d in 0..<dimension { product += row(centroid)[d] * direction[d] }
        keys[Int(centroid)] = product
      }
      centroids[range].sort { (keys[Int($0)], $0) < (keys[Int($1)], $1) }
      let panels = (range.count + panelWidth - 1) / panelWidth
      let middle = range.lowerBound + (panels + 1) / 2 * panelWidth
      open += [range.lowerBound..<middle, middle..<range.upperBound]
    }
    var positions = [Int32](repeating: 0, count: count)
    for (position, centroid) in centroids.enumerated() {
      positions[Int(centroid)] = Int32(position)
    }
    self.positions = positions
  }

  private static func farthest(
    from start: UnsafePointer<Float>, _ centroids: ArraySlice<Int32>,
    _ row: (Int32) -> UnsafePointer<Float>, _ dimension: Int
  ) -> Int32 {
    var best = (distance: -Float.infinity, centroid: centroids[centroids.startIndex])
    for centroid in centroids {
      let other = row(centroid)
      var distance: Float = 0
      for d in 0..<dimension {
        let difference = start[d] - other[d]
        distance += difference * difference
      }
      if distance > best.distance { best = (distance, centroid) }
    }
    return best.centroid
  }
}
