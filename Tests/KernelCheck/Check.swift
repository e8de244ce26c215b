import TesseraCompute
import TesseraOpenCL

/// One thing that a device must do as the reference does.
struct Check: Sendable {
  let name: String
  /// Throws what went wrong, or returns what differs; nil is success.
  let run: @Sendable (OpenCLDevice) throws -> String?

  /// A check that `body` gives equal results on the device and on the reference.
  init<Result: Equatable & SendableMetatype>(
    _ name: String, _ body: @escaping @Sendable (any Device) throws -> Result
  ) {
    self.name = name
    run = { device in
      let got = try body(device)
      let want = try body(ReferenceDevice.shared)
      return got == want ? nil : "got \(got), expected \(want)"
    }
  }
}

/// Numbers in -1...1 that look random and are the same each time, in steps so coarse that sums of
/// products of them are exact.
func numbers(_ count: Int, seed: Int) -> [Float] {
  var state = UInt32(truncatingIfNeeded: seed &* 2_654_435_761 &+ 1)
  return (0..<count).map { _ in
    state = state &* 1_664_525 &+ 1_013_904_223
    return Float(Int(state >> 24) - 128) / 128
  }
}
