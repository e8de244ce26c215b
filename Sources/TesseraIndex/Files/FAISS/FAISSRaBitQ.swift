internal import TesseraCompute
internal import TesseraHost
internal import TesseraQuantization

/// A RaBitQ quantizer: the signs of rows less their centroids, or more bits of each number, and factors
/// that make estimates of them.
///
/// A code has the signs, two factors of these (three where there are more bits), the bits besides the
/// signs, and two factors of all bits. FAISS rotates nothing here: files have a transform for it.
struct FAISSRaBitQ: Sendable {
  var dimension: Int
  /// Bits of a dimension.
  var bits: Int
  var metric: Metric
  /// Bits that FAISS rounds queries to when it searches; 0 for none.
  var queryBits: UInt8 = 0
  /// The point that codes are relative to where there are no lists.
  var center: [Float] = []

  private var restBits: Int { bits - 1 }
  private var signs: BitPacking { BitPacking(bits: 1, perRow: dimension) }
  private var rest: BitPacking { BitPacking(bits: restBits, perRow: dimension) }
  private var signByteCount: Int { signs.bytesPerRow }
  var codeByteCount: Int { signByteCount + (bits == 1 ? 8 : 12 + rest.bytesPerRow + 8) }

  /// Deviations that FAISS's bound of what signs err leaves room for.
  private static let confidence = 1.9
}

// MARK: To Tessera

extension FAISSRaBitQ {
  /// The same codes as Tessera has them: those of a quantizer that rotates nothing.
  ///
  /// - Parameter centroids: The centroid of each row in lists; nil without lists.
  /// - Throws: `.malformedFile` for factors that no row has.
  func codes(
    _ rows: Vectors, around centroids: [(rows: Int, squares: Double)]?
  ) throws(TesseraError) -> (Codes, RaBitQ) {
    let origin = [Float](repeating: 0, count: dimension)
    let quantizer = RaBitQ(unrotated: bits, center: centroids == nil ? center : origin)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(rows.count * quantizer.codeByteCount)
    var row = 0
    for (count, squares) in centroids ?? [(rows.count, center.squaredLength)] {
      for _ in 0..<count {
        let code = rows.rows(row..<row + 1).bytes
        guard let next = quantizer.code(parts(of: code, centerSquares: squares)) else {
          throw TesseraError(
            .malformedFile, "the RaBitQ code of row \(row) has factors that no row has")
        }
        bytes += next
        row += 1
      }
    }
    return (try Codes(bytes, byteCount: quantizer.codeByteCount), quantizer)
  }

  private func parts(of code: [UInt8], centerSquares: Double) -> RaBitQParts {
    // Numbers that may be NaN come first in `max`, which then returns NaN: it is refused later.
    let known = float(code, signByteCount)
    let slope = Double(float(code, signByteCount + 4))
    var levels = signs.unpack(Array(code[..<signByteCount])).map { $0 << restBits }
    guard bits > 1 else {
      let scale = 2 * slope / Double(dimension).squareRoot()
      let isDistance = metric == .squaredL2
      // The length is not kept under inner products, and only matters to what codes stand for: it is
      // that of a row whose numbers are normally distributed.
      let length = isDistance ? max(Double(known), 0).squareRoot() : 0.8 * slope
      return made(
        levels, length: length, scale: scale,
        centerProduct: isDistance ? 0 : -(Double(known) + centerSquares) / 2)
    }
    let start = signByteCount + 12
    let end = start + rest.bytesPerRow
    for (d, level) in rest.unpack(Array(code[start..<end])).enumerated() { levels[d] |= level }
    let added = Double(float(code, end))
    let scale = Double(float(code, end + 4))
    guard metric == .innerProduct else {
      return made(
        levels, length: max(added, 0).squareRoot(), scale: -scale / 2, centerProduct: 0)
    }
    let error = Double(float(code, signByteCount + 8)) / Self.confidence
    let squares = slope * slope - error * error * Double(max(1, dimension - 1))
    return made(
      levels, length: max(squares, slope * slope / 4).squareRoot(), scale: scale,
      centerProduct: added)
  }

  /// Leaves a row that has no length without a direction.
  private func made(
    _ levels: [UInt16], length: Double, scale: Double, centerProduct: Double
  ) -> RaBitQParts {
    let hasNone = Float(length) == 0 || Float(scale) == 0
    return RaBitQParts(
      levels: levels, length: hasNone ? 0 : Float(length), scale: hasNone ? 0 : Float(scale),
      centerProduct: Float(centerProduct))
  }

  private func float(_ code: [UInt8], _ offset: Int) -> Float {
    var bits: UInt32 = 0
    for byte in 0..<4 { bits |= UInt32(code[offset + byte]) << UInt32(8 * byte) }
    return Float(bitPattern: bits)
  }
}

// MARK: From Tessera

extension FAISSRaBitQ {
  /// Queries get as many bits as FAISS gives them: its searches take ten times as long without rounding.
  init(_ quantizer: RaBitQ, metric: Metric, inLists: Bool) {
    self.init(
      dimension: quantizer.dimension, bits: quantizer.bits, metric: metric, queryBits: 4,
      center: inLists ? [] : quantizer.rotated(quantizer.center))
  }

  /// The codes as FAISS has them. What Tessera does not keep, how long rows are by the sum of their
  /// numbers' sizes, is that of what codes stand for.
  ///
  /// - Parameter centroids: The centroid of each row in lists; nil without lists.
  func bytes(
    of codes: Codes, _ quantizer: RaBitQ, around centroids: [(rows: Int, squares: Double)]?
  ) throws(TesseraError) -> Vectors {
    let parts = try quantizer.parts(of: codes)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(codes.count * codeByteCount)
    var row = 0
    for (count, squares) in centroids ?? [(codes.count, center.squaredLength)] {
      for _ in 0..<count {
        append(parts[row], centerSquares: squares, to: &bytes)
        row += 1
      }
    }
    return try Vectors(
      HostMemory(copying: bytes), element: .uint8, count: codes.count, dimension: codeByteCount)
  }

  private func append(
    _ parts: RaBitQParts, centerSquares: Double, to bytes: inout [UInt8]
  ) {
    let (length, scale) = (Double(parts.length), Double(parts.scale))
    let isDistance = metric == .squaredL2
    let root = Double(dimension).squareRoot()
    let slope = bits == 1 ? scale * root / 2 : length * length * root / max(sizes(parts), 0x1p-120)
    let known = isDistance ? length * length : -2 * Double(parts.centerProduct) - centerSquares
    bytes += signs.pack(parts.levels.map { $0 >> restBits })
    append([Float(known), Float(scale > 0 ? slope : 0)], to: &bytes)
    guard bits > 1 else { return }
    let spread = max(0, slope * slope - length * length) / Double(max(1, dimension - 1))
    let error = scale > 0 ? Self.confidence * spread.squareRoot() * (isDistance ? 2 : 1) : 0
    append([Float(error)], to: &bytes)
    bytes += rest.pack(parts.levels.map { $0 & (1 << restBits - 1) })
    append(
      isDistance
        ? [Float(length * length), Float(-2 * scale)] : [parts.centerProduct, Float(scale)],
      to: &bytes)
  }

  /// The sum of the sizes of a row's numbers, of what its code stands for.
  private func sizes(_ parts: RaBitQParts) -> Double {
    var (sum, squares) = (0.0, 0.0)
    for level in parts.levels {
      let value = Double(level) - Double(1 << bits - 1) / 2
      sum += abs(value)
      squares += value * value
    }
    let length = Double(parts.length)
    return parts.scale > 0 ? length * length / (Double(parts.scale) * squares) * sum : 0
  }

  private func append(_ numbers: [Float], to bytes: inout [UInt8]) {
    for number in numbers {
      for byte in 0..<4 { bytes.append(UInt8(number.bitPattern >> UInt32(8 * byte) & 255)) }
    }
  }
}
