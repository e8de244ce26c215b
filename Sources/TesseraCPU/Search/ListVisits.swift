internal import TesseraCompute

/// The lists that the queries of a task look at, list by list: each list is read once for all of them.
struct ListVisits {
  /// A list and the queries that look at it, counted from the task's first, each with its entry of the
  /// probes.
  struct Visit {
    let list: Int
    let queries: ArraySlice<Int32>
    let entries: ArraySlice<Int32>
  }

  /// The nearest list of each query first: its rows rule out most of the others.
  let rounds: [[Visit]]

  init(_ probes: Probes, _ queries: Range<Int>, listCount: Int) {
    let firsts = queries.map {
      probes.starts[$0]..<min(probes.starts[$0] + 1, probes.starts[$0 + 1])
    }
    let others = queries.map { query in
      min(probes.starts[query] + 1, probes.starts[query + 1])..<probes.starts[query + 1]
    }
    rounds = [firsts, others].map { Self.visits(probes, $0, listCount: listCount) }
  }

  /// Sorts the probes of one range for each query by list.
  private static func visits(
    _ probes: Probes, _ entries: [Range<Int>], listCount: Int
  ) -> [Visit] {
    var ends = [Int](repeating: 0, count: listCount + 1)
    for entry in entries.joined() { ends[Int(probes.lists[entry]) + 1] += 1 }
    for list in 0..<listCount { ends[list + 1] += ends[list] }
    let starts = ends
    var members = [Int32](repeating: 0, count: ends[listCount])
    var numbers = members
    for (query, own) in entries.enumerated() {
      for entry in own {
        let list = Int(probes.lists[entry])
        members[ends[list]] = Int32(query)
        numbers[ends[list]] = Int32(entry)
        ends[list] += 1
      }
    }
    return (0..<listCount).compactMap { list in
      let own = starts[list]..<ends[list]
      return own.isEmpty ? nil : Visit(list: list, queries: members[own], entries: numbers[own])
    }
  }
}
