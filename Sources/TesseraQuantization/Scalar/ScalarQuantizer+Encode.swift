internal import Synchronization
public import TesseraCompute

extension ScalarQuantizer {
  /// Complexity: O(vectors * dimension), on the host.
  public func encode(_ vectors: Vectors, on device: any Device) throws(TesseraError) -> Codes {
    try vectors.requireDimension(dimension, "encode")
    let encoder = ScalarEncoder(self)
    let isFinite = Atomic(true)
    let bytes = [UInt8](
      unsafeUninitializedCapacity: vectors.count * codeByteCount
    ) { bytes, initialized in
      initialized = vectors.count * codeByteCount
      guard let start = bytes.baseAddress else { return }
      let target = SharedRows(start: start)
      device.forEachRange(of: vectors.count) { range in
        // Rows that stay in the second-level cache.
        let step = max(1, (64 << 10) / dimension)
        for first in stride(from: range.lowerBound, to: range.upperBound, by: step) {
          let block = first..<min(first + step, range.upperBound)
          vectors.rows(block).withFloats { rows in
            if !encoder.encode(rows, block.count, to: target.start + first * codeByteCount) {
              isFinite.store(false, ordering: .relaxed)
            }
          }
        }
      }
    }
    if !isFinite.load(ordering: .relaxed) { try Shapes.requireFinite(vectors, "encode") }
    return try Codes(bytes, byteCount: codeByteCount)
  }
}

extension Vectors {
  /// Calls `body` with the rows one after the other: where they are, if they are Float32.
  fileprivate func withFloats(_ body: (UnsafePointer<Float>) -> Void) {
    if element == .float32, rowStride == dimension * 4, let start = baseAddress,
      Int(bitPattern: start) % MemoryLayout<Float>.alignment == 0
    {
      body(start.assumingMemoryBound(to: Float.self))
    } else {
      widened().withUnsafeBufferPointer { if let start = $0.baseAddress { body(start) } }
    }
  }
}

/// Rows to codes, each number by itself.
private struct ScalarEncoder: Sendable {
  private let kind: ScalarKind
  private let packing: BitPacking
  private let dimension: Int
  /// The highest level's number, below 2^8.
  private let highest: Float
  private let minimums: [Float]
  private let spreads: [Float]

  init(_ quantizer: ScalarQuantizer) {
    kind = quantizer.scalarKind
    packing = quantizer.packing
    dimension = quantizer.dimension
    highest = kind.isTrained ? Float(1 << kind.bits - 1) : 0
    minimums = quantizer.minimums
    // A dimension that was constant has one level that matters.
    spreads = quantizer.ranges.map { $0 > 0 ? $0 : .infinity }
  }

  /// Writes `count` codes, and returns whether all numbers are finite.
  func encode(
    _ rows: UnsafePointer<Float>, _ count: Int, to target: UnsafeMutablePointer<UInt8>
  ) -> Bool {
    for row in 0..<count {
      let values = rows + row * dimension
      let code = target + row * packing.bytesPerRow
      switch kind {
      case .bits8: findLevels(values, into: code)
      case .bits6, .bits4:
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: dimension) { numbers in
          guard let start = numbers.baseAddress else { return }
          findLevels(values, into: start)
          packing.pack(row: start, to: code)
        }
      case .float16: store(values, to: code, \.nearestHalfBits)
      case .bfloat16: store(values, to: code, \.nearestBFloat16Bits)
      }
    }
    return isFinite(rows, count * dimension)
  }

  /// Written so that a compiler can do several numbers at a time: without calls, and without the
  /// checks of a conversion to whole numbers.
  private func findLevels(_ row: UnsafePointer<Float>, into numbers: UnsafeMutablePointer<UInt8>) {
    minimums.withUnsafeBufferPointer { minimums in
      spreads.withUnsafeBufferPointer { spreads in
        for d in 0..<dimension {
          let place = (row[d] - minimums[d]) / spreads[d]
          // NaN, of a number far outside a constant dimension, is level 0.
          let level = highest * (place > 0 ? (place < 1 ? place : 1) : 0)
          // Beside 2^23 there is no room for fractions.
          let nearest = (level + 0x1p23) - 0x1p23
          let floor = nearest > level ? nearest - 1 : nearest
          numbers[d] = UInt8(truncatingIfNeeded: (floor + 0x1p23).bitPattern)
        }
      }
    }
  }

  @inline(__always)
  private func store(
    _ row: UnsafePointer<Float>, to code: UnsafeMutablePointer<UInt8>, _ short: (Float) -> UInt16
  ) {
    for d in 0..<dimension {
      let bits = short(row[d])
      code[2 * d] = UInt8(truncatingIfNeeded: bits)
      code[2 * d + 1] = UInt8(truncatingIfNeeded: bits >> 8)
    }
  }

  /// Tells whether `count` numbers are finite: 0 times any other is NaN.
  private func isFinite(_ values: UnsafePointer<Float>, _ count: Int) -> Bool {
    var zeros = SIMD8<Float>()
    var index = 0
    while index + 8 <= count {
      zeros += UnsafeRawPointer(values + index).loadUnaligned(as: SIMD8<Float>.self) * 0
      index += 8
    }
    var zero = zeros.sum()
    while index < count {
      zero += values[index] * 0
      index += 1
    }
    return zero == 0
  }
}
