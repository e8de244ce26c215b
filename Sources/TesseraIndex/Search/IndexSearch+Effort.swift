internal import TesseraCompute

extension IndexSearch {
  /// Says how much of an index a search looks at.
  public enum Effort: Sendable, Hashable {
    /// So many of the nearest lists, or all where there are fewer.
    case probes(Int)
    /// As many lists as held this share of the true neighbors of rows that were asked when the index
    /// was built.
    case recall(Double)
    /// Every list: exact, as far as what is kept of rows is.
    case all
  }

  /// Names the rows that a search went through.
  public enum Path: String, Sendable {
    /// The lists that are nearest to each query.
    case lists
    /// All lists, as was asked for.
    case all
    /// All lists, because about as few rows are selected as the nearest lists hold, or these would hold
    /// too few of them.
    case selected
  }
}

extension Index {
  /// The number of lists that each query looks at, and why.
  ///
  /// - Parameter selectedCount: The rows that may be hits; nil where all may.
  func probes(
    _ effort: IndexSearch.Effort, _ limit: Limit, selectedCount: Int?
  ) throws(TesseraError) -> (probes: Int, IndexSearch.Path) {
    let all = listCount
    let probes: Int
    switch effort {
    case .probes(let count):
      guard count > 0 else {
        throw TesseraError(.invalidArgument, "search: \(count) probes are not at least 1")
      }
      probes = min(count, all)
    case .recall(let target):
      guard target > 0, target <= 1 else {
        throw TesseraError(
          .invalidArgument, "search: a recall of \(target) is not above 0 and at most 1")
      }
      probes = self.probes(forRecall: target)
    case .all: probes = all
    }
    guard probes < all else { return (all, .all) }
    if let selected = selectedCount {
      // Lists hold so many rows, and so many selected ones, on average. Where that would leave hits
      // out, all selected rows cost little.
      let share = Double(probes) / Double(all)
      let wanted = if case .k(let k) = limit { Double(min(k, selected)) } else { 0.0 }
      if Double(selected) <= 2 * share * Double(count)
        || Double(selected) * share < 4 * wanted
      {
        return (all, .selected)
      }
    }
    return (probes, .lists)
  }
}
