/// Arguments for elementary functions, the same in every test.
public enum FunctionSample {
  #if DEBUG
    private static let mantissas = 12
  #else
    private static let mantissas = 1500
  #endif

  /// Special numbers, both neighbours of everything that some function treats apart, every exponent and
  /// sign with random mantissas, and numbers in -24...24, which is where most functions have not ended.
  public static let arguments: [Float] = {
    var generator = RepeatableGenerator(seed: 16)
    var values = special
    for edge in edges {
      for edge in [edge, -edge] {
        for step in -3...3 { values.append(Float(bitPattern: moved(edge.bitPattern, by: step))) }
      }
    }
    for exponent in 0..<512 as Range<UInt32> {
      for _ in 0..<mantissas {
        let mantissa = UInt32(truncatingIfNeeded: generator.next()) & 0x7F_FFFF
        values.append(Float(bitPattern: exponent << 23 | mantissa))
      }
    }
    for _ in 0..<200 * mantissas { values.append(24 * generator.unit()) }
    return values
  }()

  /// Pairs of numbers to divide: special ones, any bits, quotients that are subnormal or overflow, and
  /// mantissas of few digits, whose quotients come near the middle of two numbers.
  public static let quotients: (numerators: [Float], denominators: [Float]) = {
    var generator = RepeatableGenerator(seed: 17)
    func bits() -> UInt32 { UInt32(truncatingIfNeeded: generator.next()) }
    var pairs = special.flatMap { a in special.map { (a, $0) } }
    for _ in 0..<300 * mantissas {
      pairs.append((Float(bitPattern: bits()), Float(bitPattern: bits())))
      let (a, b) = (bits() & 0x81FF_FFFF, bits() & 0x80FF_FFFF | 0x3E00_0000)
      pairs.append((Float(bitPattern: a), Float(bitPattern: b)))
      pairs.append((Float(bitPattern: bits() & ~0xFFF), Float(bitPattern: bits() | 0x7F_F000)))
    }
    return (pairs.map(\.0), pairs.map(\.1))
  }()

  private static func moved(_ bits: UInt32, by step: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: Int(bits) + step)
  }

  private static let special: [Float] =
    [
      0, 1, 2, 3, 0.5, 0.1, .pi, .infinity, .leastNonzeroMagnitude, .leastNormalMagnitude,
      .leastNormalMagnitude.nextDown, .greatestFiniteMagnitude, 0x1p-148, 0x1p24,
    ].flatMap { [$0, -$0] }
    + [0x7FC0_0000, 0xFFC0_0000, 0x7F80_0001, 0xFF80_0001, 0x7FFF_FFFF, 0xFFFF_FFFF]
    .map { Float(bitPattern: $0) }

  private static let edges: [Float] = [
    // exp and what is made of it.
    88.72284, 89, 87.336_54, 103.278_93, 103.972_08, 104, 0.346_573_6, 1.039_720_8, 1.098_612_3,
    // log.
    1, 2.0 / 3, 4.0 / 3, 0x1p-126, 0x1p-149,
    // tanh, softplus, erf.
    0x1p-12, 9.010_913, 16.635_532, 20, 0.921_875, 3.919_206, 4,
    // Quarter turns, and where their reduction changes.
    .pi / 4, .pi / 2, 3 * .pi / 4, .pi, 1000 * .pi, 0x1p15, 0x1p22, 16_367_173 * 0x1p72,
  ]
}

/// Returns how far a result is from the true value, in units of the last place that Float32 has there;
/// infinity for a wrong NaN, infinity or sign.
public func ulps(_ result: Float, from truth: Double) -> Double {
  if truth.isNaN { return result.bitPattern == 0x7FC0_0000 ? 0 : .infinity }
  guard !result.isNaN, result.sign == truth.sign else { return .infinity }
  if truth == 0 || truth.isInfinite { return result == Float(truth) ? 0 : .infinity }
  // What is beyond the largest number counts as 2^128.
  let (size, found) = (min(truth.magnitude, 0x1p128), min(Double(result.magnitude), 0x1p128))
  let exponent = min(max(size.exponent, -126), 127)
  return abs(found - size) * Double(sign: .plus, exponent: Int(23 - exponent), significand: 1)
}
