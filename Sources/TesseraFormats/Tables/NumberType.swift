import TesseraCompute

#if _endian(big)
  #error("files are little-endian and used as they are mapped: a big-endian host needs copies")
#endif

/// Names the type that a number is stored as in a file.
enum NumberType: Sendable, Hashable, CaseIterable {
  case float32, float16, int8, uint8, int32, int64

  var byteCount: Int {
    switch self {
    case .int8, .uint8: 1
    case .float16: 2
    case .float32, .int32: 4
    case .int64: 8
    }
  }

  var name: String {
    switch self {
    case .float32: "float32"
    case .float16: "float16"
    case .int8: "int8"
    case .uint8: "uint8"
    case .int32: "int32"
    case .int64: "int64"
    }
  }

  /// NumPy's kind letter and size, without the byte order.
  var numpyCode: String {
    switch self {
    case .float32: "f4"
    case .float16: "f2"
    case .int8: "i1"
    case .uint8: "u1"
    case .int32: "i4"
    case .int64: "i8"
    }
  }

  /// The vectors' name for the same storage; nil for the types only ids have.
  var element: ElementType? {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .int8: .int8
    case .uint8: .uint8
    case .int32, .int64: nil
    }
  }

  /// Tells whether this type has every number that `element` has.
  func holds(_ element: ElementType) -> Bool {
    switch (self, element) {
    case (.float32, _), (.float16, .float16), (.float16, .int8), (.float16, .uint8),
      (.int8, .int8), (.uint8, .uint8):
      true
    default: false
    }
  }

  /// Nil for bfloat16, which no vector file format has.
  init?(_ element: ElementType) {
    switch element {
    case .float32: self = .float32
    case .float16: self = .float16
    case .int8: self = .int8
    case .uint8: self = .uint8
    case .bfloat16: return nil
    }
  }
}
