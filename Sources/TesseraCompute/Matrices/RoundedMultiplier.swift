/// Numbers that filters compute in where a device has units for them.
public enum RoundedNumber: String, Sendable, Hashable, CaseIterable {
  case float16, int8
}

/// A device that may have units for blocks of rounded numbers. Its searches use them by themselves;
/// this shows how fast they are.
public protocol RoundedMultiplier: Device {
  /// Makes ready the products of each of `queries` with each of `rows` vectors of made-up numbers.
  ///
  /// - Throws: `.unsupported` if the device has no unit for these numbers.
  func roundedProducts(
    of numbers: RoundedNumber, queries: Int, rows: Int, dimension: Int
  ) throws(TesseraError) -> RoundedProducts
}

/// Products that can be computed again and again.
public struct RoundedProducts {
  /// Computes every product, and keeps those of the first query. Ends when the work is queued.
  public let run: () throws(TesseraError) -> Void
  /// Compares the kept products of the last run with the exact ones. Returns the first difference,
  /// as a sentence, or nil if there is none.
  public let mistake: () throws(TesseraError) -> String?
  /// Products that are kept.
  public let keptCount: Int

  /// Takes the two functions of a multiplication whose inputs are ready, and how many products it
  /// keeps.
  public init(
    keptCount: Int, run: @escaping () throws(TesseraError) -> Void,
    mistake: @escaping () throws(TesseraError) -> String?
  ) {
    self.keptCount = keptCount
    self.run = run
    self.mistake = mistake
  }
}
