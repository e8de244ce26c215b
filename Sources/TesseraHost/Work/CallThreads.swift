internal import Dispatch
internal import Synchronization

/// Threads for calls that take long and would block a task: up to a fixed number run at once, and
/// the others wait in line.
///
/// They are no threads of Swift's own pool, so that tasks go on meanwhile.
package final class CallThreads: Sendable {
  /// The threads that all asynchronous calls of the process share.
  package static let shared = CallThreads(limit: 64)

  private struct State {
    /// Queues without a call; each has a thread of its own while it runs one.
    var idle: [DispatchQueue] = []
    var queueCount = 0
    var waiting: [@Sendable () -> Void] = []
    var firstWaiting = 0

    mutating func nextCall() -> (@Sendable () -> Void)? {
      guard firstWaiting < waiting.count else {
        (waiting, firstWaiting) = ([], 0)
        return nil
      }
      defer { firstWaiting += 1 }
      return waiting[firstWaiting]
    }
  }

  private let limit: Int
  private let state = Mutex(State())

  package init(limit: Int) { self.limit = max(1, limit) }

  /// Runs `call` on a thread of its own, and lets the task wait for it.
  package func run<Result: Sendable>(
    _ call: @escaping @Sendable () throws(TesseraError) -> Result
  ) async throws(TesseraError) -> Result {
    try await withCheckedContinuation { continuation in
      start {
        continuation.resume(returning: Swift.Result { () throws(TesseraError) in try call() })
      }
    }.get()
  }

  private func start(_ call: @escaping @Sendable () -> Void) {
    let queue = state.withLock { state -> DispatchQueue? in
      if let idle = state.idle.popLast() { return idle }
      guard state.queueCount < limit else {
        state.waiting.append(call)
        return nil
      }
      state.queueCount += 1
      return DispatchQueue(label: "tessera.call.\(state.queueCount)")
    }
    queue?.async { [self] in
      var next: (@Sendable () -> Void)? = call
      while let call = next {
        call()
        next = state.withLock { state in
          let next = state.nextCall()
          if next == nil, let queue { state.idle.append(queue) }
          return next
        }
      }
    }
  }
}
