import TesseraCompute

/// Memory: copied on the device, and to and from it.
extension Workload {
  /// 4 MB, 64 MB, 256 MB, 2 GB.
  private static let columns = 256
  private static func rows(_ size: BenchmarkSize) -> Int {
    size.pick(4 << 10, 64 << 10, 256 << 10, 2 << 20)
  }

  static func copy(on device: any Device, _ size: BenchmarkSize) throws(TesseraError) -> Workload {
    let rows = rows(size)
    let values = BenchmarkInput.uniform(rows * columns, seed: 11)
    let source = try device.upload(values, rows: rows, columns: columns)
    let places = try device.upload((0..<Int32(rows)).map { $0 }, rows: rows, columns: 1)
    let target = try device.allocate(Float.self, rows: rows, columns: columns)
    return Workload(
      shape: ["rows": rows, "dimension": columns], work: 2 * Double(source.byteCount)
    ) { () throws(TesseraError) in
      try device.gather(source, rows: places, into: target)
    } check: { () throws(TesseraError) in
      try compare(.copy, device, target.rows(rows - 8..<rows), values.suffix(8 * columns))
    }
  }

  static func upload(
    on device: any Device, _ size: BenchmarkSize
  ) throws(TesseraError) -> Workload {
    let rows = rows(size)
    let values = BenchmarkInput.uniform(rows * columns, seed: 12)
    let target = try device.allocate(Float.self, rows: rows, columns: columns)
    return Workload(
      shape: ["rows": rows, "dimension": columns], work: Double(target.byteCount)
    ) { () throws(TesseraError) in
      try device.upload(values, to: target)
    } check: { () throws(TesseraError) in
      try compare(.upload, device, target.rows(rows - 8..<rows), values.suffix(8 * columns))
    }
  }

  static func download(
    on device: any Device, _ size: BenchmarkSize
  ) throws(TesseraError) -> Workload {
    let rows = rows(size)
    let values = BenchmarkInput.uniform(rows * columns, seed: 13)
    let source = try device.upload(values, rows: rows, columns: columns)
    // The memory is there before the clock starts.
    let target = try HostStorage(allocating: source.byteCount)
    unsafe target.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    return Workload(
      shape: ["rows": rows, "dimension": columns], work: Double(source.byteCount)
    ) { () throws(TesseraError) in
      try unsafe device.download(source.storage, at: 0, to: target.bytes)
    } check: { () throws(TesseraError) in
      let last = Matrix<Float>(target, rows: rows, columns: columns).rows(rows - 8..<rows)
      return try compare(
        .download, device, last, values.suffix(8 * columns), readBy: ReferenceDevice.shared)
    }
  }

  /// Checks that `matrix` holds exactly `expected`; returns how many numbers that are.
  ///
  /// - Parameter reader: Whose memory the matrix is, if not `device`'s.
  static func compare<Element: DeviceScalar & Equatable>(
    _ task: BenchmarkTask, _ device: any Device, _ matrix: Matrix<Element>,
    _ expected: some Collection<Element>, readBy reader: (any Device)? = nil
  ) throws(TesseraError) -> Int {
    let found = try (reader ?? device).download(matrix)
    guard found.elementsEqual(expected) else {
      let place = zip(found, expected).enumerated().first { $0.element.0 != $0.element.1 }
      throw .wrongResult(
        task, device,
        place.map { "number \($0.offset) is \($0.element.0), not \($0.element.1)" }
          ?? "\(found.count) numbers instead of \(expected.count)")
    }
    return found.count
  }
}
