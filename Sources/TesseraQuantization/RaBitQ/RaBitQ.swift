internal import Synchronization
public import TesseraCompute
import TesseraHost

/// A trained ``RaBitQRecipe``.
///
/// A code holds, lowest bit first, `bits` bits a dimension: the grid point nearest in direction to
/// the rotated vector less the center. Three Float32 factors follow: the length of the vector less
/// the center, that length over the grid point's product with the direction, and the product of
/// the vector less the center with the center. Of differences from the centroids of lists, the center
/// of the last factor is the list's centroid and the center together (``knowsCentroids``).
///
/// - Complexity: encoding and decoding take O(dimension * log dimension) a vector, besides about
///   19 trials of a grid step when there is more than one bit.
public struct RaBitQ: Quantizer {
  /// `rabitq`.
  public static let kind = "rabitq"

  /// Bits of a dimension.
  public let bits: Int
  /// The mean of the training points.
  public let center: [Float]
  let rotation: HadamardRotation
  /// True if the last factor of codes is about the point that they are relative to, also in lists: inner
  /// products are then estimated around it.
  package let knowsCentroids: Bool

  /// `RaBitQ<bits>`, or `RaBitQ` for one bit.
  public var specification: String { bits == 1 ? "RaBitQ" : "RaBitQ\(bits)" }
  /// Numbers of a vector.
  public var dimension: Int { center.count }
  /// Bytes of a code: `dimension * bits` bits, rounded up to whole bytes, and 12 bytes of factors.
  public var codeByteCount: Int { levels.bytesPerRow + RaBitQFactors.byteCount }

  var levels: BitPacking { BitPacking(bits: bits, perRow: dimension) }

  init(
    bits: Int, center: [Float], rotation: HadamardRotation, knowsCentroids: Bool = false
  ) {
    self.bits = bits
    self.center = center
    self.rotation = rotation
    self.knowsCentroids = knowsCentroids
  }

  /// Makes one that does not rotate, for codes that other programs made.
  package init(unrotated bits: Int, center: [Float]) {
    self.init(
      bits: bits, center: center, rotation: HadamardRotation(dimension: center.count, signs: []),
      knowsCentroids: true)
  }

  /// The same around the centroids of lists alone: they are the means of rows, so that differences from
  /// them have no mean worth keeping.
  package func inLists() -> RaBitQ {
    RaBitQ(
      bits: bits, center: [Float](repeating: 0, count: dimension), rotation: rotation,
      knowsCentroids: true)
  }

  /// - Throws: `.invalidArgument` also for a vector whose distance from the center, or whose product
  ///   with it, is beyond Float32.
  public func encode(
    _ vectors: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> Codes {
    try encode(vectors, around: nil, on: device, control: control)
  }

  package func encode(
    _ vectors: Vectors, around centroids: RowCentroids?, on device: any Device,
    control: RunControl
  ) throws(TesseraError) -> Codes {
    try require(vectors, "encode")
    let around = knowsCentroids ? centroids : nil
    return try control.steer(on: device) { device throws(TesseraError) in
      var bytes: [UInt8] = []
      bytes.reserveCapacity(vectors.count * codeByteCount)
      for start in stride(from: 0, to: vectors.count, by: Self.blockRows) {
        let rows = start..<min(start + Self.blockRows, vectors.count)
        bytes += try encodeRows(vectors, rows, around, on: device.hostWorkers)
        try control.report("encode", done: Double(rows.upperBound) / Double(vectors.count))
      }
      return try Codes(bytes, byteCount: codeByteCount)
    }
  }

  private static let blockRows = 4096

  private func encodeRows(
    _ vectors: Vectors, _ rows: Range<Int>, _ centroids: RowCentroids?, on workers: WorkerPool
  ) throws(TesseraError) -> [UInt8] {
    let tooFar = Mutex<Int?>(nil)
    let bytes: [UInt8] = try workers.makeRows(rows.count, of: codeByteCount, minimum: 16) {
      range, codes in
      var grid = GridDirection(dimension: dimension, bits: bits)
      var numbers = [UInt16](repeating: 0, count: dimension)
      for (index, offset) in range.enumerated() {
        let row = vectors.row(rows.lowerBound + offset)
        var (direction, length) = direction(of: row)
        rotation.apply(&direction)
        let product = grid.encode(direction.span, into: &numbers)
        let scale = product > 0 ? Float(length / product) : 0
        // A distance too small to have a scale counts as none.
        let factors = RaBitQFactors(
          length: scale > 0 ? Float(length) : 0, scale: scale,
          centerProduct: centerProduct(row, centroids?.row(rows.lowerBound + offset)))
        if !Float(length).isFinite || !factors.isPossible {
          tooFar.withLock { $0 = min($0 ?? .max, rows.lowerBound + offset) }
        }
        let start = index * codeByteCount
        for (place, byte) in (levels.pack(numbers) + factors.bytes).enumerated() {
          codes[start + place] = byte
        }
      }
    }
    if let row = tooFar.withLock({ $0 }) {
      throw TesseraError(
        .invalidArgument,
        "\(specification) encode: row \(row) is too far from the center for Float32; scale the "
          + "vectors down")
    }
    return bytes
  }

  /// Scales each grid point to lie nearest to its vector, turns it back, and adds the center.
  public func decode(
    _ codes: Codes, on device: any Device, control: RunControl
  ) throws(TesseraError) -> [Float] {
    let factors = try factors(of: codes)
    return try control.steer(on: device) { device throws(TesseraError) in
      var values: [Float] = []
      values.reserveCapacity(codes.count * dimension)
      for start in stride(from: 0, to: codes.count, by: Self.blockRows) {
        let rows = start..<min(start + Self.blockRows, codes.count)
        let (points, squares) = try gridPoints(codes, rows, on: device)
        var block = points
        try device.hostWorkers.updateEachRow(of: &block, width: dimension) { index, row in
          rotation.invert(&row)
          // The multiple nearest to the vector, not the one that makes estimates unbiased, which
          // is longer. Points are doubled.
          let scale = factors[start + index].nearestScale(squares: squares[index]) / 2
          for i in row.indices { row[i] = Float(Double(row[i]) * scale + Double(center[i])) }
        }
        values += block
        try control.report("decode", done: Double(rows.upperBound) / Double(codes.count))
      }
      return values
    }
  }

  /// Returns the grid points of some codes, doubled to be whole numbers, and their products with
  /// themselves, not doubled.
  func gridPoints(
    _ codes: Codes, _ rows: Range<Int>, on device: any Device
  ) throws(TesseraError) -> (points: [Float], squares: [Double]) {
    let middle = Int32(1 << bits) - 1
    let points: [Float] = try device.hostWorkers.makeRows(rows.count, of: dimension) {
      range, points in
      var numbers = [UInt16](repeating: 0, count: dimension)
      for (index, row) in range.enumerated() {
        levels.unpack(
          row: codes.bytes.span.extracting(
            .row(rows.lowerBound + row, of: codeByteCount)), to: &numbers)
        let start = index * dimension
        for i in 0..<dimension { points[start + i] = Float(2 * Int32(numbers[i]) - middle) }
      }
    }
    // Whole numbers, so that Float64 sums are exact in any order.
    let squares: [Double] = try device.hostWorkers.makeEachRow(rows.count, of: 1) { row, square in
      square[0] = FixedOrder.squares(points.span.extracting(.row(row, of: dimension))) / 4
    }
    return (points, squares)
  }

  /// Returns the direction from the center to `row`, and the distance.
  func direction(of row: [Float]) -> ([Float], length: Double) {
    Self.direction(row.indices.map { Double(row[$0]) - Double(center[$0]) })
  }

  /// Returns the direction of `vector`, all 0 if it has none, and its length.
  static func direction(_ vector: [Double]) -> ([Float], length: Double) {
    var squares = 0.0
    for number in vector { squares += number * number }
    let length = squares.squareRoot()
    guard length > 0 else { return (Array(repeating: 0, count: vector.count), 0) }
    return (vector.map { Float($0 / length) }, length)
  }

  /// The product of `row` less the center with the center, and with the centroid of its list.
  private func centerProduct(_ row: [Float], _ centroid: [Float]?) -> Float {
    var product = 0.0
    for i in row.indices {
      let middle = Double(center[i]) + Double(centroid?[i] ?? 0)
      product += (Double(row[i]) - Double(center[i])) * middle
    }
    return Float(product)
  }

  func require(_ vectors: Vectors, _ operation: String) throws(TesseraError) {
    try vectors.requireDimension(dimension, "\(specification) \(operation)")
    try Shapes.requireFinite(vectors, "\(specification) \(operation)")
  }
}

extension RaBitQ {
  /// The center as Float32, the random signs of the rotation as Int8, and whether codes know the
  /// centroids of lists.
  public var arrays: [String: StoredArray] {
    var arrays: [String: StoredArray] = [
      "center": .of(center, shape: [dimension]),
      "rotation.signs": .of(
        rotation.signs.map(Int8.init), shape: [rotation.roundCount, dimension]),
    ]
    if knowsCentroids { arrays["knows.centroids"] = .of([Int8(1)], shape: [1]) }
    return arrays
  }

  /// Reads the center and the signs; each sign must be 1 or -1.
  public init(specification: String, arrays: [String: StoredArray]) throws(TesseraError) {
    let table = StoredArrayTable(specification: specification, arrays: arrays)
    guard let recipe = try RaBitQRecipe(parsing: specification) else {
      throw table.malformed("the name is not that of a RaBitQ, such as RaBitQ4")
    }
    let center = try table.values("center", Float.self, [nil]).values
    // A rotation without rounds has no signs.
    let rounds = arrays["rotation.signs"]?.shape.first == 0 ? 0 : nil
    let signs = try table.values("rotation.signs", Int8.self, [rounds, center.count]).values
    guard signs.allSatisfy({ $0 == 1 || $0 == -1 }) else {
      throw table.malformed("tensor \"rotation.signs\" holds other numbers than 1 and -1")
    }
    self.init(
      bits: recipe.bits, center: center,
      rotation: HadamardRotation(dimension: center.count, signs: signs.map(Float.init)),
      knowsCentroids: arrays["knows.centroids"] != nil)
  }
}
