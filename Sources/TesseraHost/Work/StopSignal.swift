internal import Synchronization

/// Ends a long call from outside: by hand, by a deadline, or because its task was cancelled.
///
/// Work looks at the signal every few milliseconds and then throws `.cancelled`, or
/// `.deadlineExceeded`. One signal may serve several calls; once raised it stays raised.
public final class StopSignal: Sendable {
  /// The moment from which the signal counts as raised; nil is never.
  public let deadline: ContinuousClock.Instant?
  private let raised = Atomic(false)
  /// Signals that end the work as well as this one does.
  private let others: [StopSignal]

  /// The signal of the call that is under way in this task; worker threads get it from there.
  @TaskLocal package static var current: StopSignal?

  /// Makes a signal that is not raised before `deadline`.
  public init(deadline: ContinuousClock.Instant? = nil) {
    self.deadline = deadline
    others = []
  }

  /// Makes a signal that is raised when any of `others` is.
  private init(anyOf others: [StopSignal]) {
    deadline = nil
    self.others = others
  }

  /// Makes a signal that is raised by itself, or together with `parent`.
  package convenience init(under parent: StopSignal?) {
    self.init(anyOf: parent.map { [$0] } ?? [])
  }

  /// Asks the calls that have this signal to end. May be called from any thread, more than once.
  public func raise() { raised.store(true, ordering: .relaxed) }

  /// Throws if the call should end.
  ///
  /// - Throws: `.cancelled` if the signal was raised or the current task is cancelled,
  ///   `.deadlineExceeded` after the deadline.
  /// - Complexity: O(1); some ten nanoseconds, more with a deadline.
  public func check() throws(TesseraError) {
    if raised.load(ordering: .relaxed) || Task.isCancelled {
      throw TesseraError(.cancelled, "the work was cancelled")
    }
    if let deadline, deadline <= .now {
      throw TesseraError(.deadlineExceeded, "the work was not done by its deadline")
    }
    for other in others { try other.check() }
  }

  /// Throws if the call that is under way in this task should end.
  ///
  /// - Throws: As ``check()``; `.cancelled` in a cancelled task without a signal too.
  package static func check() throws(TesseraError) {
    if let current { return try current.check() }
    if Task.isCancelled { throw TesseraError(.cancelled, "the work was cancelled") }
  }

  /// Calls `body` for consecutive ranges that cover `0..<count`, `length` long but for the last, and
  /// looks at the signal of the call that is under way before each: for loops of very many short
  /// steps.
  ///
  /// - Throws: As ``check()-swift.type.method``.
  package static func checkEvery(
    _ length: Int, of count: Int, _ body: (Range<Int>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    for start in stride(from: 0, to: count, by: length) {
      try check()
      try body(start..<min(start + length, count))
    }
  }

  /// Runs `work`, whose calls of ``check()-swift.type.method`` then look at this signal, and still
  /// at that of the longer call it may be a step of.
  package func govern<Result>(
    _ work: () throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    // `withValue` knows no typed errors, so they travel inside the result.
    let outer = Self.current
    let signal = outer.map { $0 === self ? self : StopSignal(anyOf: [self, $0]) } ?? self
    return try Self.$current.withValue(signal) { () -> Swift.Result<Result, TesseraError> in
      do throws(TesseraError) {
        return .success(try work())
      } catch {
        return .failure(error)
      }
    }.get()
  }
}
