/// The steps of ``ElementaryFunction``, whose order is part of what they compute. `sum.addingProduct(a, b)`
/// is a fused multiply-add; nothing else is fused.
enum Elementary {
  static let nan = Float(bitPattern: 0x7FC0_0000)

  /// A Float32 of this size holds whole numbers only: adding it rounds to one.
  static let rounder: Float = 0x1.8p23
  /// ln 2 in two parts. The first has 15 bits, so that its product with an exponent is exact.
  static let ln2: (Float, Float) = (0x1.62e4p-1, 0x1.7f7d1cp-20)

  /// Returns c[0] + c[1] x + c[2] x^2 + ... by Horner's scheme.
  static func polynomial(_ coefficients: [Float], _ x: Float) -> Float {
    var sum = coefficients.last!
    for coefficient in coefficients.dropLast().reversed() {
      sum = coefficient.addingProduct(sum, x)
    }
    return sum
  }

  /// Returns the number; for any NaN the one that comes out.
  static func canonical(_ x: Float) -> Float { x.isNaN ? nan : x }

  /// Returns 2^k for k in -126...127.
  static func powerOfTwo(_ k: Int32) -> Float { Float(bitPattern: UInt32(k + 127) << 23) }

  /// Returns x 2^k rounded once, for k in -252...254 and x near 1.
  static func scale(_ x: Float, _ k: Int32) -> Float {
    let first = k >> 1
    return x * powerOfTwo(first) * powerOfTwo(k - first)
  }

  /// Returns (a + a_low) / (b + b_low) for b in 1...2, where the second parts are small.
  static func quotient(
    _ a: Float, _ aLow: Float, over b: Float, _ bLow: Float
  ) -> Float {
    // 1 / b by a polynomial and one of Newton's steps.
    var y = polynomial([0x1.6a09bap+1, -0x1.783c44p+1, 0x1.54bdcap+0, -0x1.c65256p-3], b)
    y = y.addingProduct(Float(1).addingProduct(-b, y), y)
    let quotient = a * y
    var rest = a.addingProduct(-b, quotient)
    rest = (rest + aLow).addingProduct(-bLow, quotient)
    return quotient.addingProduct(rest, y)
  }

  static func reciprocalRoot(_ x: Float) -> Float {
    guard x > 0, x < .infinity else {
      if x == 0 { return x.sign == .minus ? -.infinity : .infinity }
      return x == .infinity ? 0 : nan
    }
    let isSmall = x < .leastNormalMagnitude
    let bits = Int32(bitPattern: (isSmall ? x * 0x1p24 : x).bitPattern)
    let power = (bits >> 23) - 127
    let m = Float(bitPattern: UInt32((bits & 0x7F_FFFF) + (127 + (power & 1)) << 23))
    let exponent = (power >> 1) - (isSmall ? 12 : 0)
    var y = Float(bitPattern: 0x5F37_5A86 - m.bitPattern >> 1)
    for _ in 0..<2 { y *= Float(1.5).addingProduct(-0.5 * m * y, y) }
    let g = m * y
    let gLow = (-g).addingProduct(m, y)
    var rest = Float(1).addingProduct(-g, y)
    rest = rest.addingProduct(-gLow, y)
    y = y.addingProduct(0.5 * y, rest)
    return y * powerOfTwo(-exponent)
  }

  /// e^x = 2^k (1 + r + c), where |r| is at most about ln 2 / 2 and c is small.
  struct Exponential {
    let r, c: Float
    let k: Int32

    /// - Parameter x: In -104...89.
    init(_ x: Float) {
      let shifted = rounder.addingProduct(x, 0x1.715476p+0)
      k = Int32(bitPattern: shifted.bitPattern) - 0x4B40_0000
      let n = shifted - rounder
      let rest = x.addingProduct(n, -ln2.0)
      r = rest.addingProduct(n, -ln2.1)
      let rLow = (rest - r).addingProduct(n, -ln2.1)
      let p = polynomial(
        [
          0x1p-1, 0x1.555554p-3, 0x1.5554e8p-5, 0x1.11131p-7,
          0x1.6d4ccep-10, 0x1.9df7aap-13,
        ], r)
      c = rLow.addingProduct(r * r, p)
    }

    /// 1 + r + c as a number and what rounding takes from it.
    var pair: (high: Float, low: Float) {
      let sum = 1 + r
      let small = (r - (sum - 1)) + c
      let high = sum + small
      return (high, (sum - high) + small)
    }
  }

  static func exponential(_ x: Float) -> Float {
    guard !x.isNaN else { return nan }
    let e = Exponential(min(max(x, -104), 89))
    return scale(e.pair.high, e.k)
  }

  static func logistic(_ x: Float) -> Float {
    guard !x.isNaN else { return nan }
    let e = Exponential(max(-x.magnitude, -104))
    let (high, low) = e.pair
    let power = scale(high, e.k)
    let bottom = 1 + power
    let bottomLow = (power - (bottom - 1)) + scale(low, e.k)
    return x < 0
      ? scale(quotient(high, low, over: bottom, bottomLow), e.k)
      : quotient(1, 0, over: bottom, bottomLow)
  }

  static func hyperbolicTangent(_ x: Float) -> Float {
    guard !x.isNaN else { return nan }
    let size = x.magnitude
    // e^-2|x| = w + w t; 1 - w and 1 + w as pairs.
    guard size >= 0x1p-12 else { return x }
    let e = Exponential(max(-2 * size, -40))
    let w = powerOfTwo(e.k)
    let t = e.r + e.c
    let part = w * t
    let partLow = w * ((e.r - t) + e.c)
    let top = 1 - w
    let topLow = (1 - top) - w
    let a = top - part
    let aLow = ((top - a) - part) + (topLow - partLow)
    let bottom = 1 + w
    let bottomLow = (1 - bottom) + w
    let b = bottom + part
    let bLow = ((bottom - b) + part) + (bottomLow + partLow)
    let result = quotient(a, aLow, over: b, bLow)
    return x < 0 ? -result : result
  }

  /// Returns high + low + log(1 + f) - f for f in -1/3...1/3, where |high| is at least f^2 / 2 and low is
  /// small.
  private static func addLogarithm(_ high: Float, _ low: Float, _ f: Float) -> Float {
    let p = polynomial(
      [
        0x1.555506p-2, -0x1.fffefap-3, 0x1.99d04ep-3, -0x1.559c74p-3,
        0x1.1ed582p-3, -0x1.f3306ep-4, 0x1.1e6c56p-3, -0x1.07ca6ep-3,
      ], f)
    let square = f * f
    let squareLow = (-square).addingProduct(f, f)
    let sum = high.addingProduct(-0.5, square)
    var rest = low + (high - sum).addingProduct(-0.5, square)
    rest = rest.addingProduct(-0.5, squareLow)
    return sum + rest.addingProduct(square, f * p)
  }

  static func logarithm(_ x: Float) -> Float {
    guard x > 0, x < .infinity else { return x == 0 ? -.infinity : x == .infinity ? x : nan }
    let isSmall = x < .leastNormalMagnitude
    let bits = Int32(bitPattern: (isSmall ? x * 0x1p24 : x).bitPattern)
    // 0x3F2AAAAB is 2/3.
    let power = (bits - 0x3F2A_AAAB) >> 23
    let f = Float(bitPattern: UInt32(bits - power << 23)) - 1
    let n = Float(power - (isSmall ? 24 : 0))
    let base = n * ln2.0
    let sum = base + f
    let low = (f - (sum - base)).addingProduct(n, ln2.1)
    return addLogarithm(sum, low, f)
  }

  static func softplus(_ x: Float) -> Float {
    guard x <= 20 else { return x.isNaN ? nan : x }
    let e = Exponential(max(-x.magnitude, -104))
    let (high, low) = e.pair
    let power = scale(high, e.k)
    let powerLow = scale(low, e.k)
    // 1 + e^-|x| = 1 + f, or 2 (1 + f).
    let isLarge = power > 0x1.555556p-2
    let f = isLarge ? 0.5 * power - 0.5 : power
    let fLow = isLarge ? (0.5 * power - (f + 0.5)) + 0.5 * powerLow : powerLow
    let base = isLarge ? ln2.0 : 0
    let first = base + f
    var rest = f - (first - base)
    rest += isLarge ? ln2.1 : 0
    rest = rest.addingProduct(fLow, 1 - f)
    let above = max(x, 0)
    let total = above + first
    let moved = total - above
    rest += (above - (total - moved)) + (first - moved)
    return addLogarithm(total, rest, f)
  }

  static func errorFunction(_ x: Float) -> Float {
    guard !x.isNaN else { return nan }
    let size = x.magnitude
    let result: Float
    if size < 0x1.d8p-1 {
      let p = polynomial(
        [
          0x1.06eba8p-3, -0x1.81274p-2, 0x1.ce2d64p-4, -0x1.b80116p-6, 0x1.5449a2p-8,
          -0x1.a6023p-11, 0x1.4f3dfep-14,
        ], size * size)
      result = size.addingProduct(p, size)
    } else {
      let t = min(size, 4)
      let q = polynomial(
        [
          0x1.07792p-3, 0x1.453248p-1, 0x1.b32914p-4, -0x1.855dfcp-6,
          0x1.dd9d12p-9, -0x1.52dc3ap-12, 0x1.7a128p-17,
        ], t)
      let power = t.addingProduct(q, t)
      let powerLow = (t - power).addingProduct(q, t)
      let e = Exponential(-power)
      let rest = e.r + (e.c - powerLow * (1 + e.r))
      let w = powerOfTwo(e.k)
      result = (1 - w).addingProduct(-w, rest)
    }
    return x.sign == .minus ? -result : result
  }
}
