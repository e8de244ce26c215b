internal import TesseraCompute

/// Operations on tensors, which owe the same bits for every number: also for subnormal ones, and where
/// a fused multiply-add differs from a product and a sum.
extension SelfTest {
  /// Every step at numbers where it turns, sixteen of them side by side and one by one; sixteen, and
  /// one, are taken at a time by different programs.
  static let apply = SelfTest(.apply) { device throws(TesseraError) in
    let operators = FormulaOperator.allCases.filter { $0.operandCount > 0 }
    // The row says which step is wanted.
    let formula = Formula(inputs: 4, parameters: 1) { x, p in
      let values = operators.map { Term.of($0, [x[1], x[2], x[3]]) }
      let chosen = values.enumerated().dropFirst().reduce(values[0]) { rest, value in
        .select(x[0].isEqual(to: .constant(Float(value.offset))), value.element, rest)
      }
      return [chosen, (x[1] * x[2] + x[3]) * p[0], .random(draw: 5)]
    }
    var bits: [UInt32] = []
    for columns in [35, 12] {
      let shape = [operators.count, columns]
      let rows = TensorView(
        try device.upload(
          operators.indices.map { Float($0) }, rows: operators.count, columns: 1))
      let x = try (0..<3).map { place throws(TesseraError) in
        TensorView(
          try device.upload(
            turns(shape[0] * columns, seed: UInt64(place + 1)), rows: shape[0], columns: columns))
      }
      let results = try (0..<3).map { _ throws(TesseraError) in
        TensorView(try unwritten(Float.self, rows: shape[0], columns: columns, on: device))
      }
      try device.apply(
        formula, to: [rows] + x, parameters: [0.75], random: RandomKey(seed: 1 << 40 + 5, step: 3),
        into: results)
      bits += try Self.bits(of: results, on: device)
    }
    return bits
  }

  /// Lines, columns, and several runs of each.
  static let reduce = SelfTest(.reduce) { device throws(TesseraError) in
    let formula = Formula(inputs: 2) { x, _ in [x[0] * x[1], x[0] - x[1]] }
    var bits: [UInt32] = []
    for (rows, columns, reduction) in [
      (5, 300, Reduction.sum), (70, 21, .sum), (300, 5, .maximum), (3, 40, .minimum),
    ] {
      let x = try (0..<2).map { place throws(TesseraError) in
        TensorView(
          try device.upload(
            fractions(rows * columns, seed: UInt64(place + 1)), rows: rows, columns: columns))
      }
      for side in 0..<2 {
        let results = try (0..<2).map { _ throws(TesseraError) in
          TensorView(
            try unwritten(
              Float.self, rows: side == 0 ? 1 : rows, columns: side == 0 ? columns : 1, on: device))
        }
        try device.reduce(
          formula, of: x, parameters: [], by: reduction, along: side, into: results)
        bits += try Self.bits(of: results, on: device)
      }
    }
    return bits
  }

  /// Both factors as they are and transposed, one and two runs, and products that are subnormal.
  ///
  /// - Parameter largeTiles: How many of the largest tiles the rows are cut into, two side by side
  ///   · 0 for few numbers.
  static func product(largeTiles: Int) -> SelfTest {
    SelfTest(.product, largeTiles == 0 ? "" : "large") { device throws(TesseraError) in
      let (rows, inner, columns) =
        largeTiles == 0 ? (13, 267, 37) : (128 * largeTiles - 1, 5, 133)
      let a = fractions(rows * inner, seed: 1).enumerated().map {
        $0.offset / inner % 5 == 4 ? $0.element * 0x1p-130 : $0.element
      }
      let b = fractions(inner * columns, seed: 2)
      var bits: [UInt32] = []
      for (isATransposed, isBTransposed) in [(false, false), (true, true)] {
        func factor(
          _ numbers: [Float], _ rows: Int, _ columns: Int, _ isTransposed: Bool
        ) throws(TesseraError) -> TensorView<Float> {
          let view = TensorView(
            try device.upload(
              numbers, rows: isTransposed ? columns : rows, columns: isTransposed ? rows : columns))
          return isTransposed ? view.transposed : view
        }
        let result = TensorView(
          try device.upload(
            fractions(rows * columns, seed: 3), rows: rows, columns: columns))
        try device.product(
          factor(a, rows, inner, isATransposed), factor(b, inner, columns, isBTransposed),
          adding: isATransposed, into: result)
        bits += try Self.bits(of: [result], on: device)
      }
      return bits
    }
  }

  /// Rows without entries, with few and with several runs of them; columns by the dozen and alone.
  static let sparseProduct = SelfTest(.sparseProduct) { device throws(TesseraError) in
    let lengths = [0, 1, 300, 7, 0, 20, 3, 3, 5, 2]
    let starts = lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let count = starts[lengths.count]
    var bits: [UInt32] = []
    for (hasValues, adding) in [(true, true), (false, false)] {
      let matrix = try device.makeSparse(
        columns: 40, starts: starts, entryColumns: (0..<count).map { Int32($0 * 7 % 40) },
        values: hasValues ? fractions(count, seed: 1) : nil)
      let source = try device.upload(fractions(40 * 83, seed: 2), rows: 40, columns: 83)
      let result = TensorView(
        try device.upload(
          fractions(lengths.count * 83, seed: 3), rows: lengths.count, columns: 83))
      try device.product(matrix, TensorView(source), adding: adding, into: result)
      bits += try Self.bits(of: [result], on: device)
    }
    return bits
  }

  /// Numbers in -1..<1 with all their digits.
  private static func fractions(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float(random.nextIndex(below: 1 << 24)) * 0x1p-23 - 1 }
  }

  /// Numbers at which functions turn, subnormal ones among them, and others.
  private static func turns(_ count: Int, seed: UInt64) -> [Float] {
    let corners: [Float] = [
      0, -0.0, 1, -1, 0.5, 2, 0x1p-149, -0x1p-130, 0x1p-126, .infinity, -.infinity, .nan, 3e38, 88.5,
      -104, 1e5,
    ]
    var random = SplitMix64(seed: seed)
    return fractions(count, seed: seed + 10).map {
      let chosen = random.nextIndex(below: 2 * corners.count)
      return chosen < corners.count ? corners[chosen] : $0 * 20
    }
  }

  /// The bits of results, with one NaN for all.
  private static func bits(
    of results: [TensorView<Float>], on device: any Device
  ) throws(TesseraError) -> [UInt32] {
    var bits: [UInt32] = []
    for case let matrix? in results.map(\.matrix) {
      bits += try device.download(matrix).map { ($0.isNaN ? Float.nan : $0).bitPattern }
    }
    return bits
  }
}
