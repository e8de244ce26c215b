import TesseraCompute
import TesseraHost

extension CodewordOptions {
  /// Finds `count` codewords for `points`, rows of `width` numbers, and the mean squared distance of the
  /// points from theirs before the last update.
  ///
  /// - Parameters:
  ///   - initial: Where they start; nil for points far apart, chosen by `stream`.
  ///   - iterations: Updates at most.
  /// - Precondition: at least `count` points, all finite.
  func codewords(
    _ count: Int, of points: [Float], width: Int, from initial: [Float]? = nil, stream: UInt64,
    iterations: Int, on device: any Device
  ) throws(TesseraError) -> (values: [Float], objective: Double) {
    let rows = points.count / width
    if count > 256 {
      let found = try KMeans(
        .init(
          clusterCount: count, iterations: iterations, seed: seed ^ stream,
          initialization: try initial.map { values throws(TesseraError) in
            .given(try Vectors(values, dimension: width))
          } ?? .random)
      ).cluster(Vectors(points, dimension: width), on: device)
      return (found.centroids, (found.objectives.last ?? 0) / Double(rows))
    }
    var lloyd = try CodewordLloyd(points, width: width, on: device)
    var values = initial ?? []
    if initial == nil {
      var random = SplitMix64(seed: seed, stream: stream)
      // A start needs far fewer points than the means do.
      let sample = random.nextIndices(min(rows, 32 * count), below: rows).sorted()
      let some = sample.flatMap { points[Int($0) * width..<(Int($0) + 1) * width] }
      for row in try random.spreadRows(count, of: some, width: width) {
        values += some[row * width..<(row + 1) * width]
      }
    }
    for iteration in 1...iterations {
      let settled = try lloyd.update(&values, isLast: iteration == iterations)
      if settled { break }
    }
    return (values, lloyd.objective / Double(rows))
  }
}

/// Lloyd's algorithm for up to 256 codewords by the device's `encode`, which is made for short
/// vectors and few codewords.
private struct CodewordLloyd {
  private let device: any Device
  private let points: Matrix<Float>
  private let codes: Matrix<UInt8>
  private let labels: Matrix<Int32>
  private let squares: Double
  private var previous: [UInt8] = []
  /// The sum of squared distances of the points from the codewords they were last assigned to.
  private(set) var objective = Double.infinity

  init(_ values: [Float], width: Int, on device: any Device) throws(TesseraError) {
    self.device = device
    let rows = values.count / width
    points = try device.upload(values, rows: rows, columns: width)
    codes = try device.allocate(UInt8.self, rows: rows, columns: 1)
    labels = try device.allocate(Int32.self, rows: rows, columns: 1)
    squares = FixedOrder.squares(values.span)
  }

  /// Replaces codewords by the means of their points. Returns whether nothing changed any more.
  ///
  /// A codeword without points becomes a copy of the one with the most, and both are moved a little
  /// apart, but for the last time: then it stays where it is, and the others are true means.
  mutating func update(_ codewords: inout [Float], isLast: Bool) throws(TesseraError) -> Bool {
    try StopSignal.check()
    let width = points.columns
    let count = codewords.count / width
    let book = try device.upload(codewords, rows: count, columns: width)
    try device.encode(points, ProductCodebook(book, subspaceCount: 1), into: codes)
    let numbers = try device.download(codes)
    if numbers == previous { return true }
    previous = numbers
    try device.upload(numbers.map(Int32.init), to: labels)
    let sums = try device.allocate(Double.self, rows: count, columns: width)
    let members = try device.allocate(Int32.self, rows: count, columns: 1)
    try device.accumulateClusters(points, labels, into: sums, members)
    var counts = try device.download(members)
    let totals = try device.download(sums)
    objective = squares
    for codeword in 0..<count where counts[codeword] > 0 {
      for i in codeword * width..<(codeword + 1) * width {
        let mean = totals[i] / Double(counts[codeword])
        objective -= totals[i] * mean
        codewords[i] = Float(mean)
      }
    }
    objective = max(0, objective)
    guard !isLast else { return false }
    for empty in 0..<count where counts[empty] == 0 {
      guard let fullest = counts.indices.max(by: { (counts[$0], $1) < (counts[$1], $0) }),
        counts[fullest] > 1
      else { break }
      for d in 0..<width {
        let value = codewords[fullest * width + d]
        // Times less than 1, as the largest numbers have nothing above them.
        codewords[empty * width + d] = value * (1 - 0x1p-9)
      }
      counts[empty] = counts[fullest] / 2
      counts[fullest] -= counts[empty]
      previous = []
    }
    return false
  }
}
