/// An array of numbers in host memory with its shape: what files of codebooks are made of.
///
/// Numbers are stored row-major and little-endian, as every platform Swift runs on has them.
public struct StoredArray: Sendable, Hashable {
  /// The type of the numbers.
  public enum Scalar: Sendable, Hashable, CaseIterable {
    case float32, float64, float16, bfloat16, int8, uint8, int32, int64

    /// Bytes of one number.
    public var byteCount: Int {
      switch self {
      case .int8, .uint8: 1
      case .float16, .bfloat16: 2
      case .float32, .int32: 4
      case .float64, .int64: 8
      }
    }
  }

  /// The type of every number.
  public let scalar: Scalar
  /// The length of each side, the outermost first; empty for a single number.
  public let shape: [Int]
  /// The numbers, row-major and little-endian.
  public let bytes: [UInt8]

  /// - Throws: `.invalidShape` unless `bytes` holds as many numbers as `shape` says.
  public init(_ scalar: Scalar, shape: [Int], bytes: [UInt8]) throws(TesseraError) {
    guard let count = Self.byteCount(of: shape, scalar), count == bytes.count else {
      throw TesseraError(
        .invalidShape, "tensor: \(bytes.count) bytes are not \(shape) numbers of type \(scalar)")
    }
    self.scalar = scalar
    self.shape = shape
    self.bytes = bytes
  }

  /// - Throws: `.invalidShape` unless `values` holds as many numbers as `shape` says.
  public init<Number: StoredNumber>(_ values: [Number], shape: [Int]) throws(TesseraError) {
    try self.init(Number.scalar, shape: shape, bytes: values.withUnsafeBytes(Array.init))
  }

  /// The numbers, row-major.
  ///
  /// - Throws: `.malformedFile` if they are of another type.
  public func values<Number: StoredNumber>(_: Number.Type) throws(TesseraError) -> [Number] {
    guard scalar == Number.scalar else {
      throw TesseraError(
        .malformedFile, "a tensor holds \(scalar) where \(Number.scalar) is expected")
    }
    return bytes.withUnsafeBytes { bytes in
      [Number](unsafeUninitializedCapacity: bytes.count / scalar.byteCount) { target, count in
        UnsafeMutableRawBufferPointer(target).copyMemory(from: bytes)
        count = bytes.count / scalar.byteCount
      }
    }
  }

  /// Returns the bytes of numbers of this shape, or nil where there is no such array.
  package static func byteCount(of shape: [Int], _ scalar: Scalar) -> Int? {
    var count = scalar.byteCount
    for side in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: side)
      guard side >= 0, !overflow else { return nil }
      count = product
    }
    return count
  }
}

/// A number that a ``StoredArray`` can hold.
public protocol StoredNumber: BitwiseCopyable, Sendable {
  /// The scalar type that stores this Swift type.
  static var scalar: StoredArray.Scalar { get }
}

extension Float: StoredNumber {
  /// `.float32`.
  public static var scalar: StoredArray.Scalar { .float32 }
}
extension Double: StoredNumber {
  /// `.float64`.
  public static var scalar: StoredArray.Scalar { .float64 }
}
extension Int8: StoredNumber {
  /// `.int8`.
  public static var scalar: StoredArray.Scalar { .int8 }
}
extension UInt8: StoredNumber {
  /// `.uint8`.
  public static var scalar: StoredArray.Scalar { .uint8 }
}
extension Int32: StoredNumber {
  /// `.int32`.
  public static var scalar: StoredArray.Scalar { .int32 }
}
extension Int64: StoredNumber {
  /// `.int64`.
  public static var scalar: StoredArray.Scalar { .int64 }
}
