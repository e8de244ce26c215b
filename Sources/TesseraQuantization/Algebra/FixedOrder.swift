/// Float64 sums over Float32 numbers in an order that is part of the code: four lanes, lane j taking
/// the numbers i = j (mod 4) in rising order, added as (0 + 2) + (1 + 3). No fused operations, so
/// the same bits everywhere, and fast without special instructions.
enum FixedOrder {
  static func product(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int
  ) -> Double {
    sum(a, b, count: count) { $0 * $1 }
  }

  static func squaredDistance(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int
  ) -> Double {
    sum(a, b, count: count) { a, b in
      let difference = a - b
      return difference * difference
    }
  }

  @inline(__always)
  private static func sum(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int,
    _ term: (SIMD4<Double>, SIMD4<Double>) -> SIMD4<Double>
  ) -> Double {
    var lanes = SIMD4<Double>()
    var i = 0
    while i + 4 <= count {
      lanes += term(
        SIMD4(Double(a[i]), Double(a[i + 1]), Double(a[i + 2]), Double(a[i + 3])),
        SIMD4(Double(b[i]), Double(b[i + 1]), Double(b[i + 2]), Double(b[i + 3])))
      i += 4
    }
    var left = SIMD4<Double>()
    var right = SIMD4<Double>()
    for lane in 0..<count - i {
      left[lane] = Double(a[i + lane])
      right[lane] = Double(b[i + lane])
    }
    lanes += term(left, right)
    return (lanes.x + lanes.z) + (lanes.y + lanes.w)
  }
}
