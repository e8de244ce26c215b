/// Chooses how a ``ScalarQuantizer`` stores one number.
public enum ScalarKind: String, Sendable, Hashable, CaseIterable {
  /// One of 2^bits levels between the least and the greatest number of the dimension in training.
  case bits8 = "SQ8"
  case bits6 = "SQ6"
  case bits4 = "SQ4"
  /// IEEE binary16, to nearest even; numbers beyond its range become its greatest.
  case float16 = "SQfp16"
  /// The upper half of a Float32, to nearest even.
  case bfloat16 = "SQbf16"

  var bits: Int {
    switch self {
    case .bits8: 8
    case .bits6: 6
    case .bits4: 4
    case .float16, .bfloat16: 16
    }
  }

  /// True if numbers are levels of a trained range.
  var isTrained: Bool { bits < 16 }
}
