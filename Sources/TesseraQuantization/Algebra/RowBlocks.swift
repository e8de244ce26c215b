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
    // Small enough for a processor's cache, large enough to be worth a launch.
    let copiedRows = Swift.max(1, (8 << 20) / (columns * MemoryLayout<Float>.stride))
    let buffer = try device.allocate(
      Float.self, rows: Swift.min(copiedRows, count), columns: columns)
    let isPadded = layout?.isPadded ?? false
    // A device that works in host memory needs no copy of what it only reads, and the more rows at a
    // time, the less often it makes codewords ready.
    let inPlace =
      isPadded || !(buffer.storage is HostStorage) ? nil : HostStorage(reading: self)
    let blockRows = inPlace == nil ? copiedRows : 8 * copiedRows
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
