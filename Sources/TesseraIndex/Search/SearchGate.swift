internal import Synchronization
internal import TesseraCompute
internal import TesseraHost

/// Lets as many searches run at once as their memory allows, and always one.
final class SearchGate: Sendable {
  /// True while a caller's closure runs. What it searches must not wait for the search around it.
  @TaskLocal private static var isInCallback = false

  private struct Use {
    var bytes = 0
    var count = 0
  }

  private let use = Mutex(Use())

  /// Runs `work`, which needs `byteCount` bytes, once they are within `limit` together with what the
  /// others use.
  ///
  /// - Throws: What `StopSignal.check` throws while it waits, and what `work` throws.
  func run<Result>(
    _ byteCount: Int, of limit: Int, _ work: () throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    while !enter(byteCount, of: limit) { try Self.pause() }
    defer { leave(byteCount) }
    return try work()
  }

  private func enter(_ byteCount: Int, of limit: Int) -> Bool {
    use.withLock { use in
      guard use.count == 0 || Self.isInCallback || byteCount <= limit - use.bytes else {
        return false
      }
      use.bytes += byteCount
      use.count += 1
      return true
    }
  }

  private func leave(_ byteCount: Int) {
    use.withLock { use in
      use.bytes -= byteCount
      use.count -= 1
    }
  }

  /// Waits for a millisecond, and throws if the search should end.
  static func pause() throws(TesseraError) {
    try StopSignal.check()
    usleep(1000)
  }

  /// Returns `control` with closures that may search themselves.
  static func free(_ control: RunControl) -> RunControl {
    var free = control
    free.progress = { [progress = control.progress] step in
      $isInCallback.withValue(true) { progress(step) }
    }
    free.note = { [note = control.note] text in $isInCallback.withValue(true) { note(text) } }
    return free
  }
}
