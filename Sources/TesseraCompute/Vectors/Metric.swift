/// Defines how two vectors are compared. The raw value is the name in the command line and in
/// files.
public enum Metric: String, Sendable, Hashable, CaseIterable {
  /// Sum of products. Larger is better.
  case innerProduct = "ip"
  /// Squared Euclidean distance. Smaller is better.
  case squaredL2 = "l2"
  /// Inner product of the vectors scaled to unit length; 0 where either has no length. Larger is
  /// better.
  case cosine

  /// The end of the scores that is best.
  public var order: ScoreOrder { self == .squaredL2 ? .smallestFirst : .largestFirst }
}

/// Names the end of a list of scores that is best.
public enum ScoreOrder: Sendable, Hashable, CaseIterable {
  case largestFirst
  case smallestFirst

  /// Returns true if score `a` ranks strictly ahead of score `b`. NaN ranks behind everything.
  @inlinable
  public func ranks(_ a: Float, ahead b: Float) -> Bool {
    if b.isNaN { return !a.isNaN }
    return self == .largestFirst ? a > b : a < b
  }
}
