import Synchronization
public import TesseraCompute
internal import TesseraHost
public import TesseraQuantization

/// Searches an index, or rows or codes as they are, on a device.
///
/// What the index holds is prepared once and stays on the device. Where it does not fit there, it is
/// cut into chunks; each is prepared, asked all queries, and its hits merged. The hits are the same
/// bytes either way, on every device, for every batch size and memory budget.
///
///     let search = try IndexSearch(base, metric: .innerProduct, on: Devices.choose(.auto))
///     let hits = try search.nearest(queries, k: 10).neighbors
///
/// Many searches may run at once, from any thread: they share what is prepared, and wait for each
/// other only where their memory together would be above the budget.
public final class IndexSearch: Sendable {
  /// The index that is searched.
  public let index: Index
  /// The options that every search of this object uses.
  public let options: Options
  /// Locked only to be read or changed, never while anything is searched or prepared.
  let state: Mutex<State>
  let gate = SearchGate()
  let magnitudes = Mutex<Magnitudes?>(nil)

  /// Names the device that searches and the bytes that may be held there.
  struct Site {
    var device: any Device
    var memoryBudget: Int
  }

  /// Holds what changes from one search to the next.
  struct State {
    var site: Site
    /// Rises whenever another device or a smaller budget makes what was prepared useless.
    var generation: Int
    var prepared: Prepared?
    var isPreparing = false
    /// The device's faults that have been told.
    var toldFaults: [TesseraError]

    init(_ site: Site, generation: Int = 0) {
      self.site = site
      self.generation = generation
      toldFaults = site.device.faults
    }
  }

  /// Holds what lies on a device.
  struct Prepared {
    let centroids: CoarseSearch?
    /// The points that codes in lists are relative to.
    let codeCenters: Vectors?
    /// All rows; nil where they do not fit together.
    var rows: KeptRows?
  }

  /// A site as one search found it.
  struct Visit {
    let site: Site
    let generation: Int
  }

  /// What is searched for, and who hears of it.
  struct Request {
    let queries: Vectors
    let limit: Limit
    let selector: IDSelector?
    /// The rows that it selects, which takes a look at every id of some indexes.
    let selectedCount: Int
    /// Lists that each query looks at, and why.
    let probes: Int
    let path: Path
    let control: RunControl
  }

  /// Searches an index.
  ///
  /// - Throws: `.invalidArgument` for a batch size, memory budget or refine factor below 1,
  ///   `.invalidShape` for rows without dimensions.
  public init(
    _ index: Index, on device: any Device, options: Options = Options()
  ) throws(TesseraError) {
    guard index.dimension > 0 else {
      throw TesseraError(.invalidShape, "\(options.vectorsName): the vectors have no dimensions")
    }
    for (name, value) in [
      ("a batch size of", options.batchSize), ("a refine factor of", options.refineFactor),
      ("a memory budget in bytes of", options.memoryBudget),
    ] {
      guard let value, value < 1 else { continue }
      throw TesseraError(.invalidArgument, "search: \(name) \(value) is not at least 1")
    }
    self.index = index
    self.options = options
    state = Mutex(State(options.site(on: device)))
  }

  /// Searches rows as they are, with ids from 0. A mapped file stays in the file.
  ///
  /// - Throws: As ``init(_:on:options:)``.
  public convenience init(
    _ rows: Vectors, metric: Metric, on device: any Device, options: Options = Options()
  ) throws(TesseraError) {
    try self.init(Index(whole: rows, metric: metric), on: device, options: options)
  }

  /// Searches codes, with ids from 0, for the best scores of what they stand for: approximate as far
  /// as codes are, and otherwise exact.
  ///
  /// - Throws: As ``init(_:on:options:)``, and `.invalidShape` for codes of another length than the
  ///   quantizer's.
  public convenience init(
    _ codes: Codes, of quantizer: any Quantizer, metric: Metric, on device: any Device,
    options: Options = Options()
  ) throws(TesseraError) {
    try self.init(Index(codes, of: quantizer, metric: metric), on: device, options: options)
  }

  /// Finds the `k` nearest rows to every query in the lists it looks at, of those that `selector`
  /// selects (nil: of all).
  ///
  /// - Throws: As ``nearest(_:within:effort:only:control:)``.
  public func nearest(
    _ queries: Vectors, k: Int, effort: Effort = .recall(0.95),
    only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> Report {
    try nearest(queries, within: .k(k), effort: effort, only: selector, control: control)
  }

  /// Finds the nearest rows to every query in the lists it looks at, as many as `limit` says.
  ///
  /// Blocks the thread until the hits are there. Fewer than k hits are found only where those lists
  /// hold fewer selected rows. A device that runs out of memory is asked again with smaller chunks,
  /// three times, and one that lost what it held is given the rows again, once; then, and on any other
  /// failure of the device, the fallback of `control` takes over for this search and all that follow.
  /// Closures of `control` may search and plan themselves.
  ///
  /// Scores that Float32 cannot tell apart, because they are infinite or vanish, are ranked by their
  /// exact values where k rows of an index of one list are sought that keeps rows as they were: such
  /// queries are searched again with rows and queries multiplied by a power of two. Where even that is
  /// not enough, because very large and very small numbers meet in one set, rows tie by id, `certified`
  /// is false, and a note says so. Other searches refuse scores beyond Float32.
  ///
  /// - Parameters:
  ///   - effort: The lists to look at; an index of one list is always searched whole.
  ///   - selector: The rows that may be hits. Where they are fewer than twice the rows of the lists that
  ///     a query would look at, or those lists would hold fewer than four times the hits wanted of them,
  ///     on average, all of them are searched.
  ///   - control: Ends the search within a tenth of a second, hears of its progress after each batch
  ///     and, in long ones, every tenth of a second, and says who takes over if the device fails.
  /// - Complexity: O(queries * rows looked at * dimension).
  /// - Throws: `.invalidShape` for queries of another dimension, `.invalidArgument` for a limit or an
  ///   effort without a meaning or a memory budget that the rows of one list exceed, `.nonFinite` for
  ///   rows and queries that are not finite and scores beyond Float32, `.malformedFile` where the
  ///   index's file is damaged; `.cancelled` and `.deadlineExceeded` when `control` or the task asks for
  ///   the end; `.outOfMemory`, `.deviceFailure`, `.deviceLost` and `.buildFailure` from a device without
  ///   a fallback, `.outOfMemory` too where this machine cannot hold the hits.
  public func nearest(
    _ queries: Vectors, within limit: Limit, effort: Effort = .recall(0.95),
    only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> Report {
    guard queries.dimension == index.dimension else {
      throw TesseraError(
        .invalidShape,
        "\(options.queriesName): queries have \(queries.dimension) dimensions, "
          + "\(options.vectorsName) has \(index.dimension)")
    }
    if index.bits != nil { try BitRows.requireBytes(queries, options.queriesName) }
    try Shapes.check(limit, "search")
    let selectedCount = selectedCount(selector)
    let (probes, path) = try index.probes(
      effort, limit, selectedCount: selector == nil ? nil : selectedCount)
    try requireRoom(queryCount: queries.count, limit, selectedCount: selectedCount)
    let request = Request(
      queries: queries, limit: limit, selector: selector, selectedCount: selectedCount,
      probes: probes, path: path,
      control: SearchGate.free(control))
    let device = state.withLock(\.site.device)
    return try control.stop.govern { () throws(TesseraError) in
      try control.stop.check()
      tellFaults(of: device, request.control)
      defer { tellFaults(of: device, nil) }
      return try request.control.run(on: device) { device throws(TesseraError) in
        try persist(request, on: device)
      }.result
    }
  }

  /// Finds the nearest rows as the other `nearest`, for tasks that must not block.
  ///
  /// The search runs on a thread of its own, beside Swift's pool of threads, so that other tasks get
  /// their turns; at most 64 such searches of a process run at once. Cancelling the task ends the
  /// search. Closures of `control` run on the search's thread.
  ///
  /// - Throws: As the other `nearest`.
  public func nearest(
    _ queries: Vectors, within limit: Limit, effort: Effort = .recall(0.95),
    only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) async throws(TesseraError) -> Report {
    try await control.offThread { [self] control throws(TesseraError) in
      try nearest(queries, within: limit, effort: effort, only: selector, control: control)
    }
  }

  /// Finds the `k` nearest rows as the other `nearest`, for tasks that must not block.
  ///
  /// - Throws: As the other `nearest`.
  public func nearest(
    _ queries: Vectors, k: Int, effort: Effort = .recall(0.95),
    only selector: IDSelector? = nil, control: RunControl = RunControl()
  ) async throws(TesseraError) -> Report {
    try await nearest(queries, within: .k(k), effort: effort, only: selector, control: control)
  }

  /// Tells `control`, if there is one, of what other searches have made the device overcome since
  /// this one looked last. Faults of the search itself are told by `RunControl.run`.
  private func tellFaults(of device: any Device, _ control: RunControl?) {
    let faults = device.faults
    let told = state.withLock { state -> [TesseraError] in
      guard state.site.device === device else { return faults }
      defer { state.toldFaults = faults }
      return state.toldFaults
    }
    for fault in faults where !told.contains(fault) { control?.note(fault.description) }
  }

  /// Searches on `device` with less and less memory, until it works.
  private func persist(
    _ request: Request, on device: any Device
  ) throws(TesseraError) -> Report {
    var shrinksLeft = 3
    while true {
      let visit = visit(device)
      let plan = try plan(
        queryCount: request.queries.count, request.limit, only: request.selector,
        selectedCount: request.selectedCount, in: visit.site, control: request.control)
      do throws(TesseraError) {
        return try search(request, plan, visit)
      } catch {
        guard error.isFailureOfDevice else { throw error }
        let mayShrink = error.code == .outOfMemory && shrinksLeft > 0
        leave(visit, memoryBudget: mayShrink ? max(1, plan.cost.peakBytes / 2) : nil)
        guard mayShrink else { throw error }
        shrinksLeft -= 1
        request.control.note(
          "\(plan.device.identifier): \(error); trying again with smaller chunks")
      }
    }
  }

  /// Makes `device` the one that searches, and returns what it may hold.
  private func visit(_ device: any Device) -> Visit {
    state.withLock { state in
      if state.site.device !== device {
        state = State(options.site(on: device), generation: state.generation + 1)
      }
      return Visit(site: state.site, generation: state.generation)
    }
  }

  /// Forgets what was prepared on a device that failed, unless somebody else did already.
  private func leave(_ visit: Visit, memoryBudget: Int?) {
    state.withLock { state in
      guard state.generation == visit.generation else { return }
      state = State(state.site, generation: state.generation + 1)
      if let memoryBudget { state.site.memoryBudget = memoryBudget }
    }
  }
}

extension IndexSearch {
  /// Options of a search; none but the refine factor changes the hits.
  public struct Options: Sendable {
    /// Bytes the device and its working memory may hold · 1 or more · never more than nine tenths
    /// of a GPU's memory or half of the host's, which is what nil means.
    public var memoryBudget: Int?
    /// Queries given to the device at a time · 1 or more · nil is 1024 for rows as they are and 8192
    /// for the rest, or fewer where memory is short.
    public var batchSize: Int?
    /// Hits that are scored again for each that is wanted, where the index keeps rows for that · 1 or
    /// more.
    public var refineFactor: Int
    /// The name of the rows in messages · a file name, say.
    public var vectorsName: String
    /// The name of the queries in messages.
    public var queriesName: String

    /// Takes what should differ from the defaults; values are checked by `IndexSearch`.
    public init(
      memoryBudget: Int? = nil, batchSize: Int? = nil, refineFactor: Int = 4,
      vectorsName: String = "vectors", queriesName: String = "queries"
    ) {
      self.memoryBudget = memoryBudget
      self.batchSize = batchSize
      self.refineFactor = refineFactor
      self.vectorsName = vectorsName
      self.queriesName = queriesName
    }

    func site(on device: any Device) -> Site {
      Site(
        device: device,
        memoryBudget: min(memoryBudget ?? .max, device.searchableBytes(within: .current)))
    }
  }
}
