import TesseraCompute
internal import TesseraHost

/// The best clusters of numbers: in sorted order they are intervals, so dynamic programming finds
/// them (Wang and Song, Ckmeans.1d.dp, The R Journal 3/2, 2011). Where an interval begins never
/// falls with its end, so that halving finds all beginnings of a level in O(n log n).
struct ExactKMeans1D {
  /// Different numbers, rising, and sums up to each: of weights, weighted numbers and squares, the
  /// numbers less their mean so that little cancels.
  private let values: [Double]
  private var masses: [Double] = [0]
  private var sums: [Double] = [0]
  private var squares: [Double] = [0]
  private let mean: Double

  /// - Throws: `.cancelled` and `.deadlineExceeded` when the call is to end.
  init(_ numbers: [Float], weights: [Float]?) throws(TesseraError) {
    let all = weights ?? Array(repeating: 1, count: numbers.count)
    let pairs = try Self.sorted(
      zip(numbers, all).filter { $0.1 > 0 }.map { (value: Double($0.0), mass: Double($0.1)) })
    var distinct: [(value: Double, mass: Double)] = []
    for pair in pairs {
      if let last = distinct.last, last.value == pair.value {
        distinct[distinct.count - 1].mass += pair.mass
      } else {
        distinct.append(pair)
      }
    }
    values = distinct.map(\.value)
    let mass = distinct.reduce(0) { $0 + $1.mass }
    mean = distinct.reduce(0) { $0 + $1.value * $1.mass } / mass
    for (value, mass) in distinct {
      let centred = value - mean
      masses.append(masses[masses.count - 1] + mass)
      sums.append(sums[sums.count - 1] + mass * centred)
      squares.append(squares[squares.count - 1] + mass * centred * centred)
    }
  }

  private typealias Pair = (value: Double, mass: Double)

  /// Sorts runs of some thousands, and merges them two by two, so that the work can be stopped.
  private static func sorted(_ pairs: [Pair]) throws(TesseraError) -> [Pair] {
    var length = 1 << 15
    var pairs = pairs
    for start in stride(from: 0, to: pairs.count, by: length) {
      try StopSignal.check()
      pairs[start..<min(start + length, pairs.count)].sort { $0 < $1 }
    }
    while length < pairs.count {
      var merged: [Pair] = []
      merged.reserveCapacity(pairs.count)
      for start in stride(from: 0, to: pairs.count, by: 2 * length) {
        let middle = min(start + length, pairs.count)
        let end = min(start + 2 * length, pairs.count)
        var (left, right) = (start, middle)
        while left < middle || right < end {
          if (left + right) % (1 << 16) == 0 { try StopSignal.check() }
          if right == end || (left < middle && pairs[left] <= pairs[right]) {
            merged.append(pairs[left])
            left += 1
          } else {
            merged.append(pairs[right])
            right += 1
          }
        }
      }
      pairs = merged
      length *= 2
    }
    return pairs
  }

  /// The means of the best `limit` intervals, rising; where there are fewer different numbers, the
  /// last is repeated.
  ///
  /// - Throws: `.unsupported` where the tables would be too large.
  func centroids(_ limit: Int) throws(TesseraError) -> [Float] {
    let count = values.count
    let clusters = min(limit, count)
    guard clusters * count <= 1 << 30 else {
      throw TesseraError(
        .unsupported,
        "k-means: \(clusters) clusters of \(count) different numbers are too many for the exact "
          + "algorithm; use another")
    }
    // starts[level * count + end]: where the last of level + 1 intervals that end there begins.
    var starts = [Int32](repeating: 0, count: clusters * count)
    var costs = (0..<count).map { cost(0, $0) }
    for level in 1..<max(1, clusters) {
      var next = costs
      var open = [(ends: level..<count, starts: level...count - 1)]
      while let (ends, range) = open.popLast() {
        guard !ends.isEmpty else { continue }
        try StopSignal.check()
        let end = ends.lowerBound + ends.count / 2
        var best = (cost: Double.infinity, start: range.lowerBound)
        for start in range.lowerBound...max(range.lowerBound, min(range.upperBound, end)) {
          let total = costs[start - 1] + cost(start, end)
          if total < best.cost { best = (total, start) }
        }
        next[end] = best.cost
        starts[level * count + end] = Int32(best.start)
        open.append((ends.lowerBound..<end, range.lowerBound...best.start))
        open.append((end + 1..<ends.upperBound, best.start...range.upperBound))
      }
      costs = next
    }
    var centroids: [Float] = []
    var end = count - 1
    for level in (0..<clusters).reversed() {
      let start = Int(starts[level * count + end])
      let mass = masses[end + 1] - masses[start]
      centroids.append(Float(mean + (sums[end + 1] - sums[start]) / mass))
      end = start - 1
    }
    centroids.reverse()
    return centroids + Array(repeating: Float(values[count - 1]), count: limit - clusters)
  }

  /// The weighted squared distances of an interval's numbers from their mean.
  private func cost(_ start: Int, _ end: Int) -> Double {
    let mass = masses[end + 1] - masses[start]
    let sum = sums[end + 1] - sums[start]
    return max(0, squares[end + 1] - squares[start] - sum * sum / mass)
  }
}
