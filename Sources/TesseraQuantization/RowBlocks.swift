import TesseraCompute

extension Vectors {
  /// Gives `body` the rows as Float32 on `device`, some at a time, with their numbers: sets larger
  /// than a device's memory pass through.
  ///
  /// - Parameters:
  ///   - layout: Where its parts lie in what `body` is given; nil leaves rows as they are.
  ///   - operation: Said in messages.
  func forEachBlock(
    on device: any Device, _ operation: String, as layout: SubspaceLayout? = nil,
    _ body: (Matrix<Float>, Range<Int>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let columns = layout?.paddedDimension ?? dimension
    let isPadded = layout?.isPadded ?? false
    // A device that works in host memory needs no copy of what it only reads.
    let worksInHostMemory = try device.allocate(byteCount: 1) is HostStorage
    let inPlace = isPadded || !worksInHostMemory ? nil : HostStorage(reading: self)
    // Small enough for a processor's cache, where it is copied there, and large enough to be worth a
    // launch; what a device makes ready for every block costs little beside 64 MiB of rows.
    let blockBytes = inPlace == nil ? 8 << 20 : 64 << 20
    let blockRows = Swift.max(1, blockBytes / (columns * MemoryLayout<Float>.stride))
    let buffer = try device.allocate(
      Float.self, rows: inPlace == nil ? Swift.min(blockRows, count) : 0, columns: columns)
    for start in stride(from: 0, to: count, by: blockRows) {
      let range = start..<Swift.min(start + blockRows, count)
      let block: Matrix<Float>
      if let inPlace {
        block = Matrix(inPlace, offset: start * columns, rows: range.count, columns: columns)
      } else if let layout, isPadded {
        block = buffer.rows(0..<range.count)
        try device.upload(layout.padded(rows(range).widened()), to: block)
      } else {
        block = buffer.rows(0..<range.count)
        try rows(range).upload(to: block, on: device)
      }
      do throws(TesseraError) {
        try body(block, range)
      } catch {
        // The device counts rows of the block; people count rows of the set.
        if error.code == .nonFinite { try Shapes.requireFinite(self, operation) }
        throw error
      }
    }
  }

  /// Puts all rows into `target`.
  private func upload(to target: Matrix<Float>, on device: any Device) throws(TesseraError) {
    guard element == .float32, rowStride == dimension * 4, let start = baseAddress else {
      return try device.upload(widened(), to: target)
    }
    try device.upload(
      UnsafeRawBufferPointer(start: start, count: byteCount), to: target.storage,
      at: target.byteOffset)
  }

  /// Refuses vectors of another dimension than `expected`.
  func requireDimension(_ expected: Int, _ operation: String) throws(TesseraError) {
    try Shapes.require(
      dimension == expected,
      "\(operation): vectors have \(dimension) dimensions, the quantizer has \(expected)")
  }
}
