/// Chooses the numbers that the filter of a search computes in. Results do not depend on it:
/// whatever may be among the k best is scored again in full.
public enum SearchFilter: String, Sendable, Hashable, CaseIterable {
  /// The numbers as they are.
  case float32
  /// Halves, each row scaled by a power of two: half the memory to go through, and matrix units.
  case float16
  /// Signed bytes, each row with a scale of its own: a quarter of the memory. More rows pass.
  case int8

  /// Bytes of one number.
  var numberBytes: Int {
    switch self {
    case .float32: 4
    case .float16: 2
    case .int8: 1
    }
  }

  /// Dimensions for which rounded numbers prove something: sums of bytes stay within 32 bits, and the
  /// error of a matrix unit's sums is small. (`Kernels/cl/search/search_common.cl`)
  static let roundedDimensions = 1...65_536
  /// Dimensions from which on rounding pays by itself: lines of rounded rows are whole multiples of
  /// 64 bytes.
  static let worthwhileDimensions = 32...65_536
}

/// Rows or queries rounded to halves or bytes: panels of 32 lines, 64 bytes of each at a time.
/// `Kernels/cl/search/search_round.cl` has the layout.
struct RoundedLayout {
  static let panelLines = 32
  /// A panel's first bytes in units of 16, as kernels count them.
  static let pieceBytes = 16

  let filter: SearchFilter
  let dimension: Int

  var panelBytes: Int {
    Self.panelLines * ((dimension * filter.numberBytes + 63) / 64) * 64
  }

  var panelPieces: Int { panelBytes / Self.pieceBytes }

  static func panelCount(_ lineCount: Int) -> Int { (lineCount + panelLines - 1) / panelLines }
}
