import TesseraCompute

/// A random rotation of n log n steps: rounds of random signs, a Hadamard transform of the first or
/// the last numbers, and butterflies that mix both halves (the structure of FFHT and Kac's walk).
///
/// It stands for a uniformly random rotation without its n * n numbers, keeps lengths and angles,
/// and does the same additions in the same order everywhere.
struct HadamardRotation: Sendable {
  static let roundCount = 4

  let dimension: Int
  /// `roundCount` x `dimension` numbers, 1 or -1.
  let signs: [Float]
  /// The largest power of two that fits.
  private let window: Int

  init(dimension: Int, seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let signs = (0..<Self.roundCount * dimension).map { _ in
      random.next() >> 63 == 0 ? Float(1) : -1
    }
    self.init(dimension: dimension, signs: signs)
  }

  /// - Precondition: `signs` holds a sign a round and dimension.
  init(dimension: Int, signs: [Float]) {
    precondition(
      dimension > 0 && signs.count == Self.roundCount * dimension, "a sign a round and dimension")
    self.dimension = dimension
    self.signs = signs
    window = 1 << (dimension.bitWidth - 1 - dimension.leadingZeroBitCount)
  }

  /// Rotates `dimension` numbers in place.
  func apply(_ values: UnsafeMutablePointer<Float>) {
    signs.withUnsafeBufferPointer { signs in
      for round in 0..<Self.roundCount {
        let turn = UnsafeBufferPointer(rebasing: signs[round * dimension..<(round + 1) * dimension])
        for i in 0..<dimension { values[i] *= turn[i] }
        transform(values + start(of: round))
        mix(values)
      }
    }
  }

  /// Undoes ``apply(_:)``.
  func invert(_ values: UnsafeMutablePointer<Float>) {
    signs.withUnsafeBufferPointer { signs in
      for round in (0..<Self.roundCount).reversed() {
        mix(values)
        transform(values + start(of: round))
        let turn = UnsafeBufferPointer(rebasing: signs[round * dimension..<(round + 1) * dimension])
        for i in 0..<dimension { values[i] *= turn[i] }
      }
    }
  }

  /// Rounds take the first and the last numbers in turn, which differ unless all fit.
  private func start(of round: Int) -> Int { round % 2 == 0 ? 0 : dimension - window }

  /// The Hadamard transform of `window` numbers, scaled to keep lengths: its own inverse.
  private func transform(_ values: UnsafeMutablePointer<Float>) {
    var half = 1
    while half < window {
      for block in stride(from: 0, to: window, by: 2 * half) {
        let low = values + block
        let high = low + half
        for i in 0..<half {
          let (a, b) = (low[i], high[i])
          low[i] = a + b
          high[i] = a - b
        }
      }
      half *= 2
    }
    let scale = Float(1 / Double(window).squareRoot())
    for i in 0..<window { values[i] *= scale }
  }

  /// Turns number i and number i + dimension / 2 into their sum and difference, where the window
  /// leaves numbers out: its own inverse.
  private func mix(_ values: UnsafeMutablePointer<Float>) {
    guard window < dimension else { return }
    let half = dimension / 2
    let scale = Float(0.5.squareRoot())
    for i in 0..<half {
      let (a, b) = (values[i], values[i + half])
      values[i] = (a + b) * scale
      values[i + half] = (a - b) * scale
    }
  }
}
