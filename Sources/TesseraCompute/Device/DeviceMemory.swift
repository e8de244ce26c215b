/// Memory of a device, and how bytes get there and back.
public protocol DeviceMemory: AnyObject, Sendable {
  /// Uninitialised memory for the device's own use. Throws `.outOfMemory`.
  func allocate(byteCount: Int) throws(TesseraError) -> Storage

  /// Copies `source` into `target`, `byteOffset` bytes in.
  func upload(_ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int)
    throws(TesseraError)

  /// Fills `target` from `source`, `byteOffset` bytes in, after all work queued before.
  func download(_ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer)
    throws(TesseraError)

  /// Waits until everything asked of the device is done, and throws what went wrong meanwhile.
  func synchronize() throws(TesseraError)
}

extension Device {
  /// Returns at once: a device that finishes its work within each call has nothing to wait for.
  public func synchronize() throws(TesseraError) {}

  /// A copy of the matrix for the reference device.
  func onHost<Element>(_ matrix: Matrix<Element>) throws(TesseraError) -> Matrix<Element> {
    try ReferenceDevice.shared.upload(
      download(matrix), rows: matrix.rows, columns: matrix.columns)
  }
}
