internal import Dispatch
internal import Synchronization
import TesseraCompute

extension Device {
  /// Threads for work that only the host can do: as many as a CPU device was given.
  private var hostThreads: Int { info.kind == .cpu ? max(1, info.computeUnits) : 1 }

  /// Runs `work` on the host for contiguous ranges that cover `0..<count`. What it computes for a
  /// row must not depend on the range.
  func forEachRange(of count: Int, _ work: @Sendable (Range<Int>) -> Void) {
    let pieces = hostThreads == 1 ? 1 : max(1, min(4 * hostThreads, count / 64))
    guard pieces > 1 else { return work(0..<count) }
    let next = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: min(hostThreads, pieces)) { _ in
      while true {
        let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard piece < pieces else { return }
        work(count * piece / pieces..<count * (piece + 1) / pieces)
      }
    }
  }
}

/// Host memory that several threads fill, each its own rows.
///
/// Safe: whoever uses it gives every thread rows of its own, and keeps the array alive.
struct SharedRows<Element>: @unchecked Sendable {
  let start: UnsafeMutablePointer<Element>
}
