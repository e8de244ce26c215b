/// The point of a grid that lies nearest in direction to a vector: the code of RaBitQ.
///
/// The grid has `2^bits` levels a dimension, half-integers around 0. The nearest in direction is
/// the rounding of the vector divided by some step (Gao et al. 2024, arXiv 2409.09913, section 3),
/// so steps are tried: first a coarse range, then from the best one alternately the levels for the
/// step and the step for the levels, which never gets worse.
struct GridDirection {
  let dimension: Int
  let bits: Int

  private typealias Lanes = SIMD8<Float>
  /// The vector without signs, filled up with 0 to whole lanes.
  private var magnitudes: [Float]

  init(dimension: Int, bits: Int) {
    self.dimension = dimension
    self.bits = bits
    magnitudes = Array(repeating: 0, count: (dimension + 7) / 8 * 8)
  }

  /// Writes the level of every dimension, 0 to `2^bits - 1`, and returns the product of the grid
  /// point with the vector.
  mutating func encode(
    _ vector: Span<Float>, into levels: inout [UInt16]
  ) -> Double {
    precondition(vector.count == dimension && levels.count == dimension, "a level a dimension")
    var largest: Float = 0
    for i in 0..<dimension {
      magnitudes[i] = abs(vector[i])
      largest = max(largest, magnitudes[i])
    }
    return write(reciprocal: bestReciprocal(largest), vector, into: &levels)
  }

  /// One divided by the step whose rounding comes nearest in direction.
  private func bestReciprocal(_ largest: Float) -> Float {
    // With one bit there is nothing to round.
    guard bits > 1, largest > 0 else { return 0 }
    let widest = largest / Float(1 << (bits - 1))
    var best = Trial(reciprocal: 1 / widest, self)
    for trial in 1..<16 {
      let next = Trial(reciprocal: 1 / (widest * (1 - Float(trial) / 20)), self)
      if next.cosine > best.cosine { best = next }
    }
    for _ in 0..<3 {
      let next = Trial(reciprocal: best.squares / best.product, self)
      guard next.cosine > best.cosine else { break }
      best = next
    }
    return best.reciprocal
  }

  /// Measures how near in direction the rounding to multiples of a step comes.
  private struct Trial {
    let reciprocal: Float
    let product: Float
    let squares: Float
    /// The squared cosine of the angle to the vector, times the vector's squared length.
    var cosine: Float { product * product / squares }

    init(reciprocal: Float, _ grid: GridDirection) {
      self.reciprocal = reciprocal
      let highest = Lanes(repeating: grid.highest)
      let factor = Lanes(repeating: reciprocal)
      let middle = Lanes(repeating: 0.5)
      let shift = Lanes(repeating: GridDirection.roundingShift)
      var products = Lanes()
      var squares = Lanes()
      grid.magnitudes.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: MemoryLayout<Lanes>.size) {
          let lanes = bytes.loadUnaligned(fromByteOffset: start, as: Lanes.self)
          var level = lanes * factor
          level.replace(with: highest, where: level .> highest)
          level = (level - middle + shift) - shift + middle
          products += level * lanes
          squares += level * level
        }
      }
      product = GridDirection.sum(products)
      // The lanes past the end are at level 0.5.
      self.squares =
        GridDirection.sum(squares) - Float(grid.magnitudes.count - grid.dimension) * 0.25
    }
  }

  /// Added to a number between -2^22 and 2^22 it leaves no room for a fraction, so that taking it away again
  /// gives the nearest whole number, in instructions that every processor has.
  private static let roundingShift: Float = 0x1.8p23

  /// The number that larger ones are cut to before rounding: the middle of the highest level, as
  /// the lower end of a level is halfway between two and may round to the one below.
  private var highest: Float { Float(1 << (bits - 1)) - 0.5 }

  private static func sum(_ lanes: Lanes) -> Float {
    let four = lanes.lowHalf + lanes.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  private func write(
    reciprocal: Float, _ vector: Span<Float>, into levels: inout [UInt16]
  ) -> Double {
    let half = 1 << (bits - 1)
    var product = 0.0
    for i in 0..<dimension {
      let scaled = min(abs(vector[i]) * reciprocal, highest)
      let level = (scaled - 0.5 + Self.roundingShift) - Self.roundingShift
      let value = Double(level) + 0.5
      product += value * Double(abs(vector[i]))
      levels[i] = UInt16(vector[i] >= 0 ? half + Int(level) : half - 1 - Int(level))
    }
    return product
  }
}
