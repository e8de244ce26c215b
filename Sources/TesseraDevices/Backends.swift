import TesseraCPU
import TesseraCompute
import TesseraOpenCL

/// Finds devices and measures how fast they are; tests put others in place of the machine's own.
struct Backends {
  var cpu: () throws(TesseraError) -> any Device
  var openCL: () -> (devices: [any Device], problems: [TesseraError])
  var profile: (any Device) throws(TesseraError) -> DeviceProfile

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
    let notes = problems.filter { $0.code == .malformedFile }.map(\.message)
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
    let (devices, problems) = openCL()
    var notes = problems.map(\.message)
    var estimates: [(device: any Device, seconds: Double)] = []
    // The host does what a device leaves to it, without the detour.
    let rivals = devices.filter { $0.info.accelerated.contains(.nearest) }
    for device in rivals.isEmpty ? [] : [cpu] + rivals {
      do throws(TesseraError) {
        estimates.append((device, try profile(device).seconds(for: search)))
      } catch {
        notes.append("\(device.info.identifier) could not be measured: \(error)")
      }
    }
    let best = estimates.min { $0.seconds < $1.seconds }?.device ?? cpu
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
        let (devices, problems) = OpenCLDevice.all()
        return (devices, problems + store.tune(devices))
      },
      profile: { device throws(TesseraError) in
        if let known = store.profile(for: device.info) { return known }
        let profile = try Calibration().profile(of: device)
        store.save(profile, for: device.info)
        return profile
      })
  }
}
