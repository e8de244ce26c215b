/// An angle without its whole quarter turns: |x| = pi / 2 (quarters + a multiple of 4) + r + low, |r| at
/// most about pi / 4.
struct Angle {
  let r, low: Float
  let quarters: Int32

  /// pi / 2 in three parts.
  private static let halfPi: (Float, Float, Float) = (
    0x1.921fb6p+0, -0x1.777a5cp-25, -0x1.ee59dap-50
  )

  /// The first 256 bits of 2 / pi, after 32 bits before the point.
  private static let twoOverPi: [UInt32] = [
    0, 0xA2F9_836E, 0x4E44_1529, 0xFC27_57D1, 0xF534_DDC0, 0xDB62_9599, 0x3C43_9041, 0xFE51_63AB,
  ]

  /// - Parameter size: The angle's magnitude, finite.
  init(_ size: Float) {
    self = size < 0x1p15 ? Angle(near: size) : Angle(far: size)
  }

  private init(near size: Float) {
    let shifted = Elementary.rounder.addingProduct(size, 0x1.45f306p-1)
    let n = shifted - Elementary.rounder
    // Exact: both sides are multiples of 2^-24 where there is anything to subtract.
    let first = size.addingProduct(n, -Self.halfPi.0)
    let second = n * Self.halfPi.1
    let secondLow = (-second).addingProduct(n, Self.halfPi.1)
    r = first - second
    let moved = r - first
    let taken = (first - (r - moved)) - (second + moved)
    low = (taken - secondLow).addingProduct(n, -Self.halfPi.2)
    quarters = Int32(bitPattern: shifted.bitPattern)
  }

  /// size = m 2^e with a whole m of 24 bits, so of 2 / pi only the 96 bits count that follow those which
  /// make multiples of 4 of m 2^e 2 / pi.
  private init(far size: Float) {
    let m = UInt64(size.bitPattern & 0x7F_FFFF | 0x80_0000)
    let skipped = Int(size.bitPattern >> 23) - 120
    let digits = (0..<3).map { i -> UInt64 in
      let words = Self.twoOverPi[skipped / 32 + i...skipped / 32 + i + 1]
      let both = UInt64(words.first!) << 32 | UInt64(words.last!)
      return (both << UInt64(skipped % 32)) >> 32
    }
    // In units of 2^-62 quarter turns, modulo 4 of them: overflow is what is wanted.
    let product = (m * digits[0]) << 32 &+ m * digits[1] &+ (m * digits[2]) >> 32
    let rounded = (product &+ 1 << 61) >> 62
    quarters = Int32(rounded)
    let rest = Int64(bitPattern: product &- rounded << 62)
    // 62 bits in three numbers that Float32 holds, then in two.
    let size = rest.magnitude
    let a = Float(size >> 38) * 0x1p-24
    let b = Float(size >> 16 & 0x3F_FFFF) * 0x1p-46
    let c = Float(size & 0xFFFF) * 0x1p-62
    let turn = a + b
    let turnLow = (b - (turn - a)) + c
    let r = turn * Self.halfPi.0
    var low = (-r).addingProduct(turn, Self.halfPi.0)
    low = low.addingProduct(turn, Self.halfPi.1)
    low = low.addingProduct(turnLow, Self.halfPi.0)
    (self.r, self.low) = rest < 0 ? (-r, -low) : (r, low)
  }

  /// The sine of the angle and `more` quarter turns.
  func sine(plus more: Int32) -> Float {
    let square = r * r
    let less = 0.5 * square
    let even = 1 - less
    let quarters = quarters &+ more
    let result: Float
    if quarters & 1 == 0 {
      let p = Elementary.polynomial(
        [-0x1.555556p-3, 0x1.111174p-7, -0x1.a05966p-13, 0x1.7c369ep-19], square)
      result = r + (low * even).addingProduct(square * r, p)
    } else {
      let q = Elementary.polynomial([0x1.55554ap-5, -0x1.6c0c2ap-10, 0x1.99e90cp-16], square)
      let squareLow = (-square).addingProduct(r, r)
      var rest = (1 - even) - less
      rest = rest.addingProduct(-0.5, squareLow)
      rest = rest.addingProduct(-r, low)
      result = even + rest.addingProduct(square * square, q)
    }
    return quarters & 2 == 0 ? result : -result
  }
}

extension Elementary {
  static func sine(_ x: Float) -> Float {
    guard x.magnitude < .infinity else { return nan }
    let sine = Angle(x.magnitude).sine(plus: 0)
    return x.sign == .minus ? -sine : sine
  }

  static func cosine(_ x: Float) -> Float {
    guard x.magnitude < .infinity else { return nan }
    return Angle(x.magnitude).sine(plus: 1)
  }
}
