/// The shape rules of every operation, said once. Devices call these first.
package enum Shapes {
  package static func require(
    _ holds: Bool, _ message: @autoclosure () -> String
  ) throws(TesseraError) {
    guard holds else { throw TesseraError(.invalidShape, message()) }
  }

  private static func require<Element>(
    _ matrix: Matrix<Element>, is rows: Int, by columns: Int, _ name: String
  ) throws(TesseraError) {
    try require(
      matrix.rows == rows && matrix.columns == columns,
      "\(name) is \(matrix.rows) x \(matrix.columns), expected \(rows) x \(columns)")
  }

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

  private static func check(
    _ probes: Probes, of lists: RowLists, queryCount: Int, _ operation: String
  ) throws(TesseraError) {
    try require(
      probes.queryCount == queryCount,
      "\(operation): probes of \(probes.queryCount) queries for \(queryCount)")
    for (place, list) in probes.lists.enumerated() where !(0..<lists.count).contains(Int(list)) {
      throw outside("\(operation): list", value: Int(list), at: place, limit: lists.count)
    }
  }

  package static func requireFinite(_ vectors: Vectors, _ what: String) throws(TesseraError) {
    let rows = vectors.nonFiniteRows(limit: 6)
    guard !rows.isEmpty else { return }
    throw nonFinite(what, rows: rows)
  }

  /// The refusal of NaN and infinity, naming up to five of `rows`.
  package static func nonFinite(_ what: String, rows: [Int]) -> TesseraError {
    let names = rows.prefix(5).map(String.init).joined(separator: ", ")
    return TesseraError(
      .nonFinite,
      "\(what): NaN or infinity in row\(rows.count > 1 ? "s" : "") \(names)"
        + "\(rows.count > 5 ? ", ..." : ""); remove or repair those rows")
  }

  package static func innerProducts(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try require(
      queries.columns == vectors.columns,
      "innerProducts: queries have \(queries.columns) columns, vectors have \(vectors.columns)")
    try require(scores, is: queries.rows, by: vectors.rows, "innerProducts: scores")
  }

  package static func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try require(
      queries.columns == vectors.columns,
      "canonicalScores: queries have \(queries.columns) columns, vectors have \(vectors.columns)")
    try require(scores, is: queries.rows, by: vectors.rows, "canonicalScores: scores")
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

  package static func topK(
    _ scores: Matrix<Float>, into values: Matrix<Float>, _ columns: Matrix<Int32>
  ) throws(TesseraError) {
    try require(
      values.columns <= scores.columns,
      "topK: k is \(values.columns), and each row has only \(scores.columns) scores")
    try require(values, is: scores.rows, by: values.columns, "topK: values")
    try require(columns, is: scores.rows, by: values.columns, "topK: columns")
    try require(scores.columns <= Int(Int32.max), "topK: more than \(Int32.max) columns")
  }

  package static func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, into labels: Matrix<Int32>,
    _ scores: Matrix<Float>
  ) throws(TesseraError) {
    try require(centroids.rows > 0, "assignNearest: there are no centroids")
    try require(points.columns > 0, "assignNearest: points have no columns")
    try require(
      points.columns == centroids.columns,
      "assignNearest: points have \(points.columns) columns, centroids have \(centroids.columns)")
    try require(labels, is: points.rows, by: 1, "assignNearest: labels")
    try require(scores, is: points.rows, by: 1, "assignNearest: scores")
  }

  package static func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>
  ) throws(TesseraError) {
    try require(labels, is: points.rows, by: 1, "accumulateClusters: labels")
    try require(sums, is: sums.rows, by: points.columns, "accumulateClusters: sums")
    try require(counts, is: sums.rows, by: 1, "accumulateClusters: counts")
  }

  /// The refusal of a label, row or code that points outside its table.
  package static func outside(_ what: String, value: Int, at index: Int, limit: Int) -> TesseraError
  {
    TesseraError(.invalidArgument, "\(what) \(value) at \(index) is outside 0..<\(limit)")
  }

  package static func encode(
    _ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>
  ) throws(TesseraError) {
    try require(
      points.columns == codebook.dimension,
      "encode: points have \(points.columns) columns, the codebook has \(codebook.dimension)")
    try require(codes, is: points.rows, by: codebook.subspaceCount, "encode: codes")
  }

  package static func lookupScores(
    _ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>
  ) throws(TesseraError) {
    try require(
      codes.columns > 0 && tables.columns % codes.columns == 0,
      "lookupScores: \(tables.columns) table entries do not divide into \(codes.columns) tables")
    try require(scores, is: tables.rows, by: codes.rows, "lookupScores: scores")
  }

  package static func prepare(
    _ codes: ProductCodes, in lists: RowLists
  ) throws(TesseraError) {
    try require(
      codes.count == lists.ids.count, "prepare: \(lists.ids.count) ids for \(codes.count) codes")
    guard codes.count <= Int(Int32.max) else {
      throw TesseraError(
        .unsupported, "prepare: \(codes.count) codes are more than \(Int32.max) in one set")
    }
  }

  /// Returns the number of codewords of a subspace.
  @discardableResult
  package static func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, within limit: Limit
  ) throws(TesseraError) -> Int {
    let tables = queries.tables
    try require(
      tables.columns % set.subspaceCount == 0,
      "nearestCodes: \(tables.columns) table entries do not divide into \(set.subspaceCount) tables"
    )
    try check(limit, "nearestCodes")
    if let probes { try check(probes, of: set.lists, queryCount: tables.rows, "nearestCodes") }
    let codewords = tables.columns / set.subspaceCount
    guard set.count == 0 || set.largestNumber < codewords else {
      throw TesseraError(
        .invalidArgument,
        "nearestCodes: a code has the number \(set.largestNumber), tables end at \(codewords)")
    }
    return codewords
  }

  package static func gather(
    _ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>
  ) throws(TesseraError) {
    try require(rows, is: target.rows, by: 1, "gather: rows")
    try require(target, is: target.rows, by: source.columns, "gather: target")
  }

  /// Returns the number of products summed into each element of the result.
  @discardableResult
  package static func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, into result: Matrix<Float>
  ) throws(TesseraError) -> Int {
    let (rows, inner) = aTransposed ? (a.columns, a.rows) : (a.rows, a.columns)
    let (innerB, columns) = bTransposed ? (b.columns, b.rows) : (b.rows, b.columns)
    try require(
      inner == innerB,
      "multiply: A is \(rows) x \(inner) and B is \(innerB) x \(columns) as multiplied")
    try require(result, is: rows, by: columns, "multiply: result")
    return inner
  }
}
