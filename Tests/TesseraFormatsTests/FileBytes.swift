import TesseraCompute
import Testing

/// The little-endian bytes of integers and floats, to build files by hand.
func bytes<Value: BitwiseCopyable>(_ values: Value...) -> [UInt8] { bytes(of: values) }

func bytes<Value: BitwiseCopyable>(of values: [Value]) -> [UInt8] {
  values.withUnsafeBytes { Array($0) }
}

/// An .npy file with this header text and data, padded as NumPy pads it.
func npy(_ header: String, _ data: [UInt8], major: UInt8 = 1) -> [UInt8] {
  let start = major == 1 ? 10 : 12
  let text = Array(header.utf8)
  let padding = (64 - (start + text.count + 1) % 64) % 64
  let length = text.count + padding + 1
  let lengthBytes = major == 1 ? bytes(UInt16(length)) : bytes(UInt32(length))
  return [0x93] + Array("NUMPY".utf8) + [major, 0] + lengthBytes + text
    + Array(repeating: 0x20, count: padding) + [0x0A] + data
}

/// An .npy file of an array of this type and shape.
func npy(_ descr: String, shape: String, _ data: [UInt8]) -> [UInt8] {
  npy("{'descr': \(descr), 'fortran_order': False, 'shape': \(shape), }", data)
}

/// Numbers that look random and are the same every time.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// One file format with one element type, and numbers that type holds exactly.
struct Subject: Sendable, CustomTestStringConvertible {
  let ending: String
  let element: ElementType
  var testDescription: String { "\(ending) \(element)" }

  static let all: [Subject] = [
    Subject(ending: "npy", element: .float32), Subject(ending: "npy", element: .float16),
    Subject(ending: "npy", element: .int8), Subject(ending: "npy", element: .uint8),
    Subject(ending: "fvecs", element: .float32), Subject(ending: "bvecs", element: .uint8),
    Subject(ending: "fbin", element: .float32), Subject(ending: "f16bin", element: .float16),
    Subject(ending: "u8bin", element: .uint8), Subject(ending: "i8bin", element: .int8),
  ]

  func values(_ count: Int, seed: UInt64 = 7) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      switch element {
      case .float32, .bfloat16: Float.random(in: -1000...1000, using: &generator)
      case .float16: Float(Float16.random(in: -1000...1000, using: &generator))
      case .int8: Float(Int8.random(in: .min ... .max, using: &generator))
      case .uint8: Float(UInt8.random(in: .min ... .max, using: &generator))
      }
    }
  }

  /// `values` in memory, in this element type.
  func vectors(_ values: [Float], dimension: Int) throws -> Vectors {
    let memory =
      switch element {
      case .float32: HostMemory(copying: values)
      case .float16: HostMemory(copying: values.map { Float16($0).bitPattern })
      case .bfloat16: HostMemory(copying: values.map { UInt16($0.bitPattern >> 16) })
      case .int8: HostMemory(copying: values.map { Int8($0) })
      case .uint8: HostMemory(copying: values.map { UInt8($0) })
      }
    return try Vectors(
      memory, element: element, count: values.count / dimension, dimension: dimension)
  }
}
