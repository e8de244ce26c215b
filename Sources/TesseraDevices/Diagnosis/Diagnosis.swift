import TesseraCPU
import TesseraCompute
internal import TesseraHost

extension Devices {
  /// Looks at everything this machine's devices depend on: processor, threads, memory, OpenCL
  /// libraries and drivers, GPUs without a driver, the cache folder.
  ///
  /// Reads and probes only; the cache folder is made if it is not there.
  public static func diagnose() -> [Finding] {
    let (devices, problems) = all()
    return processor(devices, problems) + memory() + openCLLibrary()
      + OpenCLDrivers(refusals: DriverGate.pass().refusals).findings()
      + openCLDevices(devices, problems) + GraphicsHardware().findings(devices) + cache()
      + speeds(devices)
  }

  private static func processor(
    _ devices: [any Device], _ problems: [TesseraError]
  ) -> [Finding] {
    guard let cpu = devices.first(where: { $0.info.kind == .cpu && $0.info.identifier == "cpu" })
    else {
      return [
        .missing(
          "cpu", problems.first?.message ?? "the CPU device does not start",
          remedy: "unset TESSERA_CPU TESSERA_THREADS")
      ]
    }
    let choices = CPUDevice.variants
    let used = "\(cpu.info.name), \(cpu.info.variant) of \(choices.joined(separator: ", "))"
    let threads = cpu.info.computeUnits
    let cores = HostLimits.current.cores
    return [
      cpu.info.variant == choices.last
        ? .ok("cpu", used)
        : .odd("cpu", "\(used): not the fastest", remedy: "unset TESSERA_CPU"),
      threads <= cores
        ? .ok("threads", "\(threads) on \(cores) cores")
        : .odd(
          "threads", "\(threads) on \(cores) cores: they will wait for one another",
          remedy: "export TESSERA_THREADS=\(cores)"),
    ]
  }

  private static func memory() -> [Finding] {
    let (total, free) = (HostLimits.current.memoryBytes, HostLimits.current.availableBytes)
    let detail = "\(free >> 20) MiB of \(total >> 20) MiB available"
    return [
      free >= 1 << 30
        ? .ok("memory", detail)
        : .odd("memory", detail, remedy: "close other programs, or give --memory a small size")
    ]
  }

  private static func openCLDevices(
    _ devices: [any Device], _ problems: [TesseraError]
  ) -> [Finding] {
    let found = devices.filter { $0.info.identifier.hasPrefix("opencl:") }
      .map { device -> Finding in
        let info = device.info
        let host = Set(DeviceOperation.allCases).subtracting(info.accelerated).map(\.rawValue)
          .sorted()
        return .ok(
          info.identifier,
          "\(info.name), \(Devices.platformName(of: device)), driver \(info.driver), "
            + info.variant + Devices.bodyNote(of: device)
            + (host.isEmpty ? "" : "; leaves to the host: \(host.joined(separator: ", "))"))
      }
    // These say themselves what to do.
    let failed = problems.filter { $0.code != .unsupported }
      .map { Finding(subject: "opencl devices", state: .missing, detail: "\($0)", remedy: nil) }
    return found + failed
  }

  /// Tells of speeds that were measured long ago, or on a machine that was busy.
  private static func speeds(_ devices: [any Device]) -> [Finding] {
    devices.compactMap { device in
      guard let record = ProfileStore.user.record(for: device.info), record.speeds != nil,
        let objection = record.objectionToSpeeds()
      else { return nil }
      return .odd(
        "speeds", "\(device.info.identifier): \(objection), so auto may choose wrongly",
        remedy: "tessera devices --measure")
    }
  }

  private static func cache() -> [Finding] {
    guard let path = CacheFolder.path() else {
      return [
        .odd(
          "cache",
          "no folder: HOME is not set, so programs are built and devices measured each time",
          remedy: "export TESSERA_CACHE=/var/tmp/tessera")
      ]
    }
    if let objection = CacheFolder.objection(to: path) {
      return [Finding(subject: "cache", state: .odd, detail: objection.message, remedy: nil)]
    }
    CacheFolder.create(path)
    guard SystemFile.isWritable(path) else {
      return [
        .odd(
          "cache", "\(path) is not writable: programs are built and devices measured each time",
          remedy: "mkdir -p '\(path)' && chmod u+rwx '\(path)', or export TESSERA_CACHE")
      ]
    }
    if let problem = ProfileStore.user.problem {
      return [.odd("cache", problem.message, remedy: "rm '\(path)/devices.json'")]
    }
    let files = SystemFile.names(in: path)
    let programs = files.count { $0.hasPrefix("opencl-") && $0.hasSuffix(".bin") }
    let measured = files.contains("devices.json") ? "devices measured" : "no device measured yet"
    return [.ok("cache", "\(path): \(programs) OpenCL programs, \(measured)")]
  }
}

/// One thing a check of this machine found.
public struct Finding: Sendable, Hashable {
  /// The result of one check.
  public enum State: String, Sendable, Hashable {
    case ok
    /// Works, but not as well as it could.
    case odd
    /// Not there or not usable; something cannot be done without it.
    case missing
  }

  /// The thing that was looked at.
  public let subject: String
  /// The result.
  public let state: State
  /// The details of what was found.
  public let detail: String
  /// The remedy: a command where there is one. Nil if nothing is wrong, or `detail` says it.
  public let remedy: String?

  static func ok(_ subject: String, _ detail: String) -> Finding {
    Finding(subject: subject, state: .ok, detail: detail, remedy: nil)
  }

  static func odd(_ subject: String, _ detail: String, remedy: String) -> Finding {
    Finding(subject: subject, state: .odd, detail: detail, remedy: remedy)
  }

  static func missing(_ subject: String, _ detail: String, remedy: String) -> Finding {
    Finding(subject: subject, state: .missing, detail: detail, remedy: remedy)
  }
}

/// GPUs the kernel shows, whether OpenCL does or not.
struct GraphicsHardware {
  var root = "/dev"

  func findings(_ devices: [any Device]) -> [Finding] {
    let vendors = devices.filter { $0.info.kind == .gpu }.map { $0.info.vendor.lowercased() }
    var findings: [Finding] = []
    func expect(_ vendor: String, _ nodes: [String], _ remedy: String) {
      guard !nodes.isEmpty, !vendors.contains(where: { $0.contains(vendor) }) else { return }
      let closed = nodes.filter { unsafe access($0, R_OK | W_OK) != 0 }
      findings.append(
        closed.isEmpty
          ? .missing("gpu", "\(nodes[0]) is there, but OpenCL shows no such device", remedy: remedy)
          : .missing(
            "gpu", "\(closed[0]) may not be opened by this user",
            remedy: "sudo usermod -aG render,video $USER, then log in again"))
    }
    let names = SystemFile.names(in: root)
    expect(
      "nvidia", names.contains("nvidiactl") ? ["\(root)/nvidiactl"] : [],
      "sudo apt-get install nvidia-opencl-icd")
    expect(
      "advanced micro", names.contains("kfd") ? ["\(root)/kfd"] : [],
      "install ROCm's OpenCL runtime: sudo apt-get install rocm-opencl-icd")
    // Render nodes do not tell their vendor; without any OpenCL GPU one of these serves it.
    if vendors.isEmpty, findings.isEmpty {
      let render = SystemFile.names(in: "\(root)/dri").filter { $0.hasPrefix("renderD") }.sorted()
      expect(
        "", render.map { "\(root)/dri/\($0)" },
        "sudo apt-get install intel-opencl-icd (Intel) or mesa-opencl-icd (others)")
    }
    return findings
  }
}
