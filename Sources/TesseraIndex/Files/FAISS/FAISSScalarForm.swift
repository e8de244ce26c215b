internal import TesseraQuantization

/// The types of scalar quantizers that are read and written, by FAISS's numbers.
enum FAISSScalarForm: Int32 {
  case bits8 = 0
  case bits4 = 1
  case uniform8 = 2
  case uniform4 = 3
  case float16 = 4
  /// Numbers that are whole, from 0 to 255.
  case direct8 = 5
  case bits6 = 6
  case bfloat16 = 7

  init?(_ type: Int32) { self.init(rawValue: type) }

  init(_ kind: ScalarKind) {
    self =
      switch kind {
      case .bits8: .bits8
      case .bits6: .bits6
      case .bits4: .bits4
      case .float16: .float16
      case .bfloat16: .bfloat16
      }
  }

  var bits: Int {
    switch self {
    case .bits8, .uniform8, .direct8: 8
    case .bits6: 6
    case .bits4, .uniform4: 4
    case .float16, .bfloat16: 16
    }
  }

  /// Tessera's kind of the same levels; nil for numbers that are rows as they are.
  var kind: ScalarKind? {
    switch self {
    case .bits8, .uniform8: .bits8
    case .bits6: .bits6
    case .bits4, .uniform4: .bits4
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .direct8: nil
    }
  }

  /// The trained numbers that a file has: minimums and ranges.
  func trainedCount(_ dimension: Int) -> Int {
    switch self {
    case .bits8, .bits6, .bits4: 2 * dimension
    case .uniform8, .uniform4: 2
    case .float16, .bfloat16, .direct8: 0
    }
  }
}
