/// Host memory that lives as long as the call that uses it.
///
/// Safe to share: the thread that waits for the call touches it only before and after that.
final class Staging: @unchecked Sendable {
  let start: UnsafeMutableRawPointer

  init(_ byteCount: Int) { start = .allocate(byteCount: byteCount, alignment: 64) }

  deinit { start.deallocate() }
}
