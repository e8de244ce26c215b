import Tessera

/// An endless sequence of random rows. Each depends on the seed and its own number alone, so any
/// part can be made at any time and is always the same.
struct RowGenerator {
  let dimension: Int
  private let seed: UInt64
  /// `clusterCount` x `dimension`; empty where rows are not clustered.
  private let centers: [Float]
  private let clusterCount: Int

  /// The deviation of rows from their cluster's center; centers have deviation 1.
  private static let spread: Float = 0.25

  init(seed: UInt64, dimension: Int, clusterCount: Int) {
    self.seed = seed
    self.dimension = dimension
    self.clusterCount = clusterCount
    // Rows have the streams from 0 up, centers one that no row reaches.
    var random = SplitMix64(seed: seed, stream: .max)
    centers = (0..<clusterCount * dimension).map { _ in random.nextGaussian() }
  }

  func rows(_ range: Range<Int>) -> [Float] {
    [Float](unsafeUninitializedCapacity: range.count * dimension) { values, count in
      for row in range {
        var random = SplitMix64(seed: seed, stream: UInt64(row))
        let center = clusterCount > 0 ? random.nextIndex(below: clusterCount) * dimension : nil
        for column in 0..<dimension {
          let number = random.nextGaussian()
          values[count] = center.map { centers[$0 + column] + Self.spread * number } ?? number
          count += 1
        }
      }
    }
  }
}
