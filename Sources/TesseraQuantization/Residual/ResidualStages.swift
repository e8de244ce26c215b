import TesseraCompute

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
  func decode(_ numbers: [UInt16], except left: Int? = nil) -> [Float] {
    let rows = numbers.count / stageCount
    var values = [Float](repeating: 0, count: rows * width)
    codewords.withUnsafeBufferPointer { codewords in
      values.withUnsafeMutableBufferPointer { values in
        for row in 0..<rows {
          for stage in 0..<stageCount where stage != left {
            let number = Int(numbers[row * stageCount + stage])
            let start = (stage * codewordCount + number) * width
            for d in 0..<width { values[row * width + d] += codewords[start + d] }
          }
        }
      }
    }
    return values
  }
}
