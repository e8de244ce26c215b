import TesseraCompute
import TesseraHost

extension SplitMix64 {
  /// k-means++ (Arthur, Vassilvitskii 2007): `limit` of the rows of `points`, one after the other,
  /// with chances proportional to the squared distance from the nearest chosen before. Copies are
  /// chosen only once there is nothing else.
  ///
  /// On the host, for short rows; Float32 distances, Float64 sums in row order.
  mutating func spreadRows(
    _ limit: Int, of points: [Float], width: Int
  ) throws(TesseraError) -> [Int] {
    let count = points.count / width
    var columns = [Float](repeating: 0, count: points.count)
    for row in 0..<count {
      for d in 0..<width { columns[d * count + row] = points[row * width + d] }
    }
    var weights = [Float](repeating: .infinity, count: count)
    var distances = weights
    var chosen = [nextIndex(below: count)]
    while chosen.count < limit {
      try StopSignal.check()
      let newest = chosen[chosen.count - 1] * width
      columns.withUnsafeBufferPointer { columns in
        distances.withUnsafeMutableBufferPointer { distances in
          for row in 0..<count { distances[row] = 0 }
          for d in 0..<width {
            let center = points[newest + d]
            let column = columns[(d * count)...]
            for row in 0..<count {
              let difference = column[d * count + row] - center
              distances[row] += difference * difference
            }
          }
        }
      }
      var total = 0.0
      for row in 0..<count {
        weights[row] = min(weights[row], distances[row])
        total += Double(weights[row])
      }
      chosen.append(pick(weights, total))
    }
    return chosen
  }

  /// A place with a chance proportional to its weight; any where all are 0 or the sum is infinite.
  private mutating func pick(_ weights: [Float], _ total: Double) -> Int {
    guard total > 0, total.isFinite else { return nextIndex(below: weights.count) }
    let target = nextUnit() * total
    var sum = 0.0
    var last = 0
    for place in weights.indices where weights[place] > 0 {
      sum += Double(weights[place])
      last = place
      if sum > target { break }
    }
    return last
  }
}
