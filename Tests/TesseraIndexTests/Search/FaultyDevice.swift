import Synchronization
import TesseraCompute
import TestSupport

/// The reference device with a memory of a stated size, that fails where it is told to.
final class FaultyDevice: ReferenceMemory {
  let info: DeviceInfo
  /// The failures of the next searches, in order; nil is a search that works.
  private let failures: Mutex<[TesseraError.Code?]>
  private let log = Mutex(Log())

  struct Log {
    var prepared: [Int] = []
    var batches: [Int] = []
  }

  init(
    memoryBytes: Int = 1 << 40, maxAllocationBytes: Int? = nil, failures: [TesseraError.Code?] = []
  ) {
    info = DeviceInfo(
      identifier: "faulty:0", name: "Faulty", kind: .accelerator, variant: "swift",
      memoryBytes: memoryBytes, maxAllocationBytes: maxAllocationBytes, computeUnits: 1,
      accelerated: [])
    self.failures = Mutex(failures)
  }

  /// Rows of every set prepared, in order.
  var prepared: [Int] { log.withLock { $0.prepared } }
  /// Queries of every search, in order.
  var batches: [Int] { log.withLock { $0.batches } }

  /// 100 bytes a row and 10 a query.
  func cost(of search: SearchShape) -> SearchCost {
    SearchCost(
      residentBytes: search.rows * 100, workingBytes: search.queryCount * 10,
      largestAllocationBytes: search.rows * 100)
  }

  func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet {
    log.withLock { $0.prepared.append(vectors.count) }
    return try ReferenceDevice.shared.prepare(vectors, in: lists, metric: metric)
  }

  func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    log.withLock { $0.batches.append(queries.count) }
    let failure = failures.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    if let failure { throw TesseraError(failure, "as the test asked") }
    return try ReferenceDevice.shared.nearest(
      queries, in: set, probing: probes, within: limit, only: selector)
  }
}
