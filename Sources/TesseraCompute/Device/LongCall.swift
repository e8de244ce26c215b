internal import Synchronization
internal import TesseraHost

/// A call that takes long, on a thread of its own: a task hears of its progress, waits for its result,
/// and may end it.
///
///     let call = LongCall { control throws(TesseraError) in
///       try KMeans(options).cluster(points, on: device, control: control)
///     }
///     for await step in call.progress { print(step.stage, step.done) }
///     let clusters = try await call.value
///
/// The work begins at once, beside Swift's pool of threads, so that tasks go on meanwhile; at most 64
/// such calls of a process run at once, and the others wait in line. It hands on the control it is given:
/// what does not take a control cannot be ended and tells no progress.
public struct LongCall<Value: Sendable>: Sendable {
  /// The steps of the call, of which a slow listener misses some but never the last, until the call has
  /// ended. One task may go through them, once.
  public let progress: AsyncStream<RunControl.Progress>
  private let task: Task<Result<Value, TesseraError>, Never>

  /// Starts `work`.
  ///
  /// - Parameter control: Is asked and told what the call is: its signal ends the call too, its closures
  ///   run on the call's thread, and its fallback is the work's.
  public init(
    _ control: RunControl = RunControl(),
    _ work: @escaping @Sendable (RunControl) throws(TesseraError) -> Value
  ) {
    let (steps, listener) = AsyncStream.makeStream(
      of: RunControl.Progress.self, bufferingPolicy: .bufferingNewest(1))
    var told = control
    told.progress = { [tell = control.progress] step in
      tell(step)
      listener.yield(step)
    }
    let watched = told
    progress = steps
    task = Task {
      defer { listener.finish() }
      do throws(TesseraError) {
        return .success(try await watched.offThread(work))
      } catch {
        return .failure(error)
      }
    }
  }

  /// What the call returns, when it does. Cancelling the task that waits ends the call.
  ///
  /// - Throws: What the work throws; `.cancelled` within a tenth of a second after the call, or the task
  ///   that waits for it, was cancelled, as far as the work's own calls promise that.
  public var value: Value {
    get async throws(TesseraError) {
      let task = task
      return try await withTaskCancellationHandler {
        await task.value
      } onCancel: {
        task.cancel()
      }.get()
    }
  }

  /// Ends the call. May be called from any thread, more than once.
  public func cancel() { task.cancel() }
}

extension RunControl {
  /// Runs `work` on a thread beside Swift's pool of threads, and lets the task wait for it. The control
  /// that `work` gets is this one, ended by the task's cancellation too.
  ///
  /// - Throws: What `work` throws.
  package func offThread<Value: Sendable>(
    _ work: @escaping @Sendable (RunControl) throws(TesseraError) -> Value
  ) async throws(TesseraError) -> Value {
    let signal = StopSignal(under: stop)
    var governed = self
    governed.stop = signal
    let inner = governed
    let held = HeldWork(work)
    return try await withTaskCancellationHandler { () async -> Result<Value, TesseraError> in
      do throws(TesseraError) {
        return .success(
          try await CallThreads.shared.run { () throws(TesseraError) in
            let work = held.take()
            try signal.check()
            return try work(inner)
          })
      } catch {
        return .failure(error)
      }
    } onCancel: {
      signal.raise()
    }.get()
  }
}

/// Holds work until it is taken, so that what it holds on to, an open file maybe, is let go before the
/// task that waits goes on, and not when the thread gets to it.
private final class HeldWork<Value: Sendable>: Sendable {
  typealias Work = @Sendable (RunControl) throws(TesseraError) -> Value
  private let work: Mutex<Work?>

  init(_ work: @escaping Work) { self.work = Mutex(work) }

  func take() -> Work {
    guard
      let taken = work.withLock({ work in
        defer { work = nil }
        return work
      })
    else { preconditionFailure("work is taken once") }
    return taken
  }
}
