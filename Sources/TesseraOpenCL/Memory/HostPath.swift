internal import TesseraCompute

/// The same memory as a device, with none of its kernels: what the protocol's defaults see.
///
/// It does an operation that the device cannot do itself, such as one in Float64 where there is
/// none.
final class HostPath: Device {
  private let device: OpenCLDevice

  init(_ device: OpenCLDevice) { self.device = device }

  var info: DeviceInfo { device.info }

  func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    try device.allocate(byteCount: byteCount)
  }

  func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    try device.upload(source, to: target, at: byteOffset)
  }

  func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try device.download(source, at: byteOffset, to: target)
  }
}
