package import TesseraHost

extension Device {
  /// The threads for work that only the host can do beside this device: as many as a device of the
  /// host's cores was given, and all that the host gives where the device has cores of its own.
  package var hostWorkers: WorkerPool {
    info.kind == .cpu ? WorkerPool(count: info.computeUnits) : .host
  }
}
