public import TesseraCompute

/// A trained ``RaBitQRecipe``.
///
/// A code holds, lowest bit first, `bits` bits a dimension: the grid point nearest in direction to
/// the rotated vector less the center. Three Float32 factors follow: the length of the vector less
/// the center, that length over the grid point's product with the direction, and the product of
/// the vector less the center with the center.
///
/// - Complexity: encoding and decoding take O(dimension * log dimension) a vector, besides about
///   19 trials of a grid step when there is more than one bit.
public struct RaBitQ: Quantizer {
  /// `rabitq`.
  public static let kind = "rabitq"

  /// Bits of a dimension: 1 to 9.
  public let bits: Int
  /// The mean of the training points.
  public let center: [Float]
  let rotation: HadamardRotation

  /// `RaBitQ<bits>`, or `RaBitQ` for one bit.
  public var specification: String { bits == 1 ? "RaBitQ" : "RaBitQ\(bits)" }
  /// Numbers of a vector.
  public var dimension: Int { center.count }
  /// Bytes of a code: `dimension * bits` bits, rounded up to whole bytes, and 12 bytes of factors.
  public var codeByteCount: Int { levels.bytesPerRow + RaBitQFactors.byteCount }

  var levels: BitPacking { BitPacking(bits: bits, perRow: dimension) }

  init(bits: Int, center: [Float], rotation: HadamardRotation) {
    self.bits = bits
    self.center = center
    self.rotation = rotation
  }

  /// - Throws: `.invalidArgument` also for a vector whose distance from the center is beyond
  ///   Float32.
  public func encode(
    _ vectors: Vectors, on device: any Device
  ) throws(TesseraError) -> Codes {
    try require(vectors, "encode")
    var bytes: [UInt8] = []
    bytes.reserveCapacity(vectors.count * codeByteCount)
    for start in stride(from: 0, to: vectors.count, by: Self.blockRows) {
      let rows = start..<min(start + Self.blockRows, vectors.count)
      let (numbers, factors) = try encodeRows(vectors, rows)
      let packed = levels.pack(numbers)
      for (index, factors) in factors.enumerated() {
        bytes += packed[index * levels.bytesPerRow..<(index + 1) * levels.bytesPerRow]
        bytes += factors.bytes
      }
    }
    return try Codes(bytes, byteCount: codeByteCount)
  }

  private static let blockRows = 1024

  private func encodeRows(
    _ vectors: Vectors, _ rows: Range<Int>
  ) throws(TesseraError) -> ([UInt16], [RaBitQFactors]) {
    var grid = GridDirection(dimension: dimension, bits: bits)
    var numbers = [UInt16](repeating: 0, count: rows.count * dimension)
    var factors: [RaBitQFactors] = []
    for index in rows {
      let row = vectors.row(index)
      var (direction, length) = direction(of: row)
      guard Float(length).isFinite else {
        throw TesseraError(
          .invalidArgument,
          "\(specification) encode: row \(index) is too far from the center for Float32; scale the "
            + "vectors")
      }
      let product = numbers.withUnsafeMutableBufferPointer { numbers in
        direction.withUnsafeMutableBufferPointer { direction in
          guard let values = direction.baseAddress, let levels = numbers.baseAddress else {
            return 0.0
          }
          rotation.apply(values)
          return grid.encode(
            values, into: levels + (index - rows.lowerBound) * dimension)
        }
      }
      let scale = product > 0 ? Float(length / product) : 0
      // A distance too small to have a scale counts as none.
      factors.append(
        RaBitQFactors(
          length: scale > 0 ? Float(length) : 0, scale: scale, centerProduct: centerProduct(row)))
    }
    return (numbers, factors)
  }

  /// Scales each grid point to lie nearest to its vector, turns it back, and adds the center.
  public func decode(
    _ codes: Codes, on device: any Device
  ) throws(TesseraError) -> [Float] {
    let factors = try factors(of: codes)
    var values: [Float] = []
    values.reserveCapacity(codes.count * dimension)
    for start in stride(from: 0, to: codes.count, by: Self.blockRows) {
      let rows = start..<min(start + Self.blockRows, codes.count)
      var (points, squares) = gridPoints(codes, rows, on: device)
      points.withUnsafeMutableBufferPointer { points in
        guard let first = points.baseAddress else { return }
        for index in 0..<rows.count {
          let row = first + index * dimension
          rotation.invert(row)
          // The multiple nearest to the vector, not the one that makes estimates unbiased, which
          // is longer. Points are doubled.
          let scale = factors[start + index].nearestScale(squares: squares[index]) / 2
          for i in 0..<dimension { row[i] = Float(Double(row[i]) * scale + Double(center[i])) }
        }
      }
      values += points
    }
    return values
  }

  /// The grid points of some codes, doubled to be whole numbers, and their products with
  /// themselves, not doubled.
  func gridPoints(
    _ codes: Codes, _ rows: Range<Int>, on device: any Device
  ) -> (points: [Float], squares: [Double]) {
    var squares = [Double](repeating: 0, count: rows.count)
    let points = [Float](
      unsafeUninitializedCapacity: rows.count * dimension
    ) { points, initialized in
      initialized = rows.count * dimension
      codes.bytes.withUnsafeBufferPointer { bytes in
        squares.withUnsafeMutableBufferPointer { squares in
          guard let bytes = bytes.baseAddress, let points = points.baseAddress,
            let squares = squares.baseAddress
          else { return }
          let source = SharedRows(start: UnsafeMutablePointer(mutating: bytes))
          let target = SharedRows(start: points)
          let sums = SharedRows(start: squares)
          device.forEachRange(of: rows.count) { range in
            for index in range {
              let code = source.start + (rows.lowerBound + index) * codeByteCount
              sums.start[index] = gridPoint(code, to: target.start + index * dimension)
            }
          }
        }
      }
    }
    return (points, squares)
  }

  private func gridPoint(
    _ code: UnsafePointer<UInt8>, to point: UnsafeMutablePointer<Float>
  ) -> Double {
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: dimension) { numbers in
      guard let start = numbers.baseAddress else { return 0 }
      levels.unpack(row: code, to: start)
      let middle = Int32(1 << bits) - 1
      var sum: Int64 = 0
      for i in 0..<dimension {
        let doubled = 2 * Int32(start[i]) - middle
        point[i] = Float(doubled)
        sum += Int64(doubled * doubled)
      }
      return Double(sum) / 4
    }
  }

  /// The direction from the center to `row` and the distance.
  func direction(of row: [Float]) -> ([Float], length: Double) {
    var squares = 0.0
    for i in row.indices {
      let difference = Double(row[i]) - Double(center[i])
      squares += difference * difference
    }
    let length = squares.squareRoot()
    guard length > 0 else { return (Array(repeating: 0, count: row.count), 0) }
    let direction = row.indices.map { Float((Double(row[$0]) - Double(center[$0])) / length) }
    return (direction, length)
  }

  private func centerProduct(_ row: [Float]) -> Float {
    var product = 0.0
    for i in row.indices { product += (Double(row[i]) - Double(center[i])) * Double(center[i]) }
    return Float(product)
  }

  func require(_ vectors: Vectors, _ operation: String) throws(TesseraError) {
    try vectors.requireDimension(dimension, "\(specification) \(operation)")
    try Shapes.requireFinite(vectors, "\(specification) \(operation)")
  }
}
