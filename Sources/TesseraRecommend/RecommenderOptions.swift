/// The settings of a training.
public struct RecommenderOptions: Sendable, Hashable {
  /// What is made small.
  public var loss = RecommenderLoss.bpr
  /// Most passes over all pairs · 1 or more.
  public var epochs = 30
  /// Pairs of a step · 1 or more; the last step of an epoch may have fewer.
  public var batch = 2048
  /// The rate of Adam · above 0.
  public var rate: Float = 1e-3
  /// Weight decay · 0 or more.
  public var decay: Float = 1e-4
  /// The weight of uniformity, for DirectAU; the temperature, for softmax · above 0.
  public var weight: Float = 1
  /// Decides everything random.
  public var seed: UInt64 = 1234
  /// Items of a list when epochs are compared.
  public var k = 20
  /// Ends after so many epochs without a better recall of the validation pairs.
  public var patience = 10

  /// Takes the defaults.
  public init() {}
}

/// What an epoch came to.
public struct RecommenderEpoch: Sendable {
  /// Counted from 1.
  public let number: Int
  /// The mean of the losses of its steps.
  public let loss: Double
  /// The time that the steps took.
  public let seconds: Double
  /// How well the validation pairs are found; nil without any.
  public let valid: RankingMetrics?
}
