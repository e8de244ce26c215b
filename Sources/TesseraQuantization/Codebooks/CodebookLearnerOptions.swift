import TesseraCompute

extension CodebookLearner {
  /// Chooses the rule by which codewords follow their vectors.
  public enum Update: Sendable, Hashable {
    /// Codewords become moving averages of their vectors: no learning rate, and the usual choice.
    case movingAverages
    /// Codewords follow the gradient of the codebook loss, which the caller applies.
    case gradient
  }

  /// The options of learning.
  public struct Options: Sendable, Hashable {
    /// Codewords · 1 or more.
    public var codewordCount: Int
    /// The rule by which codewords follow their vectors.
    public var update: Update
    /// The share that a moving average keeps of itself in each step · from 0, below 1 · 0.99 for
    /// batches of some hundred vectors, less for larger ones.
    public var decay: Double
    /// Weight of the commitment loss · 0 or more · 0.25 as in the paper; results hardly depend on
    /// it between 0.1 and 2.
    public var commitment: Double
    /// Added to each codeword's count by Laplace smoothing · above 0.
    public var smoothing: Double
    /// A codeword used less than this share of the mean starts again at a vector of the batch ·
    /// 0 to 1 · 0 never does.
    public var revivalShare: Double
    /// Chooses the vectors that codewords start again from.
    public var seed: UInt64

    /// Takes the values as they are; `CodebookLearner.init` checks them.
    public init(
      codewordCount: Int, update: Update = .movingAverages, decay: Double = 0.99,
      commitment: Double = 0.25, smoothing: Double = 1e-5, revivalShare: Double = 0.03,
      seed: UInt64 = 1234
    ) {
      self.codewordCount = codewordCount
      self.update = update
      self.decay = decay
      self.commitment = commitment
      self.smoothing = smoothing
      self.revivalShare = revivalShare
      self.seed = seed
    }

    func check() throws(TesseraError) {
      let problem: String? =
        if codewordCount < 1 {
          "\(codewordCount) codewords; at least 1 is needed"
        } else if !(decay >= 0 && decay < 1) {
          "a decay of \(decay); it must be from 0 and below 1"
        } else if !(commitment >= 0 && commitment.isFinite) {
          "a commitment of \(commitment); it must not be negative"
        } else if !(smoothing > 0 && smoothing.isFinite) {
          "a smoothing of \(smoothing); it must be above 0"
        } else if !(revivalShare >= 0 && revivalShare <= 1) {
          "a revival share of \(revivalShare); it must be from 0 to 1"
        } else {
          nil
        }
      if let problem { throw TesseraError(.invalidArgument, "codebook: \(problem)") }
    }
  }
}
