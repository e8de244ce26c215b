/// A place where vectors live and vector work runs. The whole contract is on this page.
///
/// Calls return when their result can be read by later calls on the same device; `download` and
/// `synchronize` wait for it. A device may be used from several threads, but two calls that touch
/// the same matrix, one of them writing, must not overlap. Every operation checks its shapes first
/// and throws `.invalidShape` before any work is queued.
public protocol Device: AnyObject, Sendable {
  /// Name, memory, limits, variant in use and which operations are native.
  var info: DeviceInfo { get }

  /// The failures of the device that were overcome so far, as messages for people.
  var faults: [TesseraError] { get }

  // MARK: Memory

  /// Uninitialised memory for the device's own use. Throws `.outOfMemory`.
  func allocate(byteCount: Int) throws(TesseraError) -> Storage

  /// Copies `source` into `target`, `byteOffset` bytes in.
  func upload(_ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int)
    throws(TesseraError)

  /// Fills `target` from `source`, `byteOffset` bytes in, after all work queued before.
  func download(_ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer)
    throws(TesseraError)

  /// Waits until everything asked of the device is done, and throws what went wrong meanwhile.
  func synchronize() throws(TesseraError)

  // MARK: Search

  /// Returns the bytes that `prepare` and `nearest` will allocate, before either is called: within
  /// 10 %, or too many where a device finds that the rows can be packed tighter
  /// (``VectorSet/residentBytes`` says how tight).
  func cost(of search: SearchShape) -> SearchCost

  /// Makes rows ready to be searched under `metric`, list by list.
  ///
  /// Cost: one pass over the rows. Throws `.invalidShape` unless there is an id for each row, and
  /// `.nonFinite`, naming rows that hold NaN or infinity.
  func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet

  /// The nearest rows of `set` to every query, as many as `limit` says: of the lists that the query
  /// probes (nil: of all), those that `selector` selects (nil: all of them). Exact and certified
  /// within those lists; ids and scores are bit-identical on every device, for every batch and thread
  /// count.
  ///
  /// Scores are canonical (``CanonicalScore``); best first, ties by lower id. Fewer rows than asked
  /// for give that many hits, none give none. Cost: O(queries * rows probed * dimension) at
  /// filter precision, and the canonical score for the few rows the filter cannot rule out; devices
  /// pass over panels of 32 rows of which none is selected. Scores beyond Float32 are infinite, scores
  /// below it vanish, and such rows tie by id: `IndexSearch` ranks them by exact sums. Throws
  /// `.nonFinite`, `.invalidArgument` for a list there is not, and `.wrongDevice` for a set of another
  /// device that this one cannot read.
  func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors

  /// The nearest of `found` and of the rows of `set`, which is searched as the other `nearest` does:
  /// for sets that are searched one after the other. Devices leave out rows that are worse than all
  /// hits found, which makes later sets faster.
  ///
  /// - Parameter found: Hits of the same queries and limit among other rows; nil for none.
  func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?, besides found: Neighbors?
  ) throws(TesseraError) -> Neighbors

  /// The canonical score of each query with the rows listed for it: query q with
  /// `listed[starts[q]..<starts[q + 1]]`, in these places. Bit-identical everywhere. Throws
  /// `.invalidShape` and, for a row that is not there, `.invalidArgument`.
  func canonicalScores(
    _ queries: Vectors, with rows: Vectors, listed: [Int32], starts: [Int], metric: Metric
  ) throws(TesseraError) -> [Float]

  // MARK: Codes

  /// Makes codes ready to be scanned, list by list. Throws `.invalidShape` unless there is an id for
  /// each code.
  func prepare(_ codes: ProductCodes, in lists: RowLists) throws(TesseraError) -> CodeSet

  /// The best codes of `set` for each of `queries`, as many as `limit` says: of the lists that the
  /// query probes (nil: of all), those that `selector` selects (nil: all of them). Best first, ties by
  /// lower id, NaN last; bit-identical on every device, for every batch and thread count.
  ///
  /// ``CodeQueries`` says what scores are; terms are those of `probes`. Cost: O(queries * codes probed
  /// * subspaces) lookups, for codes of 4 bits in bytes with a proven bound. Fewer codes than asked for
  /// give that many hits. Throws `.invalidArgument` for a code outside the table, a list there is not
  /// and a limit without a meaning.
  func nearestCodes(
    _ queries: CodeQueries, in set: CodeSet, probing probes: Probes?, order: ScoreOrder,
    within limit: Limit, only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors

  // MARK: Matrices

  /// `scores[i, j] = sum over d of queries[i, d] * vectors[j, d]`, accumulated in Float32 or wider;
  /// the order of additions differs by device, so each score is within
  /// `dimension * 2^-23 * |queries[i]| * |vectors[j]|` of the exact one, and of what underflow
  /// takes: `dimension * 2^-126`.
  func innerProducts(_ queries: Matrix<Float>, _ vectors: Matrix<Float>, into scores: Matrix<Float>)
    throws(TesseraError)

  /// `scores[i, j]` = the canonical score (``CanonicalScore``) of `queries[i]` with `vectors[j]`:
  /// what `innerProducts` gives within a bound, to the last bit. Infinite beyond Float32. Throws
  /// `.nonFinite`.
  func canonicalScores(
    _ queries: Matrix<Float>, _ vectors: Matrix<Float>, metric: Metric, into scores: Matrix<Float>)
    throws(TesseraError)

  /// The best `values.columns` scores of each row and the columns they stand in, best first, ties
  /// by lower column; NaN ranks last. Any k up to `scores.columns`. Bit-identical everywhere.
  func topK(
    _ scores: Matrix<Float>, order: ScoreOrder, into values: Matrix<Float>,
    _ columns: Matrix<Int32>) throws(TesseraError)

  /// The nearest centroid of each point and its canonical score, ties by lower centroid. Bit-
  /// identical everywhere. `labels` and `scores` are `points.rows` x 1. Throws `.nonFinite`.
  func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, metric: Metric,
    into labels: Matrix<Int32>, _ scores: Matrix<Float>) throws(TesseraError)

  /// For `assignNearest` of the same points again and again, to centroids that move; the points
  /// must not change meanwhile. May keep as much memory as the points take. Throws `.nonFinite`,
  /// here or when it is used.
  func assigner(for points: Matrix<Float>, metric: Metric) throws(TesseraError) -> any Assigner

  /// Per cluster, the sum of its points (`sums.rows` clusters) and how many there are
  /// (`counts`: clusters x 1). `labels` is `points.rows` x 1.
  ///
  /// Reproducible because the order of additions is fixed: a cluster's points in rising row order
  /// are cut into runs of 256; each run is summed in Float64 in that order, from 0, and the runs'
  /// sums are added in order, from 0. Throws `.invalidArgument` for a label outside the clusters.
  func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>) throws(TesseraError)

  /// Per point and subspace, the codeword at the smallest canonical squared L2, ties by lower
  /// codeword. `codes` is `points.rows` x `subspaceCount`. Bit-identical. Throws `.nonFinite`.
  func encode(_ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>)
    throws(TesseraError)

  /// Asymmetric scoring: `scores[i, j] = sum over m of tables[i, m * codewords + codes[j, m]]`,
  /// where `codewords = tables.columns / codes.columns`. Float32, added in rising m from 0, so
  /// bit-identical everywhere. Throws `.invalidArgument` for a code outside the table.
  func lookupScores(_ tables: Matrix<Float>, _ codes: Matrix<UInt8>, into scores: Matrix<Float>)
    throws(TesseraError)

  /// `target[i] = source[rows[i]]`, row by row. `rows` is `target.rows` x 1. Throws
  /// `.invalidArgument` for a row outside `source`.
  func gather(_ source: Matrix<Float>, rows: Matrix<Int32>, into target: Matrix<Float>)
    throws(TesseraError)

  /// `result = alpha * A * B + beta * result`, A and B each optionally transposed; with beta 0 the
  /// old result is not read, and with alpha 0 A and B need not be. Float32, with the error bound of
  /// `innerProducts` for each product.
  func multiply(
    _ a: Matrix<Float>, transposed aTransposed: Bool, _ b: Matrix<Float>,
    transposed bTransposed: Bool, alpha: Float, beta: Float, into result: Matrix<Float>)
    throws(TesseraError)
}
