internal import Synchronization

/// Ends a long call from outside: by hand, by a deadline, or because its task was cancelled.
///
/// Work looks at the signal every few milliseconds and then throws `.cancelled`, or
/// `.deadlineExceeded`. One signal may serve several calls; once raised it stays raised.
public final class StopSignal: Sendable {
  /// The moment from which the signal counts as raised; nil is never.
  public let deadline: ContinuousClock.Instant?
  private let raised = Atomic(false)
  /// A signal that raises this one too.
  private let parent: StopSignal?

  /// The signal of the call that is under way in this task; worker threads get it from there.
  @TaskLocal package static var current: StopSignal?

  /// Makes a signal that is not raised before `deadline`.
  public init(deadline: ContinuousClock.Instant? = nil) {
    self.deadline = deadline
    parent = nil
  }

  /// Makes a signal that is raised by itself, or together with `parent`.
  package init(under parent: StopSignal?) {
    deadline = nil
    self.parent = parent
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
    if let parent { try parent.check() }
  }

  /// Throws if the call that is under way in this task should end.
  ///
  /// - Throws: As ``check()``; `.cancelled` in a cancelled task without a signal too.
  package static func check() throws(TesseraError) {
    if let current { return try current.check() }
    if Task.isCancelled { throw TesseraError(.cancelled, "the work was cancelled") }
  }

  /// Runs `work`, whose calls of ``check()-swift.type.method`` then look at this signal.
  package func govern<Result>(
    _ work: () throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    // `withValue` knows no typed errors, so they travel inside the result.
    try Self.$current.withValue(self) { () -> Swift.Result<Result, TesseraError> in
      do throws(TesseraError) {
        return .success(try work())
      } catch {
        return .failure(error)
      }
    }.get()
  }
}
