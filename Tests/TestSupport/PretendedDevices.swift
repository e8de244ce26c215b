internal import Synchronization
public import TesseraCompute

/// A device of a test whose memory is the reference device's, so that the test writes only what is
/// its own: an `info`, and the operations it changes.
public protocol ReferenceMemory: Device {}

extension ReferenceMemory {
  /// Takes host memory.
  public func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    try ReferenceDevice.shared.allocate(byteCount: byteCount)
  }

  /// Copies to host memory.
  public func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    try ReferenceDevice.shared.upload(source, to: target, at: byteOffset)
  }

  /// Copies from host memory.
  public func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try ReferenceDevice.shared.download(source, at: byteOffset, to: target)
  }
}

/// A device of a test that has no memory: whoever asks it for some gets ``absence``.
public protocol NoMemory: Device {
  /// The error that is thrown for everything that needs memory.
  var absence: TesseraError { get }
}

extension NoMemory {
  /// An error that no code of ours repeats.
  public var absence: TesseraError { TesseraError(.unsupported, "there is no memory here") }

  /// Throws ``absence``.
  public func allocate(byteCount: Int) throws(TesseraError) -> Storage { throw absence }

  /// Throws ``absence``.
  public func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) { throw absence }

  /// Throws ``absence``.
  public func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) { throw absence }
}

/// What closures were told, in order.
public final class Heard<Value: Sendable>: Sendable {
  private let told = Mutex<[Value]>([])

  /// Makes a list to which nothing was said yet.
  public init() {}

  /// Everything so far.
  public var values: [Value] { told.withLock { $0 } }

  /// Adds what a closure was told.
  public func add(_ value: Value) { told.withLock { $0.append(value) } }

  /// Forgets everything.
  public func clear() { told.withLock { $0 = [] } }
}
