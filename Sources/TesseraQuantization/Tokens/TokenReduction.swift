import TesseraCompute

/// A sequence of token embeddings as a small codebook and, for every place of the sequence, which
/// codeword stands there: vector-quantized token reduction (VQToken, Zhang and Fu 2025, arXiv
/// 2503.16980).
///
/// Tokens are grouped by direction, and a codeword is the mean of its tokens. Unlike pruning, every
/// place keeps a token, and the grid keeps where it was.
public struct TokenReduction: Sendable {
  /// Numbers of a token.
  public let dimension: Int
  /// `codewordCount` x `dimension`, row-major: the tokens that are left.
  public let codewords: [Float]
  /// The codeword at every place of the sequence, in its order: frame by frame, position by
  /// position.
  public let grid: [Int32]
  /// Places of each codeword; none is 0.
  public let counts: [Int]
  /// The mean squared distance between tokens and their codewords.
  public let meanSquaredError: Double

  /// Codewords that are left.
  public var codewordCount: Int { counts.count }
  /// Tokens of the sequence.
  public var tokenCount: Int { grid.count }
  /// The share of the tokens that is left: codewords per token.
  public var keptShare: Double { Double(codewordCount) / Double(tokenCount) }

  /// A token for every place: `tokenCount` x `dimension`, row-major.
  public func expanded() -> [Float] {
    grid.flatMap { codeword in
      codewords[Int(codeword) * dimension..<(Int(codeword) + 1) * dimension]
    }
  }

  /// Token information density: what a model still knows, per token it is given.
  ///
  /// - Parameter information: What was measured with the reduced tokens: accuracy, or any other
  ///   quantity of which more is better.
  public func density(of information: Double) -> Double { information / Double(codewordCount) }

  /// From the codeword of every token. Groups without a token are left out.
  init(_ tokens: Vectors, labels: [Int32], clusterCount: Int) {
    let dimension = tokens.dimension
    var clusterCounts = [Int](repeating: 0, count: clusterCount)
    var sums = [Double](repeating: 0, count: clusterCount * dimension)
    let values = tokens.widened()
    for (row, label) in labels.enumerated() {
      clusterCounts[Int(label)] += 1
      for i in 0..<dimension {
        sums[Int(label) * dimension + i] += Double(values[row * dimension + i])
      }
    }
    let used = clusterCounts.indices.filter { clusterCounts[$0] > 0 }
    var codewordOfCluster = [Int32](repeating: 0, count: clusterCount)
    for (codeword, cluster) in used.enumerated() { codewordOfCluster[cluster] = Int32(codeword) }
    let codewords = used.flatMap { cluster in
      (0..<dimension).map { Float(sums[cluster * dimension + $0] / Double(clusterCounts[cluster])) }
    }
    let grid = labels.map { codewordOfCluster[Int($0)] }
    var squares = 0.0
    for (row, codeword) in grid.enumerated() {
      for i in 0..<dimension {
        let difference =
          Double(values[row * dimension + i]) - Double(codewords[Int(codeword) * dimension + i])
        squares += difference * difference
      }
    }
    self.dimension = dimension
    self.codewords = codewords
    self.grid = grid
    counts = used.map { clusterCounts[$0] }
    meanSquaredError = squares / Double(tokens.count)
  }
}
