import TesseraCompute
import Testing

@testable import TesseraOpenCL

/// The devices under test: every OpenCL device found, once with each body.
struct Subject: Sendable, CustomTestStringConvertible {
  let device: OpenCLDevice

  var testDescription: String { "\(device.info.identifier) \(device.info.variant)" }

  static let all: [Subject] = KernelBody.allCases.flatMap { body in
    var options = OpenCLOptions()
    options.body = body
    return OpenCLDevice.all(options).devices.map { Subject(device: $0) }
  }
}

/// Numbers that repeat for a seed (SplitMix64).
struct Numbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1...1, using: &self) }
  }
}

/// Returns the bits of numbers, so that NaN equals itself and -0 differs from 0.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
