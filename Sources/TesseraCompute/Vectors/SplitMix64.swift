/// The one source of pseudo-random numbers: SplitMix64 (Steele, Lea, Flood 2014).
///
/// Equal seeds give equal numbers on every machine. The state is a counter, so any place of the
/// sequence can be reached at once, and a stream per row makes results independent of chunking.
/// Not for secrets.
public struct SplitMix64: RandomNumberGenerator, Sendable, Hashable {
  private var state: UInt64

  /// Starts the sequence of `seed`; every seed is allowed.
  public init(seed: UInt64) { state = seed }

  /// The stream that belongs to `stream` under `seed`; streams of one seed do not overlap in
  /// practice.
  public init(seed: UInt64, stream: UInt64) {
    var keys = SplitMix64(seed: stream)
    self.init(seed: seed ^ keys.next())
  }

  /// Returns 64 pseudo-random bits and moves on by one.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }

  /// A number in 0..<1, a multiple of 2^-53.
  public mutating func nextUnit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A whole number in 0..<`bound`, every one equally likely.
  ///
  /// The standard library's `Int.random(in:using:)` may change its algorithm; this one may not.
  public mutating func nextIndex(below bound: Int) -> Int {
    precondition(bound > 0, "a bound of \(bound) leaves nothing to choose from")
    let width = UInt64(bound)
    // Below this many low bits some results would be one draw more likely (Lemire 2019).
    let unfair = (0 &- width) % width
    while true {
      let product = next().multipliedFullWidth(by: width)
      if product.low >= unfair { return Int(product.high) }
    }
  }

  /// A nearly normal number with mean 0 and deviation 1: twelve uniform 20-bit numbers, added.
  ///
  /// Whole-number sums are the same on every machine, which `log` and `cos` are not. Never beyond
  /// 6 deviations.
  public mutating func nextGaussian() -> Float {
    var sum = 0
    for _ in 0..<4 {
      let bits = next()
      sum += Int(bits & 0xFFFFF) + Int(bits >> 20 & 0xFFFFF) + Int(bits >> 40 & 0xFFFFF)
    }
    // Twelve numbers of mean (2^20 - 1) / 2.
    return Float(Double(sum - 6 * 0xFFFFF) * 0x1p-20)
  }
}
