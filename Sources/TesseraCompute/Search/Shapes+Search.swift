extension Shapes {
  package static func prepare(
    _ vectors: Vectors, in lists: RowLists
  ) throws(TesseraError) {
    try require(vectors.dimension > 0, "prepare: vectors have no dimensions")
    try require(
      vectors.count == lists.ids.count,
      "prepare: \(lists.ids.count) ids for \(vectors.count) vectors")
    guard vectors.count <= Int(Int32.max) else {
      throw TesseraError(
        .unsupported,
        "prepare: \(vectors.count) rows are more than \(Int32.max) in one set; search in chunks")
    }
  }

  package static func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit
  ) throws(TesseraError) {
    try require(
      queries.dimension == set.dimension,
      "nearest: queries have \(queries.dimension) dimensions, vectors have \(set.dimension)")
    try check(limit, "nearest")
    if let probes { try check(probes, of: set.lists, queryCount: queries.count, "nearest") }
    guard probes?.terms == nil else {
      throw TesseraError(
        .invalidArgument, "nearest: terms are for codes, vectors have no use for them")
    }
  }

  package static func check(_ limit: Limit, _ operation: String) throws(TesseraError) {
    switch limit {
    case .k(let k):
      guard k >= 1 else {
        throw TesseraError(.invalidArgument, "\(operation): k is \(k), it must be at least 1")
      }
    case .score(let score):
      guard !score.isNaN else {
        throw TesseraError(.invalidArgument, "\(operation): the score to be within is not a number")
      }
    }
  }

  package static func check(
    _ probes: Probes, of lists: RowLists, queryCount: Int, _ operation: String
  ) throws(TesseraError) {
    try require(
      probes.queryCount == queryCount,
      "\(operation): probes of \(probes.queryCount) queries for \(queryCount)")
    for (place, list) in probes.lists.enumerated() where !(0..<lists.count).contains(Int(list)) {
      throw outside("\(operation): list", value: Int(list), at: place, limit: lists.count)
    }
  }

  package static func canonicalScores(
    _ queries: Vectors, with rows: Vectors, listed: [Int32], starts: [Int]
  ) throws(TesseraError) {
    try require(
      queries.dimension == rows.dimension,
      "canonicalScores: queries have \(queries.dimension) dimensions, rows have \(rows.dimension)")
    try require(
      starts.count == queries.count + 1 && starts.first == 0 && starts.last == listed.count
        && zip(starts, starts.dropFirst()).allSatisfy { $0 <= $1 },
      "canonicalScores: starts have to rise from 0 to the \(listed.count) rows listed")
    if let place = listed.firstIndex(where: { !(0..<rows.count).contains(Int($0)) }) {
      throw outside(
        "canonicalScores: row", value: Int(listed[place]), at: place, limit: rows.count)
    }
  }
}
