import TesseraCompute
import TesseraHost

/// Finds good numbers for every stage at once: of all ways to extend the best few choices so far by
/// another stage, the best few go on.
///
/// |x - a - c|^2 differs from |x - a|^2 by |c|^2 - 2 x.c + 2 a.c, so products of codewords with the
/// rows and with each other are all it takes: canonical ones from the device, added up on the host
/// in Float32 in rising order of stages. Ties go to the better choice so far, then to the lower
/// codeword.
struct BeamEncoder {
  private let stages: ResidualStages
  private let beam: Int
  private let device: any Device
  private let codewords: Matrix<Float>
  /// `rowCount` x `rowCount`: products of codewords with each other.
  private let products: [Float]

  /// Codewords of all stages at most: their products take 4 * 8192^2 bytes.
  static let mostCodewords = 8192

  init(_ stages: ResidualStages, beam: Int, on device: any Device) throws(TesseraError) {
    self.stages = stages
    self.beam = beam
    self.device = device
    let count = stages.rowCount
    codewords = try device.upload(stages.codewords, rows: count, columns: stages.width)
    let target = try device.allocate(Float.self, rows: count, columns: count)
    try device.canonicalScores(codewords, codewords, metric: .innerProduct, into: target)
    products = try device.download(target)
  }

  /// Returns the numbers of all stages for each row of `values`, some rows at a time.
  ///
  /// - Parameter report: Is told how many rows are done.
  func numbers(
    _ values: [Float], report: (Int) throws(TesseraError) -> Void = { _ in }
  ) throws(TesseraError) -> [UInt16] {
    let rowCount = values.count / stages.width
    // A few hundredths of a second at a time on one thread, so that a call ends soon after it should.
    let perRow = stages.stageCount * stages.rowCount * beam
    let blockRows = max(16, (1 << 26) / perRow)
    var numbers: [UInt16] = []
    numbers.reserveCapacity(rowCount * stages.stageCount)
    for start in stride(from: 0, to: rowCount, by: blockRows) {
      try StopSignal.check()
      let range = start..<min(start + blockRows, rowCount)
      numbers += try blockNumbers(
        Array(values[range.lowerBound * stages.width..<range.upperBound * stages.width]),
        rowCount: range.count)
      try report(range.upperBound)
    }
    return numbers
  }

  private func blockNumbers(
    _ values: [Float], rowCount: Int
  ) throws(TesseraError) -> [UInt16] {
    let rows = try device.upload(values, rows: rowCount, columns: stages.width)
    let target = try device.allocate(Float.self, rows: rowCount, columns: stages.rowCount)
    try device.canonicalScores(rows, codewords, metric: .innerProduct, into: target)
    let scores = try device.download(target)
    return try device.hostWorkers.makeRows(rowCount, of: stages.stageCount, minimum: 16) {
      range, found in
      var search = BeamSearch(stages.stageCount, stages.codewordCount, beam: beam)
      for (index, row) in range.enumerated() {
        search.run(scores.span.extracting(.row(row, of: stages.rowCount)), products.span)
        for stage in 0..<stages.stageCount {
          found[index * stages.stageCount + stage] = search.best(stage)
        }
      }
    }
  }
}

/// The search for one row after the other, with its memory.
private struct BeamSearch {
  private let stageCount: Int
  private let codewordCount: Int
  private let beam: Int
  private var kept: [Choice] = []
  private var numbers: [UInt16]
  private var nextNumbers: [UInt16]
  private var costs: [Float]

  private struct Choice {
    var cost: Float
    var parent: Int
    var codeword: Int
  }

  init(_ stageCount: Int, _ codewordCount: Int, beam: Int) {
    self.stageCount = stageCount
    self.codewordCount = codewordCount
    self.beam = beam
    numbers = [UInt16](repeating: 0, count: beam * stageCount)
    nextNumbers = numbers
    costs = [Float](repeating: 0, count: codewordCount)
  }

  func best(_ stage: Int) -> UInt16 { numbers[stage] }

  /// Leaves the best choice first.
  ///
  /// - Parameters:
  ///   - scores: The products of the row with all codewords.
  ///   - products: Those of the codewords with each other.
  mutating func run(_ scores: Span<Float>, _ products: Span<Float>) {
    let rowCount = stageCount * codewordCount
    kept = [Choice(cost: 0, parent: 0, codeword: 0)]
    for stage in 0..<stageCount {
      var next: [Choice] = []
      next.reserveCapacity(beam + 1)
      for (parent, choice) in kept.enumerated() {
        extend(parent, choice.cost, stage, scores, products, rowCount)
        for codeword in 0..<codewordCount {
          let cost = costs[codeword]
          guard next.count < beam || cost < next[next.count - 1].cost else { continue }
          // Behind equals: they came from a better choice, or are lower codewords.
          var place = next.count
          while place > 0, next[place - 1].cost > cost { place -= 1 }
          next.insert(Choice(cost: cost, parent: parent, codeword: codeword), at: place)
          if next.count > beam { next.removeLast() }
        }
      }
      for (place, choice) in next.enumerated() {
        for before in 0..<stage {
          nextNumbers[place * stageCount + before] = numbers[choice.parent * stageCount + before]
        }
        nextNumbers[place * stageCount + stage] = UInt16(choice.codeword)
      }
      swap(&numbers, &nextNumbers)
      kept = next
    }
  }

  /// Computes the cost that each codeword of `stage` would give to a choice.
  private mutating func extend(
    _ parent: Int, _ cost: Float, _ stage: Int, _ scores: Span<Float>, _ products: Span<Float>,
    _ rowCount: Int
  ) {
    let (stageCount, codewordCount, numbers) = (stageCount, codewordCount, numbers)
    let first = stage * codewordCount
    let own = scores.extracting(first..<first + codewordCount)
    var costs = costs.mutableSpan
    precondition(costs.count == codewordCount && products.count == rowCount * rowCount)
    // Rows are checked, numbers in them are not: this is most of what encoding takes.
    for codeword in 0..<codewordCount {
      let place = (first + codeword) * (rowCount + 1)
      costs[unchecked: codeword] =
        products[unchecked: place] - 2 * own[unchecked: codeword]
    }
    for before in 0..<stage {
      let number = before * codewordCount + Int(numbers[parent * stageCount + before])
      let start = number * rowCount + first
      let line = products.extracting(start..<start + codewordCount)
      for codeword in 0..<codewordCount {
        costs[unchecked: codeword] += 2 * line[unchecked: codeword]
      }
    }
    for codeword in 0..<codewordCount { costs[unchecked: codeword] += cost }
  }
}
