/// Names the type that the numbers of a vector are stored in. Every value is widened to Float32
/// exactly before use.
///
/// The raw value is shared with the C and OpenCL kernels.
public enum ElementType: Int32, Sendable, Hashable, CaseIterable {
  case float32 = 0
  case float16 = 1
  case bfloat16 = 2
  case int8 = 3
  case uint8 = 4

  /// Bytes of one stored number.
  public var byteCount: Int {
    switch self {
    case .float32: 4
    case .float16, .bfloat16: 2
    case .int8, .uint8: 1
    }
  }

  /// True if stored values can be NaN or infinite.
  public var isFloatingPoint: Bool {
    switch self {
    case .float32, .float16, .bfloat16: true
    case .int8, .uint8: false
    }
  }
}

/// A number that can fill a ``Matrix``.
public protocol DeviceScalar: BitwiseCopyable, Sendable {}

extension Float: DeviceScalar {}
extension Double: DeviceScalar {}
extension Int32: DeviceScalar {}
extension UInt8: DeviceScalar {}
