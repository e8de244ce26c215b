import Synchronization
public import TesseraCompute
internal import TesseraHost

/// Exact search over rows that may not fit the device's memory.
///
/// Rows that fit are prepared once and stay on the device for every later call. Others are cut into
/// chunks; each is prepared, asked all queries, and its hits merged. The hits are the same bytes
/// either way, for every batch size and memory budget. A search may be limited to some of the rows.
///
///     let search = try FlatSearch(base, metric: .innerProduct, on: Devices.choose(.auto))
///     let hits = try search.nearest(queries, k: 10).neighbors
///
/// Many searches may run at once, from any thread: they share the prepared rows, and wait for each
/// other only where their memory together would be above the budget.
public final class FlatSearch: Sendable {
  /// The rows that are searched. A view: a mapped file stays in the file.
  public let vectors: Vectors
  /// The metric that rows are compared by.
  public let metric: Metric
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
    var prepared: VectorSet?
    var isPreparing = false
    /// The device's faults that have been told.
    var toldFaults: [TesseraError]

    init(_ site: Site, generation: Int = 0) {
      self.site = site
      self.generation = generation
      toldFaults = site.device.faults
    }
  }

  /// A site as one search found it.
  struct Visit {
    let site: Site
    let generation: Int
  }

  /// What is searched for, and who hears of it.
  struct Request {
    let queries: Vectors
    let k: Int
    let selector: IDSelector?
    let control: RunControl
  }

  /// - Throws: `.invalidArgument` for a batch size or memory budget below 1, `.invalidShape` for
  ///   vectors without dimensions.
  public init(
    _ vectors: Vectors, metric: Metric, on device: any Device, options: Options = Options()
  ) throws(TesseraError) {
    guard vectors.dimension > 0 else {
      throw TesseraError(.invalidShape, "\(options.vectorsName): the vectors have no dimensions")
    }
    guard options.batchSize ?? 1 >= 1 else {
      throw TesseraError(
        .invalidArgument, "search: a batch size of \(options.batchSize ?? 0) is not at least 1")
    }
    guard options.memoryBudget ?? 1 >= 1 else {
      throw TesseraError(
        .invalidArgument, "search: \(options.memoryBudget ?? 0) bytes of memory are not at least 1")
    }
    self.vectors = vectors
    self.metric = metric
    self.options = options
    state = Mutex(State(options.site(on: device)))
  }

  /// The `k` nearest rows to every query, of those that `selector` selects (nil: of all), ids
  /// counted from row 0.
  ///
  /// Blocks the thread until the hits are there. A device that runs out of memory is asked again with
  /// smaller chunks, three times, and one that lost what it held is given the rows again, once; then,
  /// and on any other failure of the device, the fallback of `control` takes over for this search and
  /// all that follow. Closures of `control` may search and plan themselves.
  ///
  /// Scores that Float32 cannot tell apart, because they are infinite or vanish, are ranked by their
  /// exact values: such queries are searched again with rows and queries multiplied by a power of
  /// two. Where even that is not enough, because very large and very small numbers meet in one set,
  /// rows tie by id, `certified` is false, and a note says so.
  ///
  /// - Parameter control: Ends the search within a tenth of a second, hears of its progress after
  ///   each batch and, in long ones, every tenth of a second.
  /// - Complexity: O(queries * rows * dimension).
  /// - Throws: `.invalidShape`, `.invalidArgument` and `.nonFinite` for what cannot be searched;
  ///   `.cancelled` and `.deadlineExceeded` when `control` or the task asks for the end;
  ///   `.outOfMemory`, `.deviceFailure`, `.deviceLost` and `.buildFailure` from a device without a
  ///   fallback, `.outOfMemory` too where this machine cannot hold the hits.
  public func nearest(
    _ queries: Vectors, k: Int, only selector: IDSelector? = nil,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> SearchReport {
    guard queries.dimension == vectors.dimension else {
      throw TesseraError(
        .invalidShape,
        "\(options.queriesName): queries have \(queries.dimension) dimensions, "
          + "\(options.vectorsName) has \(vectors.dimension)")
    }
    guard k >= 1 else {
      throw TesseraError(.invalidArgument, "search: k is \(k), it must be at least 1")
    }
    try requireRoom(queryCount: queries.count, k: k, only: selector)
    let request = Request(
      queries: queries, k: k, selector: selector, control: SearchGate.free(control))
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

  /// The `k` nearest rows to every query, as the other `nearest`, for tasks that must not block.
  ///
  /// The search runs on a thread of its own, beside Swift's pool of threads, so that other tasks get
  /// their turns; at most 64 such searches of a process run at once. Cancelling the task ends the
  /// search. Closures of `control` run on the search's thread.
  ///
  /// - Throws: As the other `nearest`.
  public func nearest(
    _ queries: Vectors, k: Int, only selector: IDSelector? = nil,
    control: RunControl = RunControl()
  ) async throws(TesseraError) -> SearchReport {
    let signal = StopSignal(under: control.stop)
    var governed = control
    governed.stop = signal
    let inner = governed
    return try await withTaskCancellationHandler { () async -> Result<SearchReport, TesseraError> in
      do throws(TesseraError) {
        return .success(
          try await CallThreads.shared.run { [self] () throws(TesseraError) in
            try nearest(queries, k: k, only: selector, control: inner)
          })
      } catch {
        return .failure(error)
      }
    } onCancel: {
      signal.raise()
    }.get()
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
  ) throws(TesseraError) -> SearchReport {
    var shrinksLeft = 3
    while true {
      let visit = visit(device)
      let plan = try plan(
        queryCount: request.queries.count, k: request.k, only: request.selector, in: visit.site,
        control: request.control)
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

extension FlatSearch.Options {
  func site(on device: any Device) -> FlatSearch.Site {
    FlatSearch.Site(
      device: device,
      memoryBudget: min(memoryBudget ?? .max, device.searchableBytes(within: .current)))
  }
}

extension FlatSearch {
  /// Options of a search; none of them changes the hits.
  public struct Options: Sendable {
    /// Bytes the device and its working memory may hold · 1 or more · never more than nine tenths
    /// of a GPU's memory or half of the host's, which is what nil means.
    public var memoryBudget: Int?
    /// Queries given to the device at a time · 1 or more · nil is 1024, or fewer where memory is
    /// short.
    public var batchSize: Int?
    /// The name of the rows in messages · a file name, say.
    public var vectorsName: String
    /// The name of the queries in messages.
    public var queriesName: String
    /// Takes what should differ from the defaults; values are checked by `FlatSearch`.
    public init(
      memoryBudget: Int? = nil, batchSize: Int? = nil,
      vectorsName: String = "vectors", queriesName: String = "queries"
    ) {
      self.memoryBudget = memoryBudget
      self.batchSize = batchSize
      self.vectorsName = vectorsName
      self.queriesName = queriesName
    }
  }
}

/// The hits of a search and how it went.
public struct SearchReport: Sendable {
  /// Hits of all queries, in query order.
  public let neighbors: Neighbors
  /// The device that found them: the fallback, if the chosen one failed.
  public let device: DeviceInfo
  /// Chunks of the rows that were searched: 1 where everything fits the memory, 0 where no row is
  /// selected.
  public let chunkCount: Int
  /// Queries given to the device at a time.
  public let batchSize: Int
  /// Bytes the largest prepared chunk kept beyond the caller's rows.
  public let residentBytes: Int
  /// Bytes planned for the work on one chunk and one batch, and given back.
  public let workingBytes: Int
  /// The most the device and its working memory were planned to hold, in bytes, beyond the caller's
  /// rows.
  public let peakBytes: Int
  /// Seconds spent making rows ready. 0 where they were ready from the search before.
  public let prepareSeconds: Double
  /// Seconds spent searching. Where rows are streamed, every search makes them ready again, and
  /// this includes that.
  public let searchSeconds: Double
}
