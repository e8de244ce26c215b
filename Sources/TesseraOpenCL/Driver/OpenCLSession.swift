internal import Synchronization
internal import TesseraCompute

/// A context with its memory and its programs: what is lost together.
final class OpenCLSession: Sendable {
  let context: OpenCLContext
  let arena: Arena
  private let programs = Mutex<[KernelSource: ProgramSlot]>([:])

  init(_ context: OpenCLContext, arena: Arena) {
    self.context = context
    self.arena = arena
  }

  /// Returns where the program of `source` is, or will be.
  func slot(for source: KernelSource) -> ProgramSlot {
    programs.withLock { programs in
      if let slot = programs[source] { return slot }
      let slot = ProgramSlot()
      programs[source] = slot
      return slot
    }
  }

  /// The same with nothing in it.
  func renewed() throws(TesseraError) -> OpenCLSession {
    let context = try context.renewed()
    return OpenCLSession(context, arena: arena.renewed(in: context))
  }
}

/// The session in use. One that is lost is replaced, once: a device that loses everything again
/// is not worth a third try.
struct OpenCLSessions: Sendable {
  private(set) var current: OpenCLSession
  private var wasRenewed = false

  init(_ first: OpenCLSession) { current = first }

  /// Makes sure that the session in use works.
  ///
  /// - Returns: Why the one before was replaced just now, if it was.
  /// - Throws: `.deviceFailure` if the device is given up.
  mutating func renewIfLost() throws(TesseraError) -> TesseraError? {
    guard let loss = current.context.loss else { return nil }
    guard !loss.isAbandoned else { throw loss.error }
    guard !wasRenewed else {
      throw TesseraError(
        .deviceFailure, "the device was lost again, and is given up: \(loss.error.message)",
        status: loss.error.status)
    }
    wasRenewed = true
    do throws(TesseraError) {
      current = try current.renewed()
    } catch {
      throw TesseraError(
        .deviceFailure, "the device was lost and does not come back: \(error.message)",
        status: error.status)
    }
    return loss.error
  }
}
