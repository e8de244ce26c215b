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
