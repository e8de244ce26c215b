/// Random numbers that are the same for the same seed, on every machine (SplitMix64).
public struct RepeatableGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Starts the sequence of `seed`.
  public init(seed: UInt64) { state = seed }

  /// Returns 64 bits and moves on by one.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Uniform in -1..<1. Cheaper than `Float.random(in:)`, which matters in unoptimised tests.
  public mutating func unit() -> Float {
    Float(Int32(truncatingIfNeeded: next() >> 40) - (1 << 23)) * 0x1p-23
  }

  /// Uniform in 0..<limit.
  public mutating func below(_ limit: Int) -> Int { Int(next() >> 33) % limit }

  /// Returns one of `choices`, which must not be empty.
  public mutating func pick<Choice>(_ choices: [Choice]) -> Choice { choices[below(choices.count)] }

  /// Returns `count` numbers, uniform in -1..<1.
  public mutating func units(_ count: Int) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(count)
    for _ in 0..<count { values.append(unit()) }
    return values
  }
}
