import Synchronization

/// What closures were told, in order.
final class Heard<Value: Sendable>: Sendable {
  private let told = Mutex<[Value]>([])

  var values: [Value] { told.withLock { $0 } }
  func add(_ value: Value) { told.withLock { $0.append(value) } }
  func clear() { told.withLock { $0 = [] } }
}
