import COpenCL
import Foundation
import TesseraCompute
import TesseraHost
import Testing

@testable import TesseraOpenCL

/// The devices under test: every OpenCL device found, once with each body.
struct Subject: Sendable, CustomTestStringConvertible {
  let device: OpenCLDevice

  var testDescription: String { "\(device.info.identifier) \(device.info.variant)" }

  static let all: [Subject] = KernelBody.allCases.flatMap { body in
    var options = Self.options
    options.body = body
    return OpenCLDevice.all(options).devices.map { Subject(device: $0) }
  }

  /// The defaults, with a program cache where `TESSERA_TEST_PROGRAMS` names a folder: for drivers
  /// that keep no programs themselves.
  static var options: OpenCLOptions {
    var options = OpenCLOptions()
    options.cacheDirectory = Environment["TESSERA_TEST_PROGRAMS"]
    return options
  }
}

/// The first driver's entry points, for entry points that cannot capture them.
struct RealDriver: @unchecked Sendable {
  // Safe: entry points never change.
  let api: copencl_api
}
let real = Discovery.platforms(nil).platforms.first.map { RealDriver(api: $0.library.api) }

/// A folder that is removed with the test.
final class Folder {
  let path = NSTemporaryDirectory() + "tessera-cache-\(UUID().uuidString)"
  deinit { try? FileManager.default.removeItem(atPath: path) }
  var files: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
      .map { path + "/" + $0 }
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
