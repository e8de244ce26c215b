/// Chooses what to do with a number that a file's type does not have.
public enum Rounding: Sendable, Hashable {
  /// Refuse it: what is read back is what was written.
  case exact
  /// Store the nearest value there is, ties to even. A number beyond the type's range is still
  /// refused.
  case nearest
}

extension NumberType {
  /// Appends `values` to `bytes` as they are stored, up to the first that cannot be.
  ///
  /// - Returns: The position of that value; nil if all are stored.
  func encode(_ values: Span<Float>, _ rounding: Rounding, onto bytes: inout [UInt8]) -> Int? {
    switch self {
    case .float32:
      unsafe values.bytes.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
      return nil
    case .float16:
      return Self.encode(values, onto: &bytes) { value in
        let half = Float16(value)
        let isKept = rounding == .exact ? Float(half) == value : half.isFinite
        return isKept || !value.isFinite ? half.bitPattern : nil
      }
    case .int8: return Self.encode(values, onto: &bytes) { Int8(exactly: rounding.apply(to: $0)) }
    case .uint8: return Self.encode(values, onto: &bytes) { UInt8(exactly: rounding.apply(to: $0)) }
    case .int32: return Self.encode(values, onto: &bytes) { Int32(exactly: rounding.apply(to: $0)) }
    case .int64: return Self.encode(values, onto: &bytes) { Int64(exactly: rounding.apply(to: $0)) }
    }
  }

  private static func encode<Stored: FixedWidthInteger>(
    _ values: Span<Float>, onto bytes: inout [UInt8], _ store: (Float) -> Stored?
  ) -> Int? {
    for index in values.indices {
      guard let stored = store(values[index]) else { return index }
      unsafe Swift.withUnsafeBytes(of: stored.littleEndian) { unsafe bytes.append(contentsOf: $0) }
    }
    return nil
  }
}

extension Rounding {
  fileprivate func apply(to value: Float) -> Float {
    self == .exact ? value : value.rounded(.toNearestOrEven)
  }
}
