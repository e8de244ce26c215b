import TesseraCPU
import TesseraCompute
import TesseraOpenCL

/// Finds devices and measures how fast they are; tests put others in place of the machine's own.
struct Backends {
  var cpu: () throws(TesseraError) -> any Device
  var openCL: () -> (devices: [any Device], problems: [TesseraError])
  /// Measures devices of which too little is known, in turns, so that other work slows all alike.
  var measure: ([any Device]) -> Void = { _ in }
  var profile: (any Device) throws(TesseraError) -> DeviceProfile

  /// What the first use of a driver in a process costs: contexts, and programs read from the cache
  /// (52 ms with PoCL on two cores).
  static let startSeconds = 0.05

  func select(
    _ choice: DeviceChoice, for search: SearchShape
  ) throws(TesseraError) -> DeviceSelection {
    switch choice {
    case .reference: only(ReferenceDevice.shared)
    case .cpu: only(try cpu())
    case .openCL(let index): try openCLDevice(index)
    case .allOpenCL: try allOpenCL(for: search)
    case .auto: try fastest(for: search)
    }
  }

  private func only(_ device: any Device, _ notes: [String] = []) -> DeviceSelection {
    DeviceSelection(device: device, fallback: nil, notes: notes, estimates: [])
  }

  private func openCLDevice(_ index: Int?) throws(TesseraError) -> DeviceSelection {
    let (devices, problems) = openCL()
    guard let first = devices.first else { throw Self.noOpenCL(problems) }
    let notes = problems.filter { [.malformedFile, .unsupported].contains($0.code) }.map(\.message)
    guard let index else { return only(first, notes) }
    guard let device = devices.first(where: { $0.info.identifier == "opencl:\(index)" }) else {
      let names = devices.map { "\($0.info.identifier) (\($0.info.name))" }
      throw TesseraError(
        .deviceUnavailable,
        "opencl:\(index) is not there; choose \(names.joined(separator: " or "))")
    }
    return only(device, notes)
  }

  private static func noOpenCL(_ problems: [TesseraError]) -> TesseraError {
    let reasons = problems.isEmpty ? ["no driver is installed"] : problems.map(\.message)
    return TesseraError(
      .deviceUnavailable,
      "no OpenCL device can be used: \(reasons.joined(separator: "; ")); see tessera doctor, or "
        + "use --device cpu")
  }

  /// All OpenCL devices as one, each with the share of the rows that it gets done while the others
  /// do theirs. One that cannot be measured, or leaves searches to the host, is left out.
  private func allOpenCL(for search: SearchShape) throws(TesseraError) -> DeviceSelection {
    let (devices, problems) = openCL()
    guard !devices.isEmpty else { throw Self.noOpenCL(problems) }
    var notes = problems.map(\.message)
    guard devices.count > 1 else { return only(devices[0], notes) }
    var members: [(device: any Device, share: Double)] = []
    for device in devices {
      guard device.info.accelerated.contains(.nearest) else {
        notes.append("\(device.info.identifier) leaves searches to the host and is left out")
        continue
      }
      do throws(TesseraError) {
        members.append((device, 1 / (try profile(device)).secondsPerRow(of: search)))
      } catch {
        notes.append("\(device.info.identifier) could not be measured and is left out: \(error)")
      }
    }
    guard !members.isEmpty else {
      throw TesseraError(.deviceUnavailable, "opencl:all: \(notes.joined(separator: "; "))")
    }
    let all = try ShardedDevice(
      members.map(\.device), shares: members.map(\.share), identifier: "opencl:all")
    return DeviceSelection(device: all, fallback: nil, notes: notes, estimates: [])
  }

  /// The device expected to be done first. Where the CPU is the only one that searches, nothing has
  /// to be measured.
  private func fastest(for search: SearchShape) throws(TesseraError) -> DeviceSelection {
    let cpu = try cpu()
    // The CPU is done with little work before a driver is loaded.
    guard !search.isSmall else { return only(cpu) }
    let (devices, problems) = openCL()
    var notes = problems.map(\.message)
    var estimates: [(device: any Device, seconds: Double)] = []
    // The host does what a device leaves to it, without the detour.
    let rivals = devices.filter { $0.info.accelerated.contains(.nearest) }
    let measured = rivals.isEmpty ? [] : [cpu] + rivals
    measure(measured)
    for device in measured {
      do throws(TesseraError) {
        let start = device === cpu ? 0 : Self.startSeconds
        estimates.append((device, try profile(device).seconds(for: search) + start))
      } catch {
        notes.append("\(device.info.identifier) could not be measured: \(error)")
      }
    }
    // Where nothing is to be gained, the CPU needs no driver.
    let needed = estimates.first { $0.device === cpu }.map { $0.seconds / 1.1 } ?? .infinity
    let fastest = estimates.filter { $0.device !== cpu && $0.seconds < needed }
      .min { $0.seconds < $1.seconds }
    let best = fastest?.device ?? cpu
    return DeviceSelection(
      device: best, fallback: best === cpu ? nil : cpu, notes: notes,
      estimates: estimates.map { ($0.device.info.identifier, $0.seconds) })
  }
}

extension Backends {
  /// This machine's.
  static func live(threads: Int?) -> Backends {
    let store = ProfileStore.user
    return Backends(
      cpu: { () throws(TesseraError) in try CPUDevice(threads: threads) },
      openCL: {
        let verdict = DriverGate.pass()
        guard verdict.admitsAny else { return ([], verdict.problems) }
        let (devices, problems) = OpenCLDevice.all()
        return (devices, verdict.problems + problems + store.tune(devices))
      },
      measure: { devices in
        // All of them, because only times of the same minutes can be compared.
        guard devices.contains(where: { store.profile(for: $0.info) == nil }) else { return }
        for (device, profile) in zip(devices, Calibration().profiles(of: devices)) {
          if case .success(let profile) = profile { store.save(profile, for: device.info) }
        }
      },
      profile: { device throws(TesseraError) in
        if let known = store.profile(for: device.info) { return known }
        let profile = try Calibration().profile(of: device)
        store.save(profile, for: device.info)
        return profile
      })
  }
}

extension SearchShape {
  /// Whether the CPU needs a tenth of a second or so at most: less than a driver takes to start.
  fileprivate var isSmall: Bool {
    let bytes = Double(rows) * Double(dimension) * Double(element.byteCount)
    return bytes <= 256e6 && Double(rows) * Double(dimension) * Double(queryCount) <= 4e9
  }
}
