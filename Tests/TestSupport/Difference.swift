public import TesseraCompute

/// Describes where `found` first departs from `expected`, bit for bit; nil if it nowhere does.
///
/// Write `#expect(difference(a, b, columns: n) == nil)`: the failure shows the text.
public func difference<Element: BitwiseCopyable>(
  _ found: [Element], _ expected: [Element], columns: Int
) -> String? {
  guard found.count == expected.count else {
    return "\(found.count) elements, expected \(expected.count)"
  }
  let width = MemoryLayout<Element>.stride
  let index = found.withUnsafeBytes { found in
    expected.withUnsafeBytes { expected in
      // Comparing all bytes at once is fast without optimisation; looking for the place is not.
      found.elementsEqual(expected) ? nil : found.indices.first { found[$0] != expected[$0] }
    }
  }.map { $0 / width }
  guard let index else { return nil }
  let place = columns > 0 ? "row \(index / columns), column \(index % columns)" : "\(index)"
  return "\(found[index]), expected \(expected[index]) at \(place)"
}

extension Neighbors {
  /// Describes where these hits first depart from `expected`, ids and scores bit for bit; nil if
  /// nowhere.
  public func difference(from expected: Neighbors) -> String? {
    guard queryCount == expected.queryCount, hitCount == expected.hitCount else {
      return "\(queryCount) queries with \(hitCount) hits, "
        + "expected \(expected.queryCount) with \(expected.hitCount)"
    }
    guard statistics.certified else { return "not certified" }
    for index in ids.indices
    where ids[index] != expected.ids[index]
      || scores[index].bitPattern != expected.scores[index].bitPattern
    {
      return "id \(ids[index]) scoring \(scores[index]), "
        + "expected id \(expected.ids[index]) scoring \(expected.scores[index]) "
        + "at query \(index / hitCount), place \(index % hitCount) of \(hitCount)"
    }
    return nil
  }
}

/// The error bound that `innerProducts` and `multiply` state.
public enum ProductBound {
  /// Tells whether `found` is as near to `exact` as a sum of `count` Float32 products has to be,
  /// after `extraRoundings` of numbers no larger than `magnitude`.
  ///
  /// `magnitude` is the product of the two vectors' lengths.
  public static func holds(
    _ found: Float, _ exact: Double, magnitude: Double, count: Int, extraRoundings: Int = 0
  ) -> Bool {
    // Products below the smallest normal number may be flushed to zero; the relative bound does not
    // cover that.
    let underflow = Double(count) * Double(Float.leastNormalMagnitude)
    let bound = Double(count + extraRoundings) * 0x1p-23 * magnitude + underflow
    return abs(Double(found) - exact) <= bound
  }
}

/// The error that `body` throws, or nil if it throws none or one of another kind.
public func refusal<Result>(_ body: () throws -> Result) -> TesseraError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? TesseraError
  }
}
