public import TesseraCompute
import TesseraOpenCL

/// Finds the devices of this machine and chooses among them. Nothing above it names a backend.
///
///     let device = try Devices.choose(.auto)
public enum Devices {
  /// Every device that works, the reference last, and what stood in the way of the others.
  ///
  /// - Parameter threads: For the CPU device; by default `TESSERA_THREADS`, else one a core.
  public static func all(
    threads: Int? = nil
  ) -> (devices: [any Device], problems: [TesseraError]) {
    let backends = Backends.live(threads: threads)
    var devices: [any Device] = []
    var problems: [TesseraError] = []
    do throws(TesseraError) {
      devices.append(try backends.cpu())
    } catch {
      problems.append(error)
    }
    let openCL = backends.openCL()
    return (
      devices + openCL.devices + [ReferenceDevice.shared], problems + openCL.problems
    )
  }

  /// The device for a search, or for a large one if no search is given.
  ///
  /// `.auto` takes the device expected to finish first, by speeds that are measured (about a third
  /// of a second a device), kept in the user's cache folder and measured again after 30 days, or after
  /// an hour if the machine was busy; it is the CPU where no other works, and for little work.
  ///
  /// - Throws: `.deviceUnavailable` if the device asked for is not there, with what to do about it;
  ///   `.unsupported` or `.invalidArgument` if `TESSERA_CPU` or the threads cannot be honoured.
  public static func choose(
    _ choice: DeviceChoice, for search: SearchShape? = nil, threads: Int? = nil
  ) throws(TesseraError) -> any Device {
    try select(choice, for: search, threads: threads).device
  }

  /// Like ``choose(_:for:threads:)``, and tells why.
  public static func select(
    _ choice: DeviceChoice, for search: SearchShape? = nil, threads: Int? = nil
  ) throws(TesseraError) -> DeviceSelection {
    try Backends.live(threads: threads).select(choice, for: search ?? typicalSearch)
  }

  /// Measures every device now, in turns, and keeps the speeds for `.auto`: for a machine that was
  /// busy when they were measured, or has changed since. Measures first which kernel body is faster
  /// on OpenCL devices that are no GPUs.
  ///
  /// - Returns: The speeds of each device that could be measured, and what kept others from it.
  public static func measure(
    threads: Int? = nil
  ) -> (speeds: [(device: DeviceInfo, speeds: DeviceProfile)], problems: [TesseraError]) {
    OpenCLDevice.forgetBodyChoices()
    let all = all(threads: threads)
    let devices = all.devices.filter { $0.info.kind != .reference }
    var speeds: [(device: DeviceInfo, speeds: DeviceProfile)] = []
    var problems = all.problems
    for (device, result) in zip(devices, Calibration().profiles(of: devices)) {
      switch result {
      case .success(let profile):
        ProfileStore.user.save(profile, for: device.info)
        speeds.append((device.info, profile))
      case .failure(let error): problems.append(error)
      }
    }
    return (speeds, problems)
  }

  /// Returns the name of the software that drives a device, which tells two drivers of one processor
  /// apart; empty for devices that need none.
  package static func platformName(of device: any Device) -> String {
    (device as? OpenCLDevice)?.platformName ?? ""
  }

  /// Returns the seconds that a small product took with each kernel body of an OpenCL device; empty
  /// where the body was not chosen by measuring.
  package static func bodySeconds(of device: any Device) -> [String: Double] {
    let seconds = (device as? OpenCLDevice)?.bodyChoice.seconds ?? [:]
    return Dictionary(uniqueKeysWithValues: seconds.map { ($0.key.rawValue, $0.value) })
  }

  /// Returns how the kernel body in use compares with the other, for people, after the variant: such
  /// as ` (4.1 times as fast as tile)`; empty where nothing was measured.
  package static func bodyNote(of device: any Device) -> String {
    guard let choice = (device as? OpenCLDevice)?.bodyChoice,
      let seconds = choice.seconds[choice.body]
    else { return "" }
    let other = choice.body == .tile ? KernelBody.wideItem : .tile
    guard let otherSeconds = choice.seconds[other] else {
      return " (\(other.rawValue) fails, or takes too long to compile)"
    }
    let tenths = Int((otherSeconds / seconds * 10).rounded())
    return " (\(tenths / 10).\(tenths % 10) times as fast as \(other.rawValue))"
  }

  /// Tells whether a driver that was given up still runs: the process should then end without the
  /// drivers' own ends.
  package static var haveLostCalls: Bool { OpenCLDevice.hasLostCalls }

  /// The search that a device is chosen for if nothing is known: much work.
  static let typicalSearch = SearchShape(
    rows: 1_000_000, dimension: 128, element: .float32, metric: .innerProduct, queryCount: 1000,
    k: 10)
}

/// A device and the reasons for it.
public struct DeviceSelection: Sendable {
  /// The device that was chosen.
  public let device: any Device
  /// The device that can take over should the chosen one fail: the CPU, under `.auto` only.
  public let fallback: (any Device)?
  /// The reasons why other devices could not be used, in sentences.
  public let notes: [String]
  /// The seconds each device was expected to need; empty where there was nothing to compare.
  public let estimates: [(identifier: String, seconds: Double)]
}
