/// A place where vectors live and vector work runs: its memory, and a page for each family of work.
///
/// Calls return when their result can be read by later calls on the same device; `download` and
/// `synchronize` wait for it. A device may be used from several threads, but two calls that touch
/// the same memory, one of them writing, must not overlap. Every operation checks its shapes first
/// and throws `.invalidShape` before any work is queued.
///
/// A device that has no version of its own for an operation gets one that brings the inputs to the
/// host, lets the reference device work, and takes the results back. It is correct everywhere and fast
/// nowhere, so `info.accelerated` does not list such an operation.
public protocol Device: DeviceMemory, SearchOperations, CodeOperations, MatrixOperations,
  TensorOperations
{
  /// Name, memory, limits, variant in use and which operations are native.
  var info: DeviceInfo { get }

  /// The failures of the device that were overcome so far, as messages for people.
  var faults: [TesseraError] { get }
}

extension Device {
  /// Empty: a device that overcomes no failures has none to report.
  public var faults: [TesseraError] { [] }
}
