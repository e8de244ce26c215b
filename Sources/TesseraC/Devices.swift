public import CTessera
import Tessera
import TesseraHost
import protocol TesseraCompute.Device

/// Stands behind a `tessera_device`.
final class CDevice: CThing {
  static let kind = "device"
  let device: any Device
  /// The device that takes over if this one fails; nil where it was asked for by name.
  let fallback: (any Device)?

  init(_ name: String, _ options: tessera_device_options) throws(TesseraError) {
    guard options.threads >= 0 else {
      throw TesseraError(.invalidArgument, "device: \(options.threads) threads are not possible")
    }
    let flags = Int(options.flags)
    guard flags & ~TESSERA_MEASURE == 0 else {
      throw TesseraError(.unsupported, "device: the flags \(flags) are not known to this version")
    }
    let mayMeasure = flags & TESSERA_MEASURE != 0
    var choice = try DeviceChoice(name)
    if choice == .allOpenCL, !mayMeasure {
      throw TesseraError(
        .unsupported, "device: opencl:all has to measure the devices; allow it by TESSERA_MEASURE")
    }
    if choice == .auto, !mayMeasure { choice = .cpu }
    let selection = try Tessera.Devices.select(
      choice, threads: options.threads == 0 ? nil : Int(options.threads))
    device = selection.device
    fallback = selection.fallback
  }
}

extension tessera_device_info {
  init(_ info: DeviceInfo) {
    self.init()
    withUnsafeMutableBytes(of: &identifier) { $0.write(info.identifier) }
    withUnsafeMutableBytes(of: &kind) { $0.write(info.kind.rawValue) }
    withUnsafeMutableBytes(of: &name) { $0.write(info.name) }
    withUnsafeMutableBytes(of: &driver) { $0.write(info.driver) }
    withUnsafeMutableBytes(of: &variant) { $0.write(info.variant) }
    memory_bytes = Int64(info.memoryBytes)
    compute_units = Int64(info.computeUnits)
  }
}

/// Opens a device by name.
@c @implementation
public func tessera_device_open(
  _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<tessera_device_options>?,
  _ device: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(device) { () throws(TesseraError) in
    try CDevice(
      name.map { String(cString: $0) } ?? Environment["TESSERA_DEVICE"] ?? "auto",
      TesseraC.options(options, or: tessera_device_options(), "device: options"))
  }
}

/// Describes a device.
@c @implementation
public func tessera_device_describe(
  _ device: OpaquePointer?, _ info: UnsafeMutablePointer<tessera_device_info>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let device: CDevice = try Handles.get(device)
    try required(info, "the place for the description").pointee = tessera_device_info(
      device.device.info)
  }
}

/// Describes every device of this machine.
@c @implementation
public func tessera_devices(
  _ infos: UnsafeMutablePointer<tessera_device_info>?, _ capacity: Int64,
  _ count: UnsafeMutablePointer<Int64>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let count = try required(count, "the place for the number of devices")
    let target = try buffer(infos, capacity, "devices")
    let devices = Tessera.Devices.all().devices
    for (place, device) in zip(target.indices, devices) {
      target[place] = tessera_device_info(device.info)
    }
    count.pointee = Int64(devices.count)
  }
}
