import TesseraCompute
internal import TesseraHost

/// The best clusters of numbers: in sorted order they are intervals, so dynamic programming finds
/// them (Wang and Song, Ckmeans.1d.dp, The R Journal 3/2, 2011). Where an interval begins never
/// falls with its end, so that halving finds all beginnings of a level in O(n log n).
struct ExactKMeans1D {
  /// Different numbers, rising, and sums up to each: of weights, weighted numbers and squares, the
  /// numbers less their mean so that little cancels.
  private let values: [Double]
  private let masses: [Double]
  private let sums: [Double]
  private let squares: [Double]
  private let mean: Double

  /// - Throws: `.cancelled` and `.deadlineExceeded` when the call is to end.
  init(_ numbers: [Float], weights: [Float]?) throws(TesseraError) {
    var pairs: [Pair] = []
    pairs.reserveCapacity(numbers.count)
    try StopSignal.checkEvery(Self.run, of: numbers.count) { range in
      for index in range {
        let mass = weights?[index] ?? 1
        if mass > 0 { pairs.append((Double(numbers[index]), Double(mass))) }
      }
    }
    pairs = try Self.sorted(pairs)
    var distinct: [Pair] = []
    var (mass, moment) = (0.0, 0.0)
    try StopSignal.checkEvery(Self.run, of: pairs.count) { range in
      for pair in pairs[range] {
        if let last = distinct.last, last.value == pair.value {
          distinct[distinct.count - 1].mass += pair.mass
        } else {
          distinct.append(pair)
        }
      }
    }
    try StopSignal.checkEvery(Self.run, of: distinct.count) { range in
      for pair in distinct[range] {
        mass += pair.mass
        moment += pair.value * pair.mass
      }
    }
    let mean = moment / mass
    var values: [Double] = []
    var (masses, sums, squares) = ([0.0], [0.0], [0.0])
    try StopSignal.checkEvery(Self.run, of: distinct.count) { range in
      for (value, mass) in distinct[range] {
        let centred = value - mean
        values.append(value)
        masses.append(masses[masses.count - 1] + mass)
        sums.append(sums[sums.count - 1] + mass * centred)
        squares.append(squares[squares.count - 1] + mass * centred * centred)
      }
    }
    (self.values, self.mean) = (values, mean)
    (self.masses, self.sums, self.squares) = (masses, sums, squares)
  }

  /// Numbers that are gone over between two looks at the stop signal: a millisecond or so.
  private static let run = 1 << 17

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
    // starts[level - 1][end]: where the last of level + 1 intervals that end there begins.
    var starts: [[Int32]] = []
    var costs = [Double](repeating: 0, count: count)
    try StopSignal.checkEvery(Self.run, of: count) { range in
      for end in range { costs[end] = cost(0, end) }
    }
    // No level reads what the one before had for too few numbers, so that two arrays do.
    var next = costs
    for level in 1..<max(1, clusters) {
      var begins = [Int32](repeating: 0, count: count)
      var open = [(ends: level..<count, starts: level...count - 1)]
      while let (ends, range) = open.popLast() {
        guard !ends.isEmpty else { continue }
        let end = ends.lowerBound + ends.count / 2
        let first = range.lowerBound
        let last = max(first, min(range.upperBound, end))
        var best = (cost: Double.infinity, start: first)
        try StopSignal.checkEvery(Self.run, of: last - first + 1) { run in
          for start in first + run.lowerBound..<first + run.upperBound {
            let total = costs[start - 1] + cost(start, end)
            if total < best.cost { best = (total, start) }
          }
        }
        next[end] = best.cost
        begins[end] = Int32(best.start)
        open.append((ends.lowerBound..<end, first...best.start))
        open.append((end + 1..<ends.upperBound, best.start...range.upperBound))
      }
      starts.append(begins)
      swap(&costs, &next)
    }
    var centroids: [Float] = []
    var end = count - 1
    for level in (0..<clusters).reversed() {
      let start = level == 0 ? 0 : Int(starts[level - 1][end])
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
