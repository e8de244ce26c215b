internal import Dispatch
internal import Synchronization
internal import TesseraCompute
internal import TesseraHost

/// Waits for a driver, but not for ever.
///
/// Driver calls run on a thread of their own, one after the other. One that does not come back is
/// given up together with its thread, so such a call must use no memory that its caller might give
/// back.
final class Watchdog: Sendable {
  /// The longest time that a call may go on without a step · nil waits for ever.
  let limit: Duration?
  private let thread = DispatchQueue(label: "tessera.opencl.wait")

  /// Marks the thread of a watchdog, so that a call made from it does not wait for itself.
  private static let owner = DispatchSpecificKey<ObjectIdentifier>()

  init(limit: Duration?) {
    self.limit = limit
    thread.setSpecific(key: Self.owner, value: ObjectIdentifier(self))
  }

  /// Counts the steps of a call, each of which starts the time anew, and knows whether its caller
  /// still waits for it.
  final class Progress: Sendable {
    private let count = Atomic(0)
    private let caller = Atomic(Caller.mayLeave)

    private enum Caller: UInt8, AtomicRepresentable { case mayLeave, stays, hasLeft }

    var steps: Int { count.load(ordering: .relaxed) }
    func step() { count.wrappingAdd(1, ordering: .relaxed) }

    /// Tells whether the caller has gone, and nothing more is to be begun for it.
    var isLeft: Bool { caller.load(ordering: .acquiring) == .hasLeft }

    /// Lets the caller wait for the end from now on, whatever happens, because the call will use or
    /// hand over what is not its own. Returns false if the caller has gone already.
    func keepCaller() -> Bool { settle(on: .stays) }

    fileprivate func leave() -> Bool { settle(on: .hasLeft) }

    private func settle(on choice: Caller) -> Bool {
      let (isFirst, found) = caller.compareExchange(
        expected: .mayLeave, desired: choice, ordering: .acquiringAndReleasing)
      return isFirst || found == choice
    }
  }

  /// Calls that were given up in this process and have not come back.
  private static let lostCalls = Atomic(0)

  /// Tells whether a driver still has a thread of this process: its ordinary end could crash then.
  static var hasLostCalls: Bool { lostCalls.load(ordering: .relaxed) > 0 }

  /// Holds one call and its result, for both threads.
  private final class Errand<Value: Sendable>: Sendable {
    private let call: Mutex<(@Sendable (Progress) -> Value)?>
    private let value = Mutex<Value?>(nil)
    let isDone = DispatchSemaphore(value: 0)
    private let isGivenUp = Atomic(false)

    init(_ call: @escaping @Sendable (Progress) -> Value) { self.call = Mutex(call) }

    /// Runs the call and lets go of it before anyone hears of the result, so that the last holder of
    /// what it uses is never this thread.
    @inline(never)
    private func work(_ progress: Progress) {
      let call = call.withLock { call in
        defer { call = nil }
        return call
      }
      guard let call else { return }
      let result = call(progress)
      value.withLock { $0 = result }
    }

    func run(_ progress: Progress) {
      work(progress)
      if isGivenUp.exchange(true, ordering: .acquiringAndReleasing) {
        Watchdog.lostCalls.wrappingSubtract(1, ordering: .relaxed)
      }
      isDone.signal()
    }

    /// Returns false if the call has come back meanwhile.
    func giveUp() -> Bool {
      Watchdog.lostCalls.wrappingAdd(1, ordering: .relaxed)
      guard isGivenUp.exchange(true, ordering: .acquiringAndReleasing) else { return true }
      Watchdog.lostCalls.wrappingSubtract(1, ordering: .relaxed)
      return false
    }

    var result: Value? { value.withLock { $0 } }
  }

  /// Returns what `call` returns, or nil if it is given up: after one to two limits.
  func wait<Value: Sendable>(for call: @escaping @Sendable (Progress) -> Value) -> Value? {
    wait(for: call, lookingUpEvery: limit) { () throws(Never) in }
  }

  /// Returns what `call` returns, or nil if it is given up; or leaves it to end by itself when the
  /// work that is under way in this task should end.
  ///
  /// What was queued then still runs, and later calls wait for it. A call that is left must touch
  /// nothing that others may use or give back before it ends: it asks ``Progress/keepCaller()``
  /// before it does, and lets go of what it would have handed over if nobody is left to take it.
  ///
  /// - Throws: `.cancelled` and `.deadlineExceeded`.
  func waitUnlessStopped<Value: Sendable>(
    for call: @escaping @Sendable (Progress) -> Value
  ) throws(TesseraError) -> Value? {
    try wait(for: call, lookingUpEvery: .milliseconds(10)) { () throws(TesseraError) in
      try StopSignal.check()
    }
  }

  /// - Parameter check: Throws when it is time to leave; called after every `pause` of waiting.
  private func wait<Value: Sendable, Reason: Error>(
    for call: @escaping @Sendable (Progress) -> Value, lookingUpEvery pause: Duration?,
    _ check: () throws(Reason) -> Void
  ) throws(Reason) -> Value? {
    let progress = Progress()
    // The last holder of a context may be its own thread, which then ends the context.
    guard let limit, DispatchQueue.getSpecific(key: Self.owner) != ObjectIdentifier(self) else {
      return call(progress)
    }
    let errand = Errand(call)
    thread.async { errand.run(progress) }
    let slice = min(limit, pause ?? limit)
    // At most thirty years, which Dispatch can count.
    let nanoseconds = Int(max(0, min(slice / .nanoseconds(1), 1e18)))
    var (steps, waited) = (progress.steps, Duration.zero)
    while errand.isDone.wait(timeout: .now() + .nanoseconds(nanoseconds)) == .timedOut {
      do throws(Reason) {
        try check()
      } catch {
        if progress.leave() { throw error }
      }
      let stepsNow = progress.steps
      waited = stepsNow == steps ? waited + slice : .zero
      steps = stepsNow
      if waited >= limit {
        guard errand.giveUp() else { break }
        return nil
      }
    }
    return errand.result
  }

  /// Makes a call that nobody waits for, after those before it and before those after it.
  func later(_ call: @escaping @Sendable () -> Void) {
    guard limit != nil else { return call() }
    thread.async(execute: call)
  }
}
