import TesseraCompute
import TesseraHost

/// Queries turned and rounded to whole numbers, ready to be multiplied with grid points.
struct RaBitQQueries {
  /// Dimensions that go into one product: more would leave too few bits for the query.
  private static let blockDimension = 1024

  private struct Query {
    /// The length of what was rounded and multiplied: of the query less `share` times the center.
    let length: Double
    /// How much of the center was taken from the query. For distances 1; else so much that what is
    /// left is at right angles to the center, as short as can be and as long as the query is in any
    /// unit.
    let share: Double
    /// What the product of the query and the center adds.
    let centerProduct: Double
    /// The length of the query itself.
    let norm: Double
    /// The value of a whole number of 1.
    let unit: Double
    /// The distance between the rounded direction and the direction.
    let rounding: Double
  }

  /// The digits of a whole number, each small enough that Float32 adds its products without
  /// rounding.
  struct Limbs {
    /// Bits of one digit, with its sign.
    let width: Int
    let count: Int
  }

  let limbs: Limbs
  private let dimension: Int
  private let centerSquares: Double
  private var queries: [Query] = []
  /// Query by query and limb by limb, `dimension` digits.
  private var digits: [Float]

  /// Prepares queries for scores under `metric`.
  init(_ vectors: Vectors, _ metric: Metric, quantizer: RaBitQ) throws(TesseraError) {
    let dimension = quantizer.dimension
    self.dimension = dimension
    centerSquares = quantizer.center.reduce(0) { $0 + Double($1) * Double($1) }
    // |digit| <= 2^(width - 1), |2 * level| < 2^bits, and the sums must stay within 2^24.
    let together = min(dimension, Self.blockDimension)
    let log2 = Int.bitWidth - (together - 1).leadingZeroBitCount
    let width = 25 - quantizer.bits - log2
    limbs = Limbs(width: width, count: (quantizer.bits + 8 + width - 1) / width)
    digits = [Float](repeating: 0, count: vectors.count * limbs.count * dimension)
    for index in 0..<vectors.count {
      try StopSignal.check()
      append(vectors.row(index), index, metric, quantizer)
    }
  }

  private mutating func append(
    _ row: [Float], _ index: Int, _ metric: Metric, _ quantizer: RaBitQ
  ) {
    let center = quantizer.center
    var (centerProduct, squares) = (0.0, 0.0)
    for i in row.indices {
      centerProduct += Double(row[i]) * Double(center[i])
      squares += Double(row[i]) * Double(row[i])
    }
    let share =
      metric == .squaredL2 ? 1 : centerSquares > 0 ? centerProduct / centerSquares : 0
    var (direction, length) = RaBitQ.direction(
      row.indices.map { Double(row[$0]) - share * Double(center[$0]) })
    quantizer.rotation.apply(&direction)
    let largest = direction.reduce(Float(0)) { max($0, abs($1)) }
    // A bit less than the digits hold, so that the highest digit has room for a carry.
    let top = Double(Int64(1) << Int64(limbs.width * limbs.count - 2))
    let unit = largest > 0 ? Double(largest) / top : 1
    var rounding = 0.0
    for i in direction.indices {
      let number = (Double(direction[i]) / unit).rounded()
      let difference = Double(direction[i]) - number * unit
      rounding += difference * difference
      var rest = Int64(number)
      for limb in 0..<limbs.count {
        let half = Int64(1) << Int64(limbs.width - 1)
        let digit =
          limb == limbs.count - 1 ? rest : ((rest + half) & (2 * half - 1)) - half
        digits[(index * limbs.count + limb) * dimension + i] = Float(digit)
        rest = (rest - digit) >> Int64(limbs.width)
      }
    }
    queries.append(
      Query(
        length: length, share: share, centerProduct: centerProduct, norm: squares.squareRoot(),
        unit: unit,
        rounding: rounding.squareRoot()))
  }

  /// Holds the products that the device makes of queries and the grid points of some codes.
  struct Products: Sendable {
    /// For each block of dimensions, (queries * limbs) x codes: whole numbers.
    let blocks: [[Float]]
    let codeCount: Int
    /// The grid points' products with themselves.
    let squares: [Double]
  }

  /// The products of every query's direction with the grid points of some codes.
  func products(
    with codes: Codes, _ rows: Range<Int>, of quantizer: RaBitQ, on device: any Device
  ) throws(TesseraError) -> Products {
    let (points, squares) = try quantizer.gridPoints(codes, rows, on: device)
    var blocks: [[Float]] = []
    for start in stride(from: 0, to: dimension, by: Self.blockDimension) {
      let columns = start..<min(start + Self.blockDimension, dimension)
      let scores = try device.allocate(
        Float.self, rows: queries.count * limbs.count, columns: rows.count)
      try device.innerProducts(
        upload(digits, columns, to: device), upload(points, columns, to: device), into: scores)
      blocks.append(try device.download(scores))
    }
    return Products(blocks: blocks, codeCount: rows.count, squares: squares)
  }

  private func upload(
    _ values: [Float], _ columns: Range<Int>, to device: any Device
  ) throws(TesseraError) -> Matrix<Float> {
    let rows = values.count / dimension
    guard columns.count < dimension else {
      return try device.upload(values, rows: rows, columns: dimension)
    }
    let values = (0..<rows).flatMap { row in
      values[row * dimension + columns.lowerBound..<row * dimension + columns.upperBound]
    }
    return try device.upload(values, rows: rows, columns: columns.count)
  }

  /// Adds what the limbs make together: whole numbers times `unit` / 2, as points are doubled.
  func forEachProduct(
    of query: Int, in products: Products, _ body: (_ code: Int, _ product: Double) -> Void
  ) {
    var sums = [Double](repeating: 0, count: products.codeCount)
    for block in products.blocks {
      for limb in 0..<limbs.count {
        let weight = Double(Int64(1) << Int64(limb * limbs.width)) * queries[query].unit / 2
        let source = block.span.extracting(
          .row(query * limbs.count + limb, of: products.codeCount))
        for code in source.indices { sums[code] += Double(source[code]) * weight }
      }
    }
    for code in sums.indices { body(code, sums[code]) }
  }

  /// Returns the score of a query and a code from the product of direction and grid point: that of
  /// the rest of the query is estimated, what the center adds is known.
  func score(
    _ metric: Metric, _ index: Int, _ product: Double, _ factors: RaBitQFactors
  ) -> Float {
    let query = queries[index]
    let length = Double(factors.length)
    let estimate = Double(factors.scale) * query.length * product
    let sum = estimate + query.share * Double(factors.centerProduct) + query.centerProduct
    switch metric {
    case .squaredL2: return Float(length * length + query.length * query.length - 2 * estimate)
    case .innerProduct: return Float(sum)
    case .cosine:
      let lengths = lengths(index, factors)
      return lengths > 0 ? Float(sum / lengths) : 0
    }
  }

  /// Returns how far the score may be from the exact one, at a given confidence.
  func bound(
    _ metric: Metric, _ index: Int, _ factors: RaBitQFactors, squares: Double, confidence: Double
  ) -> Float {
    let query = queries[index]
    let cosine = factors.cosine(squares: squares)
    let tangent = max(0, 1 - cosine * cosine).squareRoot() / cosine
    let deviation = tangent / Double(max(1, dimension - 1)).squareRoot()
    let bound =
      query.length
      * (confidence * Double(factors.length) * deviation + Double(factors.scale)
        * squares.squareRoot() * query.rounding)
    switch metric {
    case .squaredL2: return Float(2 * bound)
    case .innerProduct: return Float(bound)
    case .cosine:
      let lengths = lengths(index, factors)
      return lengths > 0 ? Float(bound / lengths) : 0
    }
  }

  /// The length of a query times that of the vector a code stands for.
  private func lengths(_ index: Int, _ factors: RaBitQFactors) -> Double {
    let length = Double(factors.length)
    let squares = length * length + 2 * Double(factors.centerProduct) + centerSquares
    return max(0, squares).squareRoot() * queries[index].norm
  }
}
