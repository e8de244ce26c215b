import TesseraCompute

/// Names the kind of numbers in a sample. Each kind has broken some search at some time.
public enum Content: String, Sendable, CaseIterable {
  /// Nothing special.
  case uniform
  /// Eight tight groups, like embeddings: many rows compete for the last place.
  case clustered
  /// Five different rows, each many times: ties decided by id.
  case duplicates
  /// One row many times: every score ties, and a list of survivors overflows.
  case allEqual
  /// Small whole numbers: exact ties between different rows.
  case smallIntegers
  /// Rows that differ in the last bits only: a filter cannot tell them apart.
  case nearTies
  /// All rows far from the origin and close together: |q|² - 2qx + |x|² cancels.
  case farAway
  /// Rows of nearly the same length around queries near the origin: the squares of the lengths
  /// decide, and their rounding is larger than the products.
  case shell
  /// Lengths from row to row differ by many orders of magnitude, 1e-12 to 1e12.
  case wildNorms
  /// Columns that hold one value each, but for two.
  case constantColumns
  /// One dimension a thousand times larger than the others, which spoils a common scale.
  case outlierDimension
  /// Near the largest number of the element type: Float32 sums overflow.
  case huge
  /// Near the smallest (denormal) number: products underflow, and flushing to zero shows.
  case tiny
  /// Huge, ordinary and tiny rows together.
  case extremes
  /// Rows of zeros between ordinary rows: no length to divide by.
  case zeroRows
  /// Zeros of both signs and ones.
  case signedZeros
  /// Five of six rows are the same one: thousands of ties among rows that are better and worse.
  case crowd
  /// Mixtures of eight directions: a filter on leading directions sees all there is.
  case lowRank
  /// The near rows are in every sixteenth group of 32 and nowhere else. A device that guesses a
  /// threshold from those groups guesses too high.
  case biasedSample
  /// Rows that differ by so little that the squares of differences underflow in Float32, though
  /// lengths are ordinary.
  case faint
  /// Every number but one lies half a step above the nearest of 255 levels, and every query is
  /// parallel to what rounding removes: bounds by lengths are all but reached.
  case halfSteps

  /// A Float32 matrix of this content, row-major.
  public func matrix(rows: Int, columns: Int, seed: UInt64) -> [Float] {
    self.rows(rows, dimension: columns, element: .float32, seed: seed)
  }

  /// Queries for rows of this content; every other one is a copy of a row, so that exact hits
  /// occur.
  func queries(
    _ count: Int, for base: Sample, element: ElementType, seed: UInt64
  ) -> [Float] {
    let dimension = base.dimension
    var values = rows(count, dimension: dimension, element: element, seed: seed &+ 0x5EED)
    guard self != .shell else { return values.map { $0 * 1e-8 } }
    guard self != .halfSteps else {
      return (0..<count * dimension).map { Float($0 / dimension % 7 * 50 + 1) * element.ordinary }
    }
    // Its first 32 rows are near ones, and so are queries made like them.
    guard self != .biasedSample else { return values }
    for query in stride(from: 0, to: base.count == 0 ? 0 : count, by: 2) {
      let row = query * 7 % base.count
      values.replaceSubrange(
        query * dimension..<(query + 1) * dimension,
        with: base.values[row * dimension..<(row + 1) * dimension])
    }
    return values
  }

  /// `count` rows of `dimension` numbers, before rounding to `element`.
  func rows(
    _ count: Int, dimension: Int, element: ElementType, seed: UInt64
  ) -> [Float] {
    var generator = RepeatableGenerator(seed: seed)
    // The same whatever the seed, so that queries and rows share their centres and columns.
    var common = RepeatableGenerator(seed: 0x7E55)
    let centres = (0..<8).map { _ in common.units(dimension) }
    let ordinary = element.ordinary
    var values: [Float] = []
    values.reserveCapacity(count * dimension)
    for row in 0..<count {
      switch self {
      case .uniform:
        for _ in 0..<dimension { values.append(generator.unit() * ordinary) }
      case .clustered:
        for centre in generator.pick(centres) {
          values.append((centre + 0.05 * generator.unit()) * ordinary)
        }
      case .duplicates:
        for centre in centres[generator.below(5)] { values.append(centre * ordinary) }
      case .allEqual:
        for centre in centres[0] { values.append(centre * ordinary) }
      case .smallIntegers:
        for _ in 0..<dimension { values.append(Float(generator.below(5) - 2)) }
      case .nearTies:
        for centre in centres[0] {
          values.append(centre * ordinary * (1 + 2e-7 * generator.unit()))
        }
      case .farAway:
        for _ in 0..<dimension { values.append(ordinary * (0.9 + 0.001 * generator.unit())) }
      case .shell:
        let direction = generator.units(dimension)
        let length = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
        for component in direction { values.append(ordinary * component / max(length, 1e-3)) }
      case .wildNorms:
        let scale = element.powerOfTwo(generator.below(81) - 40)
        for _ in 0..<dimension { values.append(generator.unit() * ordinary * scale) }
      case .constantColumns:
        for (column, centre) in centres[1].enumerated() {
          values.append((column < 2 ? generator.unit() : centre) * ordinary)
        }
      case .outlierDimension:
        for column in 0..<dimension {
          values.append(generator.unit() * ordinary * (column == dimension / 2 ? 1 : 0.001))
        }
      case .huge:
        for _ in 0..<dimension { values.append(generator.unit() * element.largest) }
      case .tiny:
        for _ in 0..<dimension { values.append(generator.unit() * element.tiny) }
      case .extremes:
        let scale = [element.largest, ordinary, element.tiny][row % 3]
        for _ in 0..<dimension { values.append(generator.unit() * scale) }
      case .zeroRows:
        let scale = generator.below(2) == 0 ? 0 : ordinary
        for _ in 0..<dimension { values.append(generator.unit() * scale) }
      case .signedZeros:
        for _ in 0..<dimension { values.append(generator.pick([-0.0, 0, 0, 1, -1])) }
      case .crowd:
        let isOne = generator.below(6) > 0
        for centre in centres[0] {
          values.append((isOne ? centre : centre + 0.2 * generator.unit()) * ordinary)
        }
      case .lowRank:
        let shares = generator.units(centres.count)
        for column in 0..<dimension {
          var sum: Float = 0
          for (share, centre) in zip(shares, centres) { sum += share * centre[column] }
          values.append(sum * ordinary / 4)
        }
      case .biasedSample:
        let isNear = row / 32 % 16 == 0
        for centre in centres[0] {
          values.append((isNear ? centre + 0.05 * generator.unit() : generator.unit()) * ordinary)
        }
      case .faint:
        let scale = element.faint * Float(1 << (2 * generator.below(4)))
        for column in 0..<dimension {
          values.append(column == 0 ? ordinary : generator.unit() * scale)
        }
      case .halfSteps:
        for column in 0..<dimension {
          let level = column == 0 ? 127 : Float(generator.below(100)) + 0.49
          values.append(level * ordinary / 127)
        }
      }
    }
    return values
  }
}

extension ElementType {
  /// The size of a number in the middle of the range people use.
  var ordinary: Float {
    switch self {
    case .float32, .float16, .bfloat16: 1
    case .int8: 127
    case .uint8: 255
    }
  }

  var largest: Float {
    switch self {
    case .float32: 3.4e38
    case .bfloat16: 3.3e38
    case .float16: 65504
    case .int8: 127
    case .uint8: 255
    }
  }

  /// A few steps above the smallest number: 2^-133 (1e-40) is denormal in Float32, 3e-6 in Float16.
  var tiny: Float {
    switch self {
    case .float32, .bfloat16: 0x1p-133
    case .float16: 3e-6
    case .int8, .uint8: 2
    }
  }

  /// A number whose square is less than Float32 can hold, where the type has such numbers.
  var faint: Float {
    switch self {
    case .float32, .bfloat16: 3e-23
    case .float16: 3e-6
    case .int8, .uint8: 2
    }
  }

  /// 2 to the `exponent`, -40 to 40, brought into the range of the type.
  func powerOfTwo(_ exponent: Int) -> Float {
    switch self {
    case .float32, .bfloat16: Float(sign: .plus, exponent: exponent, significand: 1)
    case .float16: Float(sign: .plus, exponent: exponent / 3, significand: 1)
    case .int8, .uint8: Float(sign: .plus, exponent: -abs(exponent) / 5, significand: 1)
    }
  }

  /// Stores `value`, rounded and clamped to this type, and returns what was stored.
  func store(_ value: Float, at target: UnsafeMutableRawPointer) -> Float {
    switch self {
    case .float32:
      target.storeBytes(of: value, as: Float.self)
      return value
    case .float16:
      let half = Float16(max(-65504, min(65504, value)))
      target.storeBytes(of: half.bitPattern, as: UInt16.self)
      return Float(half)
    case .bfloat16:
      let bits = value.bitPattern >> 16
      target.storeBytes(of: UInt16(bits), as: UInt16.self)
      return Float(bitPattern: bits << 16)
    case .int8:
      let whole = Int8(max(-128, min(127, value.rounded())))
      target.storeBytes(of: whole, as: Int8.self)
      return Float(whole)
    case .uint8:
      let whole = UInt8(min(255, abs(value).rounded()))
      target.storeBytes(of: whole, as: UInt8.self)
      return Float(whole)
    }
  }
}
