import TesseraCompute
import TesseraHost

extension Vectors {
  /// Gives `body` the rows as Float32 on `device`, some at a time, with their numbers: sets larger
  /// than a device's memory pass through.
  ///
  /// - Parameters:
  ///   - layout: Where its parts lie in what `body` is given; nil leaves rows as they are.
  ///   - operation: Said in messages and in progress.
  ///   - control: Hears how many of the rows are done.
  func forEachBlock(
    on device: any Device, _ operation: String, as layout: SubspaceLayout? = nil,
    control: RunControl = RunControl(),
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
      try StopSignal.check()
      let range = start..<Swift.min(start + blockRows, count)
      let block: Matrix<Float>
      if let inPlace {
        block = Matrix(inPlace, offset: start * columns, rows: range.count, columns: columns)
      } else if let layout, isPadded {
        block = buffer.rows(0..<range.count)
        try device.upload(try layout.padded(rows(range).widened()), to: block)
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
      try control.report(operation, done: Double(range.upperBound) / Double(count))
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
  /// Refuses rows with numbers so large that squared distances between such rows, in Float32, could
  /// be infinite and all alike.
  func requireMeasurable(on device: any Device, _ operation: String) throws(TesseraError) {
    // Others end below 2^16.
    guard element == .float32 || element == .bfloat16, dimension > 0 else { return }
    let limit = Self.largestMeasurable(dimension: dimension)
    let factor = Float.greatestFiniteMagnitude / limit
    let step = Swift.max(1, (64 << 10) / dimension)
    let blocks = (count + step - 1) / step
    let isTooLarge: [Bool] = try device.hostWorkers.makeEachRow(blocks, of: 1, minimum: 1) {
      block, found throws(TesseraError) in
      let range = block * step..<Swift.min((block + 1) * step, count)
      found[0] = try rows(range).withFloats { $0.exceeds(factor) }
    }
    guard let block = isTooLarge.firstIndex(of: true) else { return }
    try Shapes.requireFinite(self, operation)
    for row in block * step..<count {
      guard let value = self.row(row).first(where: { !($0.magnitude <= limit) }) else { continue }
      throw TesseraError(
        .invalidArgument,
        "\(operation): row \(row) holds \(value); beyond \(limit) squared distances do not fit into "
          + "Float32; scale the vectors down")
    }
  }

  /// The size of numbers up to which squared distances of rows stay finite in Float32.
  static func largestMeasurable(dimension: Int) -> Float {
    0x1p62 / Float(Swift.max(1, dimension)).squareRoot()
  }

  /// Calls `body` with all rows, one after the other: where they are, if they are Float32.
  func withFloats<Result>(
    _ body: (Span<Float>) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    guard element == .float32, rowStride == dimension * 4, let start = baseAddress,
      Int(bitPattern: start) % MemoryLayout<Float>.alignment == 0
    else {
      let values = widened()
      return try body(values.span)
    }
    let values = UnsafeBufferPointer(
      start: start.assumingMemoryBound(to: Float.self), count: count * dimension)
    return try withExtendedLifetime(self) { () throws(TesseraError) in try body(values.span) }
  }
}

extension Span<Float> {
  /// Tells whether a number times `factor` is infinite or NaN: 0 times such a product is NaN.
  func exceeds(_ factor: Float) -> Bool {
    var zeros = SIMD8<Float>()
    var index = 0
    while index + 8 <= count {
      var lanes = SIMD8<Float>()
      for lane in 0..<8 { lanes[lane] = self[unchecked: index + lane] }
      zeros += (lanes * factor) * 0
      index += 8
    }
    var zero = zeros.sum()
    while index < count {
      zero += (self[index] * factor) * 0
      index += 1
    }
    return zero != 0
  }
}
