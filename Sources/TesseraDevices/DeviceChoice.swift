public import TesseraCompute

/// Names the device to use, as people write it: `auto`, `cpu`, `opencl`, `opencl:1`, `opencl:all`,
/// `reference`.
public enum DeviceChoice: Sendable, Hashable {
  /// The device expected to finish first; the CPU where there is no other.
  case auto
  case cpu
  /// An OpenCL device by its number; the first one if nil.
  case openCL(Int?)
  /// All OpenCL devices at once: a search's rows are shared out by how fast each was measured.
  case allOpenCL
  /// The slow, plain specification.
  case reference

  /// - Throws: `.invalidArgument` for anything but the six forms above.
  public init(_ text: String) throws(TesseraError) {
    switch text {
    case "auto": self = .auto
    case "cpu": self = .cpu
    case "opencl": self = .openCL(nil)
    case "opencl:all": self = .allOpenCL
    case "reference": self = .reference
    default:
      guard text.hasPrefix("opencl:"), let index = Int(text.dropFirst("opencl:".count)), index >= 0
      else {
        throw TesseraError(
          .invalidArgument,
          "device \"\(text)\" is unknown; choose auto, cpu, opencl, opencl:N, "
            + "opencl:all or reference")
      }
      self = .openCL(index)
    }
  }
}

extension DeviceChoice: CustomStringConvertible {
  /// The choice as people write it; `init` reads it back.
  public var description: String {
    switch self {
    case .auto: "auto"
    case .cpu: "cpu"
    case .openCL(let index): index.map { "opencl:\($0)" } ?? "opencl"
    case .allOpenCL: "opencl:all"
    case .reference: "reference"
    }
  }
}
