import TesseraCompute

/// A random rotation of n log n steps: rounds of random signs, a Hadamard transform of the first or
/// the last numbers, and butterflies that mix both halves (the structure of FFHT and Kac's walk).
///
/// It stands for a uniformly random rotation without its n * n numbers, keeps lengths and angles,
/// and does the same additions in the same order everywhere.
struct HadamardRotation: Sendable {
  private static let usualRounds = 4

  let dimension: Int
  /// `roundCount` x `dimension` numbers, 1 or -1.
  let signs: [Float]
  /// The rounds; none leave all as it is.
  var roundCount: Int { signs.count / dimension }
  /// The largest power of two that fits.
  private let window: Int

  init(dimension: Int, seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let signs = (0..<Self.usualRounds * dimension).map { _ in
      random.next() >> 63 == 0 ? Float(1) : -1
    }
    self.init(dimension: dimension, signs: signs)
  }

  /// - Precondition: `signs` holds a sign a round and dimension.
  init(dimension: Int, signs: [Float]) {
    precondition(
      dimension > 0 && signs.count % dimension == 0, "a sign a round and dimension")
    self.dimension = dimension
    self.signs = signs
    window = 1 << (dimension.bitWidth - 1 - dimension.leadingZeroBitCount)
  }

  /// Rotates `dimension` numbers in place.
  func apply(_ values: inout [Float]) {
    var values = values.mutableSpan
    apply(&values)
  }

  /// Undoes ``apply(_:)``.
  func invert(_ values: inout [Float]) {
    var values = values.mutableSpan
    invert(&values)
  }

  /// Rotates `dimension` numbers in place.
  func apply(_ values: inout MutableSpan<Float>) {
    precondition(values.count == dimension, "a number a dimension")
    for round in 0..<roundCount {
      sign(&values, round)
      transform(&values, from: start(of: round))
      mix(&values)
    }
  }

  /// Undoes ``apply(_:)``.
  func invert(_ values: inout MutableSpan<Float>) {
    precondition(values.count == dimension, "a number a dimension")
    for round in (0..<roundCount).reversed() {
      mix(&values)
      transform(&values, from: start(of: round))
      sign(&values, round)
    }
  }

  private func sign(_ values: inout MutableSpan<Float>, _ round: Int) {
    let turn = signs.span.extracting(.row(round, of: dimension))
    for i in 0..<dimension { values[unchecked: i] *= turn[unchecked: i] }
  }

  /// Rounds take the first and the last numbers in turn, which differ unless all fit.
  private func start(of round: Int) -> Int { round % 2 == 0 ? 0 : dimension - window }

  /// Applies the Hadamard transform to `window` numbers, scaled to keep lengths: its own inverse.
  private func transform(_ values: inout MutableSpan<Float>, from start: Int) {
    // Checked once: the window lies within the dimension.
    precondition(start >= 0 && start + window <= values.count, "a window of the numbers")
    var half = 1
    while half < window {
      for low in stride(from: start, to: start + window, by: 2 * half) {
        for i in low..<low + half {
          let (a, b) = (values[unchecked: i], values[unchecked: i + half])
          values[unchecked: i] = a + b
          values[unchecked: i + half] = a - b
        }
      }
      half *= 2
    }
    let scale = Float(1 / Double(window).squareRoot())
    for i in start..<start + window { values[unchecked: i] *= scale }
  }

  /// Turns number i and number i + dimension / 2 into their sum and difference, where the window
  /// leaves numbers out: its own inverse.
  private func mix(_ values: inout MutableSpan<Float>) {
    guard window < dimension else { return }
    let half = dimension / 2
    let scale = Float(0.5.squareRoot())
    for i in 0..<half {
      let (a, b) = (values[unchecked: i], values[unchecked: i + half])
      values[unchecked: i] = (a + b) * scale
      values[unchecked: i + half] = (a - b) * scale
    }
  }
}
