import Synchronization
import Tessera

/// The things that C programs hold, by the numbers that stand for them.
///
/// A number is never used again, so that one which was freed, or never made, is told from all others.
enum Handles {
  private struct State {
    var things: [UInt: any CThing] = [:]
    // Small numbers are what mistakes are made of.
    var next: UInt = 0x7E55_0010
  }

  private static let state = Mutex(State())

  static var count: Int { state.withLock { $0.things.count } }

  /// Returns the handle of a new thing.
  static func add(_ thing: any CThing) -> OpaquePointer? {
    state.withLock { state in
      defer { state.next += 16 }
      state.things[state.next] = thing
      return OpaquePointer(bitPattern: state.next)
    }
  }

  /// Returns what a handle stands for.
  ///
  /// - Throws: `.invalidArgument` for NULL, a handle that was freed, and one of another kind.
  static func get<Thing: CThing>(
    _ handle: OpaquePointer?, _: Thing.Type = Thing.self
  ) throws(TesseraError) -> Thing {
    guard let handle else {
      throw TesseraError(.invalidArgument, "\(Thing.kind): the handle is NULL")
    }
    let found = state.withLock { $0.things[UInt(bitPattern: handle)] }
    guard let found else {
      throw TesseraError(
        .invalidArgument, "\(Thing.kind): the handle was freed, or was never made")
    }
    guard let thing = found as? Thing else {
      throw TesseraError(
        .invalidArgument,
        "the handle is that of a \(type(of: found).kind), expected a \(Thing.kind)")
    }
    return thing
  }

  /// Forgets a handle.
  ///
  /// - Throws: `.invalidArgument` if there is none.
  static func remove(_ handle: UnsafeMutableRawPointer) throws(TesseraError) {
    // What it stood for ends outside of the lock, for it may call the caller.
    let thing = state.withLock { $0.things.removeValue(forKey: UInt(bitPattern: handle)) }
    guard thing != nil else {
      throw TesseraError(.invalidArgument, "free: the handle was freed before, or was never made")
    }
  }
}

/// A thing that C programs have handles of.
protocol CThing: AnyObject, Sendable {
  /// The name of the kind in messages.
  static var kind: String { get }
}

extension UnsafeMutablePointer where Pointee == OpaquePointer? {
  /// Puts the handle of a new thing where the caller wants it.
  func receive(_ thing: any CThing) { pointee = Handles.add(thing) }
}
