import TesseraCompute

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

  /// The numbers of all stages for each row.
  func numbers(_ rows: Matrix<Float>) throws(TesseraError) -> [UInt16] {
    let target = try device.allocate(Float.self, rows: rows.rows, columns: stages.rowCount)
    try device.canonicalScores(rows, codewords, metric: .innerProduct, into: target)
    let scores = try device.download(target)
    var numbers = [UInt16](repeating: 0, count: rows.rows * stages.stageCount)
    numbers.withUnsafeMutableBufferPointer { numbers in
      guard let start = numbers.baseAddress else { return }
      let found = SharedRows(start: start)
      device.forEachRange(of: rows.rows) { range in
        var search = BeamSearch(stages.stageCount, stages.codewordCount, beam: beam)
        for row in range {
          search.run(scores, from: row * stages.rowCount, products)
          for stage in 0..<stages.stageCount {
            found.start[row * stages.stageCount + stage] = search.best(stage)
          }
        }
      }
    }
    return numbers
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
  mutating func run(_ scores: [Float], from start: Int, _ products: [Float]) {
    let rowCount = stageCount * codewordCount
    kept = [Choice(cost: 0, parent: 0, codeword: 0)]
    for stage in 0..<stageCount {
      var next: [Choice] = []
      next.reserveCapacity(beam + 1)
      for (parent, choice) in kept.enumerated() {
        extend(parent, choice.cost, stage, scores, start, products, rowCount)
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
    _ parent: Int, _ cost: Float, _ stage: Int, _ scores: [Float], _ start: Int,
    _ products: [Float], _ rowCount: Int
  ) {
    let first = stage * codewordCount
    let (stageCount, codewordCount) = (stageCount, codewordCount)
    numbers.withUnsafeBufferPointer { numbers in
      scores.withUnsafeBufferPointer { scores in
        products.withUnsafeBufferPointer { products in
          costs.withUnsafeMutableBufferPointer { costs in
            for codeword in 0..<codewordCount {
              let own = first + codeword
              costs[codeword] = products[own * rowCount + own] - 2 * scores[start + own]
            }
            for before in 0..<stage {
              let number = Int(numbers[parent * stageCount + before])
              let row = (before * codewordCount + number) * rowCount + first
              for codeword in 0..<codewordCount {
                costs[codeword] += 2 * products[row + codeword]
              }
            }
            for codeword in 0..<codewordCount { costs[codeword] += cost }
          }
        }
      }
    }
  }
}
