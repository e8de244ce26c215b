internal import Synchronization
internal import TesseraCompute
internal import TesseraHost

extension Magnitudes {
  /// Looks at every number.
  init(of vectors: Vectors) throws(TesseraError) {
    self.init()
    let all = Mutex(Magnitudes())
    try WorkerPool.host.split(vectors.count, minimum: 256) { rows throws(TesseraError) in
      var mine = Magnitudes()
      for row in rows {
        if row % 256 == 0 { try StopSignal.check() }
        mine.add(vectors.row(row))
      }
      all.withLock { [mine] in $0.add(mine) }
    }
    add(all.withLock(\.self))
  }

  /// The exponent of the power of two that brings the largest number just below `2^exponent`, or the
  /// one nearest to it that changes no digit of the smallest. Rounded down to a multiple of 8, so
  /// that few differ.
  func scale(to exponent: Int) -> Int {
    guard largest > 0 else { return 0 }
    let wanted = exponent - 1 - Int(largest.exponent)
    // A number that becomes subnormal may lose digits; one that grows never does.
    let lowest = min(0, Int(Float.leastNormalMagnitude.exponent) - Int(smallest.exponent))
    return max(lowest, (wanted >> 3) << 3)
  }

  /// The same rows after multiplication by `2^scale`.
  func scaled(by scale: Int) -> (smallest: Double, largest: Double) {
    (Double(smallest).scaled(by: scale), Double(largest).scaled(by: scale))
  }
}

extension Double {
  /// The number times `2^exponent`.
  func scaled(by exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: self)
  }
}

extension Vectors {
  /// The rows times `2^scale` as Float32, which the caller has made sure is exact.
  ///
  /// - Throws: `.outOfMemory`.
  func scaled(by scale: Int) throws(TesseraError) -> Vectors {
    let bytes = count.multipliedReportingOverflow(by: dimension * 4)
    let memory = try unsafe UnsafeMutableRawBufferPointer.allocateAligned(
      bytes.overflow ? .max : bytes.partialValue)
    let owner = unsafe HostMemory(UnsafeRawBufferPointer(memory)) { bytes in
      unsafe UnsafeMutableRawBufferPointer(mutating: bytes).deallocateAligned()
    }
    let target = unsafe memory.bindMemory(to: Float.self)
    for index in 0..<count {
      try StopSignal.check()
      for (column, number) in row(index).enumerated() {
        unsafe target[index * dimension + column] = Float(Double(number).scaled(by: scale))
      }
    }
    return try Vectors(owner, element: .float32, count: count, dimension: dimension)
  }
}

extension [Float] {
  /// The product with itself.
  var squaredLength: Double { reduce(0) { $0 + Double($1) * Double($1) } }
}
