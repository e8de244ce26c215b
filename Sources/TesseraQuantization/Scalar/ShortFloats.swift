extension Float {
  /// The least size of a number that is beyond the range of IEEE binary16, after rounding.
  static var halfLimit: Float { 65520 }

  /// The nearest IEEE binary16 number, ties to even; what is beyond its range becomes the greatest.
  ///
  /// `Float16(self)` calls a library function on x86-64 without F16C, which differ between systems.
  var nearestHalfBits: UInt16 {
    let sign = UInt16(truncatingIfNeeded: bitPattern >> 16) & 0x8000
    let size = magnitude
    guard size < Self.halfLimit else { return sign | 0x7BFF }
    if size < 0x1p-14 {
      // Subnormals are whole multiples of 2^-24: exact after scaling, rounded to even.
      return sign | UInt16((size * 0x1p24).rounded(.toNearestOrEven))
    }
    // 13 bits fall away; the carry of a rounding moves into the exponent, as it should.
    let bits = size.bitPattern
    let rounded = bits + 0x0FFF + (bits >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded - 0x3800_0000) >> 13)
  }

  /// The upper half of the nearest Float32 with an empty lower half, ties to even; what would round
  /// to infinity becomes the greatest.
  var nearestBFloat16Bits: UInt16 {
    let rounded = (bitPattern + 0x7FFF + (bitPattern >> 16 & 1)) >> 16
    return UInt16(truncatingIfNeeded: rounded & 0x7FFF == 0x7F80 ? rounded - 1 : rounded)
  }
}
