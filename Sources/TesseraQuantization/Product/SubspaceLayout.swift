import TesseraCompute
import TesseraHost

/// Cuts vectors into subspaces that are as equal as possible, the longer ones first. Where
/// subspaces differ, the shorter ones are padded with a zero.
struct SubspaceLayout: Sendable, Hashable {
  let dimension: Int
  let count: Int

  /// - Precondition: 1 to `dimension` subspaces.
  init(dimension: Int, count: Int) {
    precondition(count >= 1 && count <= dimension, "\(count) subspaces of \(dimension) dimensions")
    self.dimension = dimension
    self.count = count
  }

  /// Numbers of the longest subspace.
  var width: Int { (dimension + count - 1) / count }
  var isPadded: Bool { dimension % count != 0 }
  var paddedDimension: Int { count * width }

  /// The dimensions of one subspace.
  func range(_ subspace: Int) -> Range<Int> {
    let longer = dimension % count
    let base = dimension / count
    let start = subspace * base + min(subspace, longer)
    return start..<start + base + (subspace < longer ? 1 : 0)
  }

  /// Rows with every subspace at a multiple of `width`.
  func padded(_ rows: [Float]) throws(TesseraError) -> [Float] {
    guard paddedDimension > dimension else { return rows }
    var target = [Float](repeating: 0, count: rows.count / dimension * paddedDimension)
    try StopSignal.checkEvery((1 << 20) / dimension + 1, of: rows.count / dimension) { some in
      for row in some {
        for subspace in 0..<count {
          let start = row * paddedDimension + subspace * width
          for (offset, d) in range(subspace).enumerated() {
            target[start + offset] = rows[row * dimension + d]
          }
        }
      }
    }
    return target
  }
}
