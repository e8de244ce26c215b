public import TesseraCompute

/// A bit pattern that is no number, in one of the floating-point element types.
public struct NonFinite: Sendable, CustomStringConvertible {
  /// The type of which this is a number.
  public let element: ElementType
  /// The pattern, in the lowest bits.
  public let bits: UInt32

  /// The type and the pattern in hexadecimal.
  public var description: String { "\(element) 0x\(String(bits, radix: 16))" }

  /// Infinities and NaNs of every floating-point type.
  public static let cases: [NonFinite] =
    // Infinity, minus infinity, a quiet NaN, a signalling NaN with a sign.
    [0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0xFF80_0001].map { NonFinite(.float32, $0) }
    + [0x7C00, 0xFC00, 0x7E00, 0xFC01].map { NonFinite(.float16, $0) }
    + [0x7F80, 0xFF80, 0x7FC0, 0xFF81].map { NonFinite(.bfloat16, $0) }

  private init(_ element: ElementType, _ bits: UInt32) {
    self.element = element
    self.bits = bits
  }

  /// Ordinary rows, but for the last number of the rows in `places`.
  public func rows(
    count: Int, dimension: Int, at places: [Int]
  ) throws(TesseraError) -> Vectors {
    let width = element.byteCount
    var bytes = [UInt8](repeating: 0, count: count * dimension * width)
    for place in places {
      let end = (place + 1) * dimension * width
      for byte in 0..<width { bytes[end - width + byte] = UInt8(bits >> (8 * byte) & 0xFF) }
    }
    return try Vectors(
      HostMemory(copying: bytes), element: element, count: count, dimension: dimension)
  }
}
