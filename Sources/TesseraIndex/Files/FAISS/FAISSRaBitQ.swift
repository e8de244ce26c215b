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
  /// What rows are less where there are no lists.
  var center: [Float] = []

  private var signByteCount: Int { (dimension + 7) / 8 }
  private var restBits: Int { bits - 1 }
  private var restByteCount: Int { (dimension * restBits + 7) / 8 }
  var codeByteCount: Int { signByteCount + (bits == 1 ? 8 : 12 + restByteCount + 8) }

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
    let own = center.reduce(0) { $0 + Double($1) * Double($1) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(rows.count * quantizer.codeByteCount)
    var row = 0
    for (count, squares) in centroids ?? [(rows.count, own)] {
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

  // Of a number and one that is NaN, `max` keeps the first where that is the NaN.
  private func parts(of code: [UInt8], centerSquares: Double) -> RaBitQParts {
    let signs = float(code, signByteCount)
    let slope = Double(float(code, signByteCount + 4))
    var levels = (0..<dimension).map { UInt16(code[$0 / 8] >> UInt8($0 % 8) & 1) << restBits }
    guard bits > 1 else {
      let scale = 2 * slope / Double(dimension).squareRoot()
      let isDistance = metric == .squaredL2
      // The length is not kept under inner products, and only matters to what codes stand for: it is
      // that of a row whose numbers are normally distributed.
      let length = isDistance ? max(Double(signs), 0).squareRoot() : 0.8 * slope
      return made(
        levels, length: length, scale: scale,
        centerProduct: isDistance ? 0 : -(Double(signs) + centerSquares) / 2)
    }
    let start = signByteCount + 12
    for d in 0..<dimension {
      for bit in 0..<restBits {
        let place = d * restBits + bit
        levels[d] |= UInt16(code[start + place / 8] >> UInt8(place % 8) & 1) << bit
      }
    }
    let added = Double(float(code, start + restByteCount))
    let scale = Double(float(code, start + restByteCount + 4))
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
    let own = center.reduce(0) { $0 + Double($1) * Double($1) }
    let parts = try quantizer.parts(of: codes)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(codes.count * codeByteCount)
    var row = 0
    for (count, squares) in centroids ?? [(codes.count, own)] {
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
    let start = bytes.count
    bytes += [UInt8](repeating: 0, count: codeByteCount)
    for d in 0..<dimension where parts.levels[d] >> restBits & 1 == 1 {
      bytes[start + d / 8] |= 1 << UInt8(d % 8)
    }
    let (length, scale) = (Double(parts.length), Double(parts.scale))
    let isDistance = metric == .squaredL2
    let root = Double(dimension).squareRoot()
    let slope = bits == 1 ? scale * root / 2 : length * length * root / max(sizes(parts), 0x1p-120)
    let signs = isDistance ? length * length : -2 * Double(parts.centerProduct) - centerSquares
    put([Float(signs), Float(scale > 0 ? slope : 0)], at: start + signByteCount, in: &bytes)
    guard bits > 1 else { return }
    let spread = max(0, slope * slope - length * length) / Double(max(1, dimension - 1))
    let error = scale > 0 ? Self.confidence * spread.squareRoot() * (isDistance ? 2 : 1) : 0
    put([Float(error)], at: start + signByteCount + 8, in: &bytes)
    let rest = start + signByteCount + 12
    for d in 0..<dimension {
      for bit in 0..<restBits where parts.levels[d] >> bit & 1 == 1 {
        let place = d * restBits + bit
        bytes[rest + place / 8] |= 1 << UInt8(place % 8)
      }
    }
    put(
      isDistance
        ? [Float(length * length), Float(-2 * scale)] : [parts.centerProduct, Float(scale)],
      at: rest + restByteCount, in: &bytes)
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

  private func put(_ numbers: [Float], at offset: Int, in bytes: inout [UInt8]) {
    for (place, number) in numbers.enumerated() {
      for byte in 0..<4 {
        bytes[offset + 4 * place + byte] = UInt8(number.bitPattern >> UInt32(8 * byte) & 255)
      }
    }
  }
}
