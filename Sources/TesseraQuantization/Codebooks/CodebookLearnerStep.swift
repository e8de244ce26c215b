extension CodebookLearner {
  /// Holds the codes, losses and gradients of one batch.
  ///
  /// Losses are means over all numbers of the batch, so gradients are of those means.
  public struct Step: Sendable {
    /// The codeword of each vector.
    public let labels: [Int32]
    /// The codewords that `labels` names, row-major: the network goes on with these.
    public let quantized: [Float]
    /// Vectors of the batch for each codeword.
    public let counts: [Int32]
    /// The mean squared difference between vectors and codewords: as the loss of the codewords.
    public let codebookLoss: Double
    /// The same as the loss of the vectors, times the weight of commitment.
    public let commitmentLoss: Double
    /// The gradient of `codebookLoss` by the codewords.
    public let codebookGradient: [Float]
    /// The gradient of `commitmentLoss` by the vectors of the batch.
    public let commitmentGradient: [Float]

    /// Codewords that any vector of the batch chose.
    public var usedCodewordCount: Int { counts.count { $0 > 0 } }

    /// The gradient by the vectors, from the network's gradient by `quantized`: choosing a codeword
    /// has no gradient, so the network's passes through unchanged and commitment's is added.
    ///
    /// - Precondition: a number for each of the batch's.
    public func straightThrough(_ gradient: [Float]) -> [Float] {
      precondition(
        gradient.count == quantized.count,
        "a gradient of \(gradient.count) numbers for a batch of \(quantized.count)")
      return zip(gradient, commitmentGradient).map { $0 + $1 }
    }

    init(
      values: [Float], labels: [Int32], counts: [Int32], sums: [Double], codewords: [Float],
      dimension: Int, commitment: Double
    ) {
      self.labels = labels
      self.counts = counts
      let numbers = Double(values.count)
      var quantized = [Float](repeating: 0, count: values.count)
      var gradient = quantized
      var squares = 0.0
      for (row, label) in labels.enumerated() {
        for i in 0..<dimension {
          let codeword = codewords[Int(label) * dimension + i]
          let difference = Double(values[row * dimension + i]) - Double(codeword)
          quantized[row * dimension + i] = codeword
          gradient[row * dimension + i] = Float(2 * commitment * difference / numbers)
          squares += difference * difference
        }
      }
      self.quantized = quantized
      commitmentGradient = gradient
      codebookLoss = squares / numbers
      commitmentLoss = commitment * squares / numbers
      codebookGradient = codewords.indices.map { i in
        let count = Double(counts[i / dimension])
        return Float(2 * (count * Double(codewords[i]) - sums[i]) / numbers)
      }
    }
  }
}
