/// Pseudo-random numbers that are a function of a counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw,
/// "Parallel random numbers: as easy as 1, 2, 3", 2011).
///
/// An element's number depends on the key and on its own place only, so it is the same on every device
/// and for every number of threads. Not for secrets.
public enum Philox {
  /// The four words of `counter` under `key`.
  public static func words(_ counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var (counter, key) = (counter, key)
    for _ in 0..<10 {
      let first = counter.x.multipliedFullWidth(by: 0xD251_1F53)
      let second = counter.z.multipliedFullWidth(by: 0xCD9E_8D57)
      counter = SIMD4(
        second.high ^ counter.y ^ key.x, second.low, first.high ^ counter.w ^ key.y, first.low)
      key &+= SIMD2(0x9E37_79B9, 0xBB67_AE85)
    }
    return counter
  }
}

/// What random numbers of a ``Formula`` depend on besides the element: a seed, and the step of the
/// work, which must differ each time that numbers shall.
public struct RandomKey: Sendable, Hashable {
  /// The seed of the whole work.
  public var seed: UInt64
  /// The number of the step.
  public var step: UInt64

  /// Takes a seed and the number of a step.
  public init(seed: UInt64, step: UInt64 = 0) { (self.seed, self.step) = (seed, step) }

  /// 32 pseudo-random bits.
  ///
  /// - Parameters:
  ///   - element: The element's place in the result, counted along its sides.
  ///   - draw: Tells numbers of one element apart: four of them come from one counter.
  public func word(element: Int, draw: UInt32) -> UInt32 {
    let element = UInt64(element)
    let words = Philox.words(
      SIMD4(
        UInt32(truncatingIfNeeded: element),
        UInt32(truncatingIfNeeded: element >> 32) ^ (draw / 4) << 16,
        UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: step >> 32)),
      key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    return words[Int(draw % 4)]
  }

  /// A multiple of 2^-24 in 0..<1, of the bits of ``word(element:draw:)``.
  public func unit(element: Int, draw: UInt32) -> Float {
    Float(word(element: element, draw: draw) >> 8) * 0x1p-24
  }
}
