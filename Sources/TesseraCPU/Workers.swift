internal import Dispatch
internal import Synchronization
internal import TesseraCompute

/// A bounded number of threads that share a list of tasks.
struct Workers: Sendable {
  /// Most tasks that run at once. Dispatch never uses more threads than there are cores.
  let count: Int

  /// Runs `task` for every index below `taskCount`, in any order, and waits for all of them.
  /// One task, or one worker, stays on the calling thread.
  ///
  /// - Throws: the first error of a task; the remaining tasks are then skipped.
  func run(
    _ taskCount: Int, _ task: @Sendable (Int) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let next = Atomic<Int>(0)
    let failure = Mutex<TesseraError?>(nil)
    @Sendable func drain() {
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < taskCount, failure.withLock({ $0 == nil }) else { return }
        do throws(TesseraError) {
          try task(index)
        } catch {
          failure.withLock { $0 = $0 ?? error }
        }
      }
    }
    let threads = min(count, taskCount)
    if threads > 1 {
      DispatchQueue.concurrentPerform(iterations: threads) { _ in drain() }
    } else {
      drain()
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Runs `task` for contiguous pieces that cover `0..<count`, each at least `minimum` long
  /// (but for the last), about four for each worker so that a slow core does not hold up the rest.
  func split(
    _ count: Int, minimum: Int, _ task: @Sendable (Range<Int>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let pieces = self.count == 1 ? 1 : max(1, min(self.count * 4, count / max(1, minimum)))
    try run(pieces) { piece throws(TesseraError) in
      try task(count * piece / pieces..<count * (piece + 1) / pieces)
    }
  }
}
