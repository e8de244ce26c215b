/// Defines how two rows of bits are compared. Smaller is better. The raw value is the name in the command
/// line and in files.
public enum BitMetric: String, Sendable, Hashable, CaseIterable {
  /// The number of bits that differ.
  case hamming
  /// 1 less the share of the bits that both rows have set, of those that one of them has: a distance from
  /// 0 to 1, as in FAISS. 0 for two rows without any.
  case jaccard

  /// The longest rows that are compared by Jaccard distances, in bits. Up to here different distances
  /// are different numbers of Float32, and what orders rows (``BitQueries``) is whole and below 2^24.
  public static let longestJaccard = 2896

  /// Returns the distance of two rows.
  ///
  /// - Parameters:
  ///   - differing: The number of bits that differ.
  ///   - set: The bits that are set in one row and those in the other, added.
  func distance(differing: Int, set: Int) -> Float {
    switch self {
    case .hamming: return Float(differing)
    case .jaccard:
      // Bits of both rows count twice in `set`, bits of one row once: half the sum counts each once.
      let united = (set + differing) / 2
      return united == 0 ? 0 : Float(differing) / Float(united)
    }
  }
}
