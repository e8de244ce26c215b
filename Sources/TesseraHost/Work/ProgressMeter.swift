internal import Synchronization

/// Tells a caller how far a call is while one of its steps is still under way.
///
/// Work that takes long adds what it has done, from any of its threads. The caller hears of it on
/// its own thread and no more than every tenth of a second; short work tells nothing.
package final class ProgressMeter: Sendable {
  /// The meter of the step that is under way in this task; worker threads get it from there.
  @TaskLocal package static var current: ProgressMeter?

  /// Shares of the step, in units of 2^-32, so that threads can add to them.
  private let done = Atomic<UInt64>(0)
  private let last = Mutex((told: ContinuousClock.now, share: 0.0))
  private let thread = pthread_self()
  private let tell: @Sendable (Double) -> Void

  /// - Parameter tell: Hears the share of the step that is done, more than the last time and less
  ///   than 1, on the thread that makes the meter.
  package init(_ tell: @escaping @Sendable (Double) -> Void) { self.tell = tell }

  /// Adds `share` of the whole step to what is done.
  package func advance(by share: Double) {
    let units = UInt64(max(0, min(share, 1)) * 0x1p32)
    let sum = done.wrappingAdd(units, ordering: .relaxed).newValue
    guard pthread_equal(thread, pthread_self()) != 0 else { return }
    // Work that is done twice, because a guess was wrong, must not go past the end.
    let share = min(Double(sum) * 0x1p-32, 0.999)
    let isDue = last.withLock { last in
      let now = ContinuousClock.now
      guard share > last.share, now - last.told >= .milliseconds(100) else { return false }
      last = (now, share)
      return true
    }
    if isDue { tell(share) }
  }

  /// Runs `work`, which then finds this meter as the current one.
  package func measure<Result>(
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

extension ContinuousClock.Instant {
  /// Seconds from this instant until now.
  package var secondsAgo: Double { duration(to: .now) / .seconds(1) }
}
