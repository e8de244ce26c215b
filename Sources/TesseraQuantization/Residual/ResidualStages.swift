import TesseraCompute
import TesseraHost

/// The codebooks of one residual quantizer: each stage's codewords stand for what the stages before
/// left over.
struct ResidualStages: Sendable, Hashable {
  let width: Int
  let codewordCount: Int
  /// Stage by stage, `codewordCount` rows of `width`.
  var codewords: [Float]

  var stageCount: Int { codewords.count / (codewordCount * width) }
  var rowCount: Int { stageCount * codewordCount }

  /// Adds up the codewords of each row's numbers, in rising order of stages.
  ///
  /// - Parameter left: A stage to leave out.
  func decode(
    _ numbers: [UInt16], except left: Int? = nil, on workers: WorkerPool
  ) throws(TesseraError) -> [Float] {
    try workers.makeEachRow(numbers.count / stageCount, of: width) { row, values in
      for d in values.indices { values[d] = 0 }
      for stage in 0..<stageCount where stage != left {
        let number = Int(numbers[row * stageCount + stage])
        let codeword = codewords.span.extracting(.row(stage * codewordCount + number, of: width))
        for d in values.indices { values[d] += codeword[d] }
      }
    }
  }

  /// Returns stages that stand for vectors moved by `offset`, which goes into the first stage.
  func moved(by offset: ArraySlice<Float>) -> ResidualStages {
    var moved = self
    for index in 0..<codewordCount * width {
      moved.codewords[index] += offset[offset.startIndex + index % width]
    }
    return moved
  }

  /// The mean of the first stage's codewords: about that of the vectors. Float64 sums in order of
  /// codewords, rounded once.
  var center: [Float] {
    var sums = [Double](repeating: 0, count: width)
    for index in 0..<codewordCount * width { sums[index % width] += Double(codewords[index]) }
    return sums.map { Float($0 / Double(codewordCount)) }
  }
}
