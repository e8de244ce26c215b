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
public final class FlatSearch: Sendable {
  /// The rows that are searched. A view: a mapped file stays in the file.
  public let vectors: Vectors
  /// The metric that rows are compared by.
  public let metric: Metric
  /// The options that every search of this object uses.
  public let options: Options
  private let state: Mutex<State>

  /// Names the device that searches and the bytes that may be held there.
  struct Place {
    var device: any Device
    var memoryBudget: Int
  }

  /// Holds what changes from one search to the next.
  private struct State {
    var place: Place
    var prepared: VectorSet?
    /// The device's faults that have been told.
    var toldFaults: [TesseraError]

    init(_ place: Place) {
      self.place = place
      toldFaults = place.device.faults
    }
  }

  var place: Place { state.withLock(\.place) }

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
    state = Mutex(State(options.place(on: device)))
  }

  /// Returns the fallback with its memory budget if `place` is not the fallback already, else nil.
  func fallback(for place: Place) -> Place? {
    guard let fallback = options.fallback, fallback !== place.device else { return nil }
    return options.place(on: fallback)
  }

  /// The `k` nearest rows to every query, of those that `selector` selects (nil: of all), ids
  /// counted from row 0.
  ///
  /// A device that runs out of memory is asked again with smaller chunks, three times, and one that
  /// lost what it held is given the rows again, once; then, and on any other failure of the device,
  /// the fallback takes over. Searches of one `FlatSearch` run one at a time.
  ///
  /// - Parameter progress: Called after each batch.
  /// - Complexity: O(queries * rows * dimension).
  /// - Throws: `.invalidShape`, `.invalidArgument` and `.nonFinite` for what cannot be searched;
  ///   `.outOfMemory`, `.deviceFailure`, `.deviceLost` and `.buildFailure` from a device without a
  ///   fallback.
  public func nearest(
    _ queries: Vectors, k: Int, only selector: IDSelector? = nil,
    progress: (SearchProgress) -> Void = { _ in }
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
    // A closure with typed throws needs its type spelled out, hence the result.
    return try state.withLock { state -> Result<SearchReport, TesseraError> in
      Result { () throws(TesseraError) in
        try self.persist(queries, k: k, only: selector, &state, progress)
      }
    }.get()
  }

  /// Searches until it works or nothing is left to try.
  private func persist(
    _ queries: Vectors, k: Int, only selector: IDSelector?, _ state: inout State,
    _ progress: (SearchProgress) -> Void
  ) throws(TesseraError) -> SearchReport {
    var shrinksLeft = 3
    var restartsLeft = 1
    while true {
      defer { tellFaults(&state) }
      do throws(TesseraError) {
        let plan = try plan(queryCount: queries.count, k: k, only: selector, in: state.place)
        do throws(TesseraError) {
          return try search(queries, k: k, only: selector, plan, &state, progress)
        } catch {
          if error.code == .deviceLost, restartsLeft > 0 {
            restartsLeft -= 1
            state.prepared = nil
            continue
          }
          guard error.code == .outOfMemory, shrinksLeft > 0 else { throw error }
          shrinksLeft -= 1
          state.prepared = nil
          state.place.memoryBudget = max(1, plan.cost.peakBytes / 2)
          options.note("\(plan.device.identifier): \(error); trying again with smaller pieces")
        }
      } catch {
        guard error.isFailureOfDevice, let fallback = fallback(for: state.place) else {
          throw error
        }
        options.note(
          "\(state.place.device.info.identifier) failed: \(error); "
            + "\(fallback.device.info.identifier) takes over")
        tellFaults(&state)
        state = State(fallback)
      }
    }
  }

  /// Says what the device has overcome since the last time.
  private func tellFaults(_ state: inout State) {
    let faults = state.place.device.faults
    for fault in faults where !state.toldFaults.contains(fault) { options.note(fault.description) }
    state.toldFaults = faults
  }

  private func search(
    _ queries: Vectors, k: Int, only selector: IDSelector?, _ plan: Plan, _ state: inout State,
    _ progress: (SearchProgress) -> Void
  ) throws(TesseraError) -> SearchReport {
    let device = state.place.device
    let batches = stride(from: 0, to: queries.count, by: plan.batchSize).map {
      $0..<min($0 + plan.batchSize, queries.count)
    }
    if plan.streams { state.prepared = nil }
    // No device looks at the queries where there is no row to search, so they are checked here.
    if plan.chunks.isEmpty { try Shapes.requireFinite(queries, options.queriesName) }
    var found = batches.map { Neighbors.none(queryCount: $0.count) }
    var doneRows = 0
    let totalRows = plan.chunks.reduce(0) { $0 + $1.count }
    var residentBytes = 0
    var prepareSeconds = 0.0
    var searchSeconds = 0.0
    for (piece, rows) in plan.chunks.enumerated() {
      let start = ContinuousClock.now
      let set = if let prepared = state.prepared { prepared } else { try prepare(rows, on: device) }
      if !plan.streams { state.prepared = set }
      residentBytes = max(residentBytes, set.residentBytes)
      prepareSeconds += start.secondsAgo
      let searchStart = ContinuousClock.now
      for (index, batch) in batches.enumerated() {
        let hits = try nearest(queries, batch, in: set, k: k, only: selector, on: device)
        found[index] =
          piece == 0 ? hits : found[index].merged(with: hits, k: k, order: metric.order)
        progress(
          SearchProgress(
            done: doneRows * queries.count + rows.count * batch.upperBound,
            total: totalRows * queries.count))
      }
      doneRows += rows.count
      // A file larger than memory should not push everything else out of it.
      if plan.streams { vectors.rows(rows).evict() }
      searchSeconds += searchStart.secondsAgo
    }
    return SearchReport(
      neighbors: Neighbors(joining: found), device: device.info, chunkCount: plan.chunks.count,
      batchSize: plan.batchSize, residentBytes: residentBytes,
      workingBytes: plan.cost.workingBytes, peakBytes: plan.cost.peakBytes,
      prepareSeconds: prepareSeconds,
      searchSeconds: plan.streams ? searchSeconds + prepareSeconds : searchSeconds)
  }

  private func prepare(
    _ rows: Range<Int>, on device: any Device
  ) throws(TesseraError) -> VectorSet {
    let chunk = vectors.rows(rows)
    do throws(TesseraError) {
      return try device.prepare(chunk, metric: metric, firstID: Int64(rows.lowerBound))
    } catch {
      throw error.naming(options.vectorsName, chunk, from: rows.lowerBound)
    }
  }

  private func nearest(
    _ queries: Vectors, _ batch: Range<Int>, in set: VectorSet, k: Int,
    only selector: IDSelector?, on device: any Device
  ) throws(TesseraError) -> Neighbors {
    let some = queries.rows(batch)
    do throws(TesseraError) {
      return try device.nearest(some, in: set, k: k, only: selector)
    } catch {
      throw error.naming(options.queriesName, some, from: batch.lowerBound)
    }
  }
}

extension FlatSearch.Options {
  fileprivate func place(on device: any Device) -> FlatSearch.Place {
    FlatSearch.Place(
      device: device, memoryBudget: min(memoryBudget ?? .max, device.searchableBytes))
  }
}

extension Device {
  /// The most bytes that a search may hold. A tenth of a GPU's memory is left to its driver; half
  /// of the host's is left to mapped files and everything else that runs.
  fileprivate var searchableBytes: Int {
    switch info.kind {
    case .gpu, .accelerator: info.memoryBytes / 10 * 9
    default: info.memoryBytes / 2
    }
  }
}

extension ContinuousClock.Instant {
  fileprivate var secondsAgo: Double { duration(to: .now) / .seconds(1) }
}

extension TesseraError {
  /// A device sees one piece and counts its rows from 0; people count from the start of the file.
  fileprivate func naming(_ name: String, _ piece: Vectors, from firstRow: Int) -> TesseraError {
    guard code == .nonFinite else { return self }
    return Shapes.nonFinite(name, rows: piece.nonFiniteRows(limit: 6).map { $0 + firstRow })
  }
}

extension Neighbors {
  /// The hits of consecutive batches, each of which found equally many per query.
  fileprivate init(joining batches: [Neighbors]) {
    self.init(
      queryCount: batches.reduce(0) { $0 + $1.queryCount },
      hitCount: batches.first?.hitCount ?? 0, ids: batches.flatMap(\.ids),
      scores: batches.flatMap(\.scores),
      statistics: SearchStatistics(
        certified: batches.allSatisfy(\.statistics.certified),
        candidates: batches.reduce(0) { $0 + $1.statistics.candidates },
        rescored: batches.reduce(0) { $0 + $1.statistics.rescored }))
  }
}
