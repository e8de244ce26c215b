package import TesseraHost

extension Device {
  /// An uninitialised matrix on this device.
  public func allocate<Element: DeviceScalar>(
    _: Element.Type, rows: Int, columns: Int
  ) throws(TesseraError) -> Matrix<Element> {
    let (count, countOverflow) = rows.multipliedReportingOverflow(by: columns)
    let (byteCount, bytesOverflow) = count.multipliedReportingOverflow(
      by: MemoryLayout<Element>.stride)
    guard rows >= 0, columns >= 0, !countOverflow, !bytesOverflow else {
      throw TesseraError(.invalidShape, "allocate: \(rows) x \(columns) is not a size")
    }
    return Matrix(try allocate(byteCount: byteCount), rows: rows, columns: columns)
  }

  /// A new matrix on this device that holds `values`, row-major.
  ///
  /// - Throws: `.invalidShape` unless `values` holds `rows * columns` elements.
  public func upload<Element: DeviceScalar>(
    _ values: [Element], rows: Int, columns: Int
  ) throws(TesseraError) -> Matrix<Element> {
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard rows >= 0, columns >= 0, !overflow, values.count == count else {
      throw TesseraError(
        .invalidShape, "upload: \(values.count) values are not a \(rows) x \(columns) matrix")
    }
    let matrix = try allocate(Element.self, rows: rows, columns: columns)
    try upload(values, to: matrix)
    return matrix
  }

  /// Replaces the contents of `matrix` with `values`, row-major.
  public func upload<Element: DeviceScalar>(
    _ values: [Element], to matrix: Matrix<Element>
  ) throws(TesseraError) {
    guard values.count == matrix.count else {
      throw TesseraError(
        .invalidShape, "upload: \(values.count) values for a matrix of \(matrix.count)")
    }
    let failure = values.withUnsafeBytes { bytes -> TesseraError? in
      do throws(TesseraError) {
        try upload(bytes, to: matrix.storage, at: matrix.byteOffset)
        return nil
      } catch { return error }
    }
    if let failure { throw failure }
  }

  /// The elements of `matrix`, row-major, once all work queued before is done.
  public func download<Element: DeviceScalar>(
    _ matrix: Matrix<Element>
  ) throws(TesseraError) -> [Element] {
    var failure: TesseraError?
    // Filling it first would take as long as the rest: generic code sets element by element.
    let values = [Element](unsafeUninitializedCapacity: matrix.count) { target, initialized in
      do throws(TesseraError) {
        try download(
          matrix.storage, at: matrix.byteOffset, to: UnsafeMutableRawBufferPointer(target))
        initialized = matrix.count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return values
  }
}

extension Device {
  /// The threads for work that only the host can do beside this device: as many as a device of the
  /// host's cores was given, and all that the host gives where the device has cores of its own.
  package var hostWorkers: WorkerPool {
    info.kind == .cpu ? WorkerPool(count: info.computeUnits) : .host
  }

  /// Returns the most bytes that a search may hold. A tenth of a GPU's memory is left to its driver;
  /// half of the host's, or of what its container allows, is left to mapped files and everything else
  /// that runs.
  package func searchableBytes(within limits: HostLimits) -> Int {
    switch info.kind {
    case .gpu, .accelerator: info.memoryBytes / 10 * 9
    default: min(info.memoryBytes, limits.memoryBytes) / 2
    }
  }
}
