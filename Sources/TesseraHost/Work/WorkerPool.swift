internal import Dispatch
internal import Synchronization

/// A bounded number of threads that share a list of tasks.
///
/// All pools draw on the same threads of the process, which are never more than it has cores, so
/// many calls at once do not start many times the threads. The calling thread works too.
package struct WorkerPool: Sendable {
  /// Most tasks of one call that run at once · 1 or more.
  package let count: Int

  package init(count: Int) { self.count = max(1, count) }

  /// The threads that host work gets where nobody says otherwise: `TESSERA_THREADS`, else one for
  /// each core that the process may use.
  package static let host = WorkerPool(
    count: Environment["TESSERA_THREADS"].flatMap { Int($0) } ?? HostLimits.current.cores)

  /// Runs `task` for every index below `taskCount`, in any order, and waits for all of them.
  ///
  /// - Throws: The first error of a task, or what ``StopSignal/check()-swift.method`` throws between
  ///   tasks; the remaining tasks are then skipped.
  package func run(
    _ taskCount: Int, _ task: @Sendable (Int) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let next = Atomic<Int>(0)
    let failure = Mutex<TesseraError?>(nil)
    // Raised by the first failure, so that tasks that look at their signal end early too.
    let signal = StopSignal(under: StopSignal.current)
    let meter = ProgressMeter.current
    @Sendable func drain() {
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < taskCount, failure.withLock({ $0 == nil }) else { return }
        do throws(TesseraError) {
          try signal.check()
          try task(index)
        } catch {
          failure.withLock { $0 = $0 ?? error }
          signal.raise()
        }
      }
    }
    let threads = min(count, taskCount)
    if threads > 1 {
      DispatchQueue.concurrentPerform(iterations: threads) { _ in
        // A thread of the pool is in no task; what the call is told must be told to it.
        StopSignal.$current.withValue(signal) {
          ProgressMeter.$current.withValue(meter) { drain() }
        }
      }
    } else {
      StopSignal.$current.withValue(signal) { drain() }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Runs `task` for contiguous ranges that cover `0..<count`, each at least `minimum` long (but for
  /// the last), about four for each worker so that a slow core does not hold up the rest.
  ///
  /// - Throws: As ``run(_:_:)``.
  package func split(
    _ count: Int, minimum: Int, _ task: @Sendable (Range<Int>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let ranges = self.count == 1 ? 1 : max(1, min(self.count * 4, count / max(1, minimum)))
    try run(ranges) { index throws(TesseraError) in
      let start = Self.position(index, of: ranges, in: count)
      try task(start..<Self.position(index + 1, of: ranges, in: count))
    }
  }

  /// Returns the start of range number `index` of `ranges` equal ones, without a product that
  /// overflows.
  private static func position(_ index: Int, of ranges: Int, in count: Int) -> Int {
    count / ranges * index + count % ranges * index / ranges
  }
}
