/// The smallest number of some that is not 0, and the largest, without their signs.
package struct Magnitudes: Sendable {
  /// Infinite where every number is 0.
  package private(set) var smallest = Float.infinity
  /// 0 where every number is 0.
  package private(set) var largest: Float = 0

  /// Makes the magnitudes of no numbers at all.
  package init() {}

  /// False where a number is infinite or none.
  package var isFinite: Bool { largest.isFinite }

  /// Takes in more numbers.
  package mutating func add(_ values: UnsafeBufferPointer<Float>) {
    // Bits of numbers without a sign rise with them; NaN lies above infinity, and 0 less 1 above all.
    var (most, least) = (UInt32(0), UInt32.max)
    for value in values {
      let bits = value.bitPattern & 0x7FFF_FFFF
      most = max(most, bits)
      least = min(least, bits &- 1)
    }
    if most >= Float.infinity.bitPattern {
      largest = .infinity
    } else {
      largest = max(largest, Float(bitPattern: most))
    }
    if least != .max { smallest = min(smallest, Float(bitPattern: least + 1)) }
  }

  /// Takes in more numbers.
  package mutating func add(_ values: [Float]) { values.withUnsafeBufferPointer { add($0) } }

  /// Takes in the numbers that `other` has seen.
  package mutating func add(_ other: Magnitudes) {
    smallest = min(smallest, other.smallest)
    largest = max(largest, other.largest)
  }
}
