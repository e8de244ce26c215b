public import TesseraCompute

extension IndexSearch {
  /// Finds the nearest rows to every query among rows of its own: those of a tenant, say.
  ///
  ///     try search.nearest(
  ///       queries, within: .k(10), onlyEach: [rowsOfA, rowsOfB], choices: [0, 1, 1, 0])
  ///
  /// Queries with the same selector are searched together, and each selector takes a search, so name
  /// one that many queries share once.
  ///
  /// - Parameters:
  ///   - selectors: The selections there are.
  ///   - choices: For each query the number of its selector; nil: as many selectors as queries, in their
  ///     order.
  /// - Throws: As ``nearest(_:within:effort:only:control:)``; `.invalidShape` unless there is a choice for
  ///   each query, `.invalidArgument` for one that names no selector.
  public func nearest(
    _ queries: Vectors, within limit: Limit, effort: Effort = .recall(0.95),
    onlyEach selectors: [IDSelector], choices: [Int]? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> Report {
    let choices = choices ?? Array(selectors.indices)
    guard choices.count == queries.count else {
      throw TesseraError(
        .invalidShape, "search: \(choices.count) selectors for \(queries.count) queries")
    }
    for (query, choice) in choices.enumerated() where !selectors.indices.contains(choice) {
      throw TesseraError(
        .invalidArgument,
        "search: query \(query) has selector \(choice), there are \(selectors.count)")
    }
    // Searches of some queries would number them anew in messages.
    try Shapes.requireFinite(queries, options.queriesName)
    var members = [[Int]](repeating: [], count: selectors.count)
    for (query, choice) in choices.enumerated() { members[choice].append(query) }
    var hits = [Neighbors](repeating: .none(queryCount: 0), count: selectors.count)
    var places = [(search: Int, query: Int)](repeating: (0, 0), count: queries.count)
    var report: Report?
    var done = 0
    for (choice, own) in members.enumerated() where !own.isEmpty {
      let end = done + own.count
      let found = try nearest(
        queries.gathered(own), within: limit, effort: effort, only: selectors[choice],
        control: control.stage(
          "", Double(done) / Double(queries.count)...Double(end) / Double(queries.count)))
      hits[choice] = found.neighbors
      for (place, query) in own.enumerated() { places[query] = (choice, place) }
      report = report?.averaged(done, with: found, own.count) ?? found
      done = end
    }
    guard var report else { return try nearest(queries, within: limit, effort: effort) }
    report.neighbors = Neighbors(
      hits, places: places, statistics: report.neighbors.statistics)
    return report
  }
}

extension IndexSearch.Report {
  /// The report of so many queries and of others.
  fileprivate func averaged(
    _ count: Int, with other: IndexSearch.Report, _ otherCount: Int
  ) -> IndexSearch.Report {
    let share = Double(otherCount) / Double(count + otherCount)
    func mean(_ value: KeyPath<IndexSearch.Report, Double>) -> Double {
      self[keyPath: value] * (1 - share) + other[keyPath: value] * share
    }
    var all = path == .lists ? self : other
    all.neighbors = Neighbors(
      starts: [0], ids: [], scores: [],
      statistics: neighbors.statistics + other.neighbors.statistics)
    all.listsPerQuery = mean(\.listsPerQuery)
    all.rowsPerQuery = mean(\.rowsPerQuery)
    all.certifiedShare = mean(\.certifiedShare)
    all.residentBytes = max(residentBytes, other.residentBytes)
    all.prepareSeconds = prepareSeconds + other.prepareSeconds
    all.searchSeconds = searchSeconds + other.searchSeconds
    all.stages = stages
    all.stages += other.stages
    return all
  }
}
