import TesseraCompute
import TesseraQuantization
import Testing

@Suite struct TokenReducerTests {
  static let reference = ReferenceDevice.shared

  /// Tokens in `groups` directions, with noise, in random order.
  static func tokens(_ count: Int, groups: Int, noise: Float = 0.02) throws -> Vectors {
    var random = SplitMix64(seed: 31)
    let directions = (0..<groups * 8).map { _ in random.nextGaussian() }
    let values = (0..<count).flatMap { _ -> [Float] in
      let group = random.nextIndex(below: groups)
      let length = 1 + Float(random.nextUnit())
      return (0..<8).map { length * (directions[group * 8 + $0] + noise * random.nextGaussian()) }
    }
    return try Vectors(values, dimension: 8)
  }

  @Test("codewords are the means of their tokens, and the grid says where each stands")
  func means() throws {
    let tokens = try Self.tokens(60, groups: 4)
    let reduction = try TokenReducer(.fixed(4)).reduce(tokens, on: Self.reference)
    #expect(reduction.codewordCount == 4 && reduction.tokenCount == 60)
    #expect(reduction.counts.reduce(0, +) == 60)
    for codeword in 0..<4 {
      let places = reduction.grid.indices.filter { reduction.grid[$0] == Int32(codeword) }
      #expect(places.count == reduction.counts[codeword])
      for i in 0..<8 {
        let mean = places.reduce(0.0) { $0 + Double(tokens.row($1)[i]) } / Double(places.count)
        #expect(reduction.codewords[codeword * 8 + i] == Float(mean))
      }
    }
    let expanded = reduction.expanded()
    let error = zip(tokens.widened(), expanded).reduce(0.0) { sum, pair in
      sum + (Double(pair.0) - Double(pair.1)) * (Double(pair.0) - Double(pair.1))
    }
    #expect(abs(error / 60 - reduction.meanSquaredError) < 1e-9)
    #expect(reduction.density(of: 0.8) == 0.2 && reduction.keptShare == 4.0 / 60)
  }

  @Test("the number of groups is found", arguments: [3, 6])
  func adaptive(_ groups: Int) throws {
    let tokens = try Self.tokens(200, groups: groups)
    for size in [TokenReducer.Size.silhouette(upTo: 32), .elbow(upTo: 32)] {
      let reduction = try TokenReducer(size).reduce(tokens, on: Self.reference)
      #expect(reduction.codewordCount == groups, "\(size)")
    }
  }

  @Test("every device gives the same bits")
  func devices() throws {
    let tokens = try Self.tokens(90, groups: 7, noise: 0.3)
    for size in [TokenReducer.Size.fixed(5), .silhouette(upTo: 12), .elbow(upTo: 12)] {
      let expected = try TokenReducer(size).reduce(tokens, on: Self.reference)
      for (name, device) in try EveryDevice.named() {
        let reduction = try TokenReducer(size).reduce(tokens, on: device)
        #expect(reduction.grid == expected.grid, "\(name)")
        #expect(
          reduction.codewords.map(\.bitPattern) == expected.codewords.map(\.bitPattern),
          "\(name)")
      }
    }
  }

  @Test("more codewords than tokens, equal tokens, tokens of no length, one token")
  func degenerate() throws {
    let few = try Self.tokens(3, groups: 3)
    let all = try TokenReducer(.fixed(10)).reduce(few, on: Self.reference)
    #expect(all.codewordCount == 3 && all.expanded() == few.widened())
    for values: [Float] in [[Float](repeating: 2, count: 12), [Float](repeating: 0, count: 12)] {
      let tokens = try Vectors(values, dimension: 2)
      for size in [TokenReducer.Size.fixed(3), .silhouette(upTo: 4), .elbow(upTo: 4)] {
        let reduction = try TokenReducer(size).reduce(tokens, on: Self.reference)
        #expect(reduction.expanded() == values && !reduction.counts.contains(0), "\(size)")
        let one = try TokenReducer(size).reduce(tokens.rows(0..<1), on: Self.reference)
        #expect(one.codewordCount == 1)
      }
    }
  }

  @Test("what has no meaning is refused")
  func refusals() throws {
    for size in [TokenReducer.Size.fixed(0), .silhouette(upTo: 1), .elbow(upTo: 1)] {
      #expect(throws: TesseraError.self) { try TokenReducer(size) }
    }
    #expect(throws: TesseraError.self) { try TokenReducer(.fixed(1), iterations: 0) }
    let reducer = try TokenReducer(.fixed(2))
    for values: [Float] in [[], [1, .nan]] {
      #expect(throws: TesseraError.self) {
        try reducer.reduce(Vectors(values, dimension: 2), on: Self.reference)
      }
    }
  }
}
