import TesseraCompute

/// Holds the numbers that a code of ``RaBitQ`` keeps besides the grid point.
struct RaBitQFactors: Sendable {
  static let byteCount = 12

  /// The distance of the vector from the center.
  let length: Float
  /// `length` over the product of the grid point and the direction from the center.
  let scale: Float
  /// The product of the vector less the center and the center.
  let centerProduct: Float

  var bytes: [UInt8] {
    [length, scale, centerProduct].flatMap { number in
      withUnsafeBytes(of: number.bitPattern.littleEndian, Array.init)
    }
  }

  init(length: Float, scale: Float, centerProduct: Float) {
    self.length = length
    self.scale = scale
    self.centerProduct = centerProduct
  }

  /// Reads them from the last bytes of `code`.
  init(endOf code: Span<UInt8>) {
    let start = code.count - Self.byteCount
    func number(_ offset: Int) -> Float {
      var bits: UInt32 = 0
      for byte in 0..<4 { bits |= UInt32(code[start + offset + byte]) << UInt32(8 * byte) }
      return Float(bitPattern: bits)
    }
    self.init(length: number(0), scale: number(4), centerProduct: number(8))
  }

  /// True if a vector can have these factors.
  var isPossible: Bool {
    length >= 0 && length.isFinite && scale >= 0 && scale.isFinite && centerProduct.isFinite
      && (length == 0) == (scale == 0)
  }

  /// The cosine of the angle between the direction and its grid point of these `squares`.
  func cosine(squares: Double) -> Double {
    scale > 0 ? min(1, Double(length) / (Double(scale) * squares.squareRoot())) : 1
  }

  /// The length of the vector.
  func vectorLength(centerSquares: Double) -> Double {
    let length = Double(length)
    return max(0, length * length + 2 * Double(centerProduct) + centerSquares).squareRoot()
  }

  /// The multiple of the grid point that lies nearest to the vector.
  func nearestScale(squares: Double) -> Double {
    guard scale > 0 else { return 0 }
    return Double(length) * Double(length) / (Double(scale) * squares)
  }
}

extension RaBitQ {
  /// The factors of every code.
  ///
  /// - Throws: `.invalidShape` for codes of another length, `.invalidArgument` for a code that no
  ///   vector has.
  func factors(of codes: Codes) throws(TesseraError) -> [RaBitQFactors] {
    try requireOwn(codes)
    // Bits after the last level are 0.
    let used = bits * dimension % 8
    var factors: [RaBitQFactors] = []
    factors.reserveCapacity(codes.count)
    var isPossible = true
    for index in 0..<codes.count where isPossible {
      let code = codes.bytes.span.extracting(.row(index, of: codeByteCount))
      factors.append(RaBitQFactors(endOf: code))
      isPossible =
        factors[index].isPossible
        && (used == 0 || code[levels.bytesPerRow - 1] >> UInt8(used) == 0)
    }
    guard isPossible else {
      throw TesseraError(
        .invalidArgument,
        "\(specification): code \(factors.count - 1) is not one that encoding makes; encode again")
    }
    return factors
  }
}
