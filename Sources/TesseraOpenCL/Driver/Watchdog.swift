internal import Dispatch
internal import Synchronization

/// Waits for a driver, but not for ever.
///
/// Calls that wait run on a thread of their own. One that does not come back is given up together
/// with its thread, so such a call must use no memory that its caller might give back.
final class Watchdog: Sendable {
  /// The longest time that a call may go on without a step · nil waits for ever.
  let limit: Duration?
  private let thread = DispatchQueue(label: "tessera.opencl.wait")

  init(limit: Duration?) { self.limit = limit }

  /// Counts the steps of a call. Each step starts the time anew.
  final class Progress: Sendable {
    private let count = Atomic(0)

    var steps: Int { count.load(ordering: .relaxed) }
    func step() { count.wrappingAdd(1, ordering: .relaxed) }
  }

  /// Holds the status that one call returned, for both threads.
  private final class Answer: Sendable {
    let status = Atomic<Int32>(0)
    let isThere = DispatchSemaphore(value: 0)
  }

  /// The status `call` returns, or nil if it is given up: after one to two limits.
  func wait(for call: @escaping @Sendable (Progress) -> Int32) -> Int32? {
    let progress = Progress()
    guard let limit else { return call(progress) }
    let answer = Answer()
    thread.async {
      answer.status.store(call(progress), ordering: .releasing)
      answer.isThere.signal()
    }
    // At most thirty years, which Dispatch can count.
    let nanoseconds = Int(max(0, min(limit / .nanoseconds(1), 1e18)))
    var steps = progress.steps
    while answer.isThere.wait(timeout: .now() + .nanoseconds(nanoseconds)) == .timedOut {
      let stepsNow = progress.steps
      guard stepsNow != steps else { return nil }
      steps = stepsNow
    }
    return answer.status.load(ordering: .acquiring)
  }
}
