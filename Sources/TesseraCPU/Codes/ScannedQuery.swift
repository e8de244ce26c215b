internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// A query on its way through codes: the rows that a scan let pass, and the best of those that have
/// been scored.
///
/// Costs are scores, negated where the largest is best. A row passes if the least cost that its bytes
/// allow (``RoundedTables``) is not above that of the last hit; Float32 arithmetic makes both less sure
/// by ``slack``.
struct ScannedQuery {
  /// Holds what all queries of a search share.
  struct Shared {
    let kernels: Kernels
    let codes: csimd_codes
    let codewords: Int
    let order: ScoreOrder
    let limit: Limit
    /// The largest scale and offset of the codes.
    let largest: (scale: Float, offset: Float)

    /// The most hits; nil where a score limits them.
    var k: Int? { if case .k(let k) = limit { k } else { nil } }
    var sign: Double { order == .largestFirst ? -1 : 1 }
  }

  /// The query as the kernels see it.
  let scan: UnsafeMutablePointer<csimd_code_query>
  /// Rows that passed, and rows that were scored.
  private(set) var passed = 0
  private(set) var scored = 0
  private let bytes: RoundedTables?
  private let terms: UnsafeMutablePointer<Float>?
  /// Rows that have been scored, and for a `k` little more than the k best.
  private var best: CodeKeys
  /// The same where a score limits them.
  private var within: [UInt64] = []
  private let slack: Double
  /// One over the gain, rounded up.
  private var inverseGain = 0.0
  private var term: Float = 0
  /// Rows that passed and have their terms.
  private var settled = 0

  /// - Parameters:
  ///   - scan: Room for the query as the kernels see it.
  ///   - table: The query's tables.
  ///   - entries: Room for its rounded tables; nil where there is no scan by bytes.
  ///   - largestTerm: The longest of its terms.
  ///   - keys: Room for `capacity` rows that passed.
  ///   - terms: Room for as many terms; nil if there are none.
  ///   - best: Room for the k best, and as many rows more as may pass.
  init(
    _ scan: UnsafeMutablePointer<csimd_code_query>, _ table: UnsafePointer<Float>,
    _ entries: UnsafeMutablePointer<UInt8>?, weight: Float,
    largestTerm: Float, selected: UnsafePointer<UInt32>?, keys: UnsafeMutablePointer<UInt64>,
    capacity: Int, terms: UnsafeMutablePointer<Float>?, best: UnsafeMutablePointer<UInt64>,
    _ shared: Shared
  ) {
    let rounded = entries.flatMap {
      RoundedTables(
        table, subspaceCount: shared.codes.subspaces, codewordCount: shared.codewords,
        order: shared.order, bits: Int(shared.codes.bits),
        mostEntry: Int(shared.kernels.table.pointee.most_entry), to: $0)
    }
    self.scan = scan
    self.terms = terms
    self.best = CodeKeys(start: best)
    scan.initialize(
      to: csimd_code_query(
        entries: entries.map { UnsafePointer($0) }, table: table, weight: weight,
        cost_weight: Float(shared.sign) * weight, gain: 0, base: 0, rest: 0,
        most_sum: UInt32(UInt16.max), most_cost: .infinity, selected: selected, keys: keys,
        count: 0, capacity: capacity))
    // No number on the way to a cost or a score is larger.
    let size =
      (rounded.map { abs($0.floor) + $0.slack + $0.step * 65535 } ?? .infinity)
      * Double(shared.largest.scale) + Double(abs(weight)) * Double(shared.largest.offset)
      + Double(abs(largestTerm))
    // Ten roundings of 2^-24, and room; NaN and what may overflow is left to scores alone.
    slack = size * 0x1p-19 + 0x1p-120
    guard let rounded, size < 1e37 else {
      bytes = nil
      return
    }
    bytes = rounded
    scan.pointee.gain = Float(rounded.step)
    scan.pointee.base = Float(rounded.floor)
    inverseGain = (1 / Double(scan.pointee.gain)).nextUp
    if case .score(let score) = shared.limit { reach(shared.sign * Double(score)) }
  }

  /// True if bytes tell which rows may be hits.
  var canScan: Bool { bytes != nil }

  /// Adds `term` to the scores of the rows that pass from now on.
  mutating func enter(term: Float, _ shared: Shared) {
    self.term = term
    scan.pointee.rest = Float(shared.sign) * term
    limitScan()
  }

  /// The cost of the last hit; infinite before there is one.
  private var last = Double.infinity

  /// Lets nothing pass that costs more than `cost`.
  private mutating func reach(_ cost: Double) {
    last = cost
    limitScan()
  }

  private mutating func limitScan() {
    guard bytes != nil, last < .infinity else { return }
    let most = last + slack - Double(scan.pointee.rest)
    scan.pointee.most_cost = Float(most).nextUp
    // Sums cannot be below 0: nothing passes that way, but sums of 0.
    let sum = (most - Double(scan.pointee.base)) * inverseGain
    scan.pointee.most_sum = UInt32(max(0, min(sum, Double(UInt16.max))))
  }

  /// Remembers the term of the rows that passed since the last call.
  mutating func settleTerms() {
    guard let terms else { return }
    for place in settled..<max(settled, scan.pointee.count) { terms[place] = term }
    settled = scan.pointee.count
  }

  /// The rows that may pass before they have to be scored.
  var room: Int { scan.pointee.capacity - scan.pointee.count }

  /// Takes a row as if it had passed.
  mutating func append(place: Int) {
    scan.pointee.keys[scan.pointee.count] = UInt64(place)
    scan.pointee.count += 1
  }

  /// Scores the rows that passed: the k most promising first, whose worst then rules out others.
  mutating func flush(_ shared: Shared) {
    settleTerms()
    passed += scan.pointee.count
    var first = 0
    if let k = shared.k, bytes != nil, scan.pointee.count > k {
      let keys = CodeKeys(start: scan.pointee.keys, count: scan.pointee.count)
      first = gather(upTo: CodeKeys.last(at: keys.place(ofAtLeast: k)), from: 0)
      score(0..<first, shared)
      let limit = CodeKeys.key(Float(last + slack).nextUp, .smallestFirst, row: 0xFFFF_FFFF)
      scan.pointee.count = gather(upTo: limit, from: first)
    }
    score(first..<scan.pointee.count, shared)
    scan.pointee.count = 0
    settled = 0
  }

  /// Moves the rows whose key is at most `limit`, with their terms, ahead of the others from `first`
  /// on, and returns where these begin.
  private func gather(upTo limit: UInt64, from first: Int) -> Int {
    let keys = CodeKeys(start: scan.pointee.keys, count: scan.pointee.count)
    return keys.gather(upTo: limit, from: first, with: terms)
  }

  /// Scores some of the rows that passed, and keeps the best of all.
  private mutating func score(_ places: Range<Int>, _ shared: Shared) {
    guard !places.isEmpty else { return }
    var codes = shared.codes
    let keys = scan.pointee.keys + places.lowerBound
    shared.kernels.table.pointee.score_codes(
      &codes, scan, shared.codewords, shared.order == .largestFirst ? 1 : 0,
      terms.map { UnsafePointer($0 + places.lowerBound) }, keys, places.count)
    scored += places.count
    switch shared.limit {
    case .score(let score):
      for place in 0..<places.count
      where shared.order.ranks(CodeKeys.score(of: keys[place], shared.order), ahead: score) {
        within.append(keys[place])
      }
    case .k(let k):
      (best.start + best.count).update(from: keys, count: places.count)
      best.count += places.count
      guard best.count >= k else { return }
      let worst = CodeKeys.score(of: best.cut(to: k), shared.order)
      if !worst.isNaN { reach(shared.sign * Double(worst)) }
    }
  }

  /// The keys of the hits, best first.
  mutating func hits(_ shared: Shared) -> [UInt64] {
    flush(shared)
    guard let k = shared.k else { return within.sorted() }
    best.sort(best: k)
    return Array(UnsafeBufferPointer(start: best.start, count: best.count))
  }
}
