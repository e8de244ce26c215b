internal import Synchronization
internal import TesseraCompute
internal import TesseraHost

/// Lets one task at a time do something, in the order they come. Tasks wait without a thread, and stop
/// waiting when they are cancelled.
final class Turns: Sendable {
  private struct State {
    var isTaken = false
    var waiting: [(number: Int, continuation: CheckedContinuation<Bool, Never>)] = []
    var next = 0
  }

  private let state = Mutex(State())

  /// Runs `work` on a thread beside Swift's own when its turn has come. A stop signal is looked at from
  /// then on, the task's cancellation before too.
  ///
  /// - Throws: `.cancelled`, and what `work` throws.
  func run<Value: Sendable>(
    _ control: RunControl, _ work: @escaping @Sendable (RunControl) throws(TesseraError) -> Value
  ) async throws(TesseraError) -> Value {
    guard await take() else { throw TesseraError(.cancelled, "the work was cancelled") }
    defer { give() }
    return try await control.offThread(work)
  }

  /// Waits for the turn; returns false if the task was cancelled before it came.
  private func take() async -> Bool {
    let number = state.withLock { state in
      state.next += 1
      return state.next
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> Bool? in
          // Whoever cancels after this line finds the continuation in the line.
          if Task.isCancelled { return false }
          guard state.isTaken else {
            state.isTaken = true
            return true
          }
          state.waiting.append((number, continuation))
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      let left = state.withLock { state in
        state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0) }
      }
      left?.continuation.resume(returning: false)
    }
  }

  private func give() {
    let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      guard !state.waiting.isEmpty else {
        state.isTaken = false
        return nil
      }
      return state.waiting.removeFirst().continuation
    }
    next?.resume(returning: true)
  }
}
