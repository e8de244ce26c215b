package import TesseraCompute
package import TesseraHost

/// Points less their mean, which would drown what sets them apart, and how they spread.
package struct CenteredPoints {
  package let mean: [Float]
  /// The points less the mean.
  let rows: Vectors
  /// The same transposed, `dimension` x `points`, on the device.
  let columns: Matrix<Float>
  /// The means of `rows`: what the rounding of the mean leaves.
  private let remainder: [Double]

  /// - Precondition: There are points.
  package init(_ points: Vectors, on device: any Device) throws(TesseraError) {
    let (count, dimension) = (points.count, points.dimension)
    mean = try points.mean()
    let centered = try points.widened().subtracting(mean)
    rows = try Vectors(centered, dimension: dimension)
    let values = try Self.transposed(centered, columns: dimension)
    columns = try device.upload(values, rows: dimension, columns: count)
    remainder = (0..<dimension).map { d in
      values[d * count..<(d + 1) * count].reduce(0.0) { $0 + Double($1) } / Double(count)
    }
  }

  /// Returns the mean products of all pairs of dimensions about the mean: `dimension` x `dimension`.
  ///
  /// - Throws: `.invalidArgument` for points so large that their products leave Float32.
  package func covariance(on device: any Device) throws(TesseraError) -> [Double] {
    let (dimension, count) = (columns.rows, columns.columns)
    let products = try device.allocate(Float.self, rows: dimension, columns: dimension)
    try device.canonicalScores(columns, columns, metric: .innerProduct, into: products)
    var moments = try device.download(products).map(Double.init)
    for i in 0..<dimension {
      for j in 0..<dimension {
        moments[i * dimension + j] =
          moments[i * dimension + j] / Double(count) - remainder[i] * remainder[j]
      }
    }
    guard moments.allSatisfy(\.isFinite) else {
      throw TesseraError(
        .invalidArgument,
        "train: sums of products of the points are beyond Float32; scale the points down")
    }
    return moments
  }

  static func transposed(_ rows: [Float], columns: Int) throws(TesseraError) -> [Float] {
    let count = rows.count / columns
    var target = [Float](repeating: 0, count: rows.count)
    // Blocks of columns, so that what is written stays in the cache.
    for first in stride(from: 0, to: columns, by: 16) {
      try StopSignal.check()
      for row in 0..<count {
        for column in first..<min(first + 16, columns) {
          target[column * count + row] = rows[row * columns + column]
        }
      }
    }
    return target
  }
}
