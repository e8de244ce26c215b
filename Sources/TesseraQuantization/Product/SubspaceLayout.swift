import TesseraCompute
import TesseraHost

/// Cuts vectors into parts that are as equal as possible, the longer ones first. Where parts
/// differ, the shorter ones are padded with a zero.
struct SubspaceLayout: Sendable, Hashable {
  let dimension: Int
  let count: Int

  /// - Precondition: 1 to `dimension` parts.
  init(dimension: Int, count: Int) {
    precondition(count >= 1 && count <= dimension, "\(count) parts of \(dimension) dimensions")
    self.dimension = dimension
    self.count = count
  }

  /// Numbers of the longest part.
  var width: Int { (dimension + count - 1) / count }
  var isPadded: Bool { dimension % count != 0 }
  var paddedDimension: Int { count * width }

  /// The dimensions of one part.
  func range(_ part: Int) -> Range<Int> {
    let longer = dimension % count
    let base = dimension / count
    let start = part * base + min(part, longer)
    return start..<start + base + (part < longer ? 1 : 0)
  }

  /// Rows with every part at a multiple of `width`.
  func padded(_ rows: [Float]) throws(TesseraError) -> [Float] {
    var target = [Float](repeating: 0, count: rows.count / dimension * paddedDimension)
    try StopSignal.checkEvery((1 << 20) / dimension + 1, of: rows.count / dimension) { some in
      for row in some {
        for part in 0..<count {
          let start = row * paddedDimension + part * width
          for (offset, d) in range(part).enumerated() {
            target[start + offset] = rows[row * dimension + d]
          }
        }
      }
    }
    return target
  }
}
