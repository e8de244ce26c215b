package import TesseraCompute

/// Float64 sums over Float32 numbers in an order that is part of the code: four lanes, lane j taking
/// the numbers i = j (mod 4) in rising order, added as (0 + 2) + (1 + 3). No fused operations, so
/// the same bits everywhere, and fast without special instructions.
enum FixedOrder {
  static func product(_ a: Span<Float>, _ b: Span<Float>) -> Double { sum(a, b) { $0 * $1 } }

  static func squares(_ a: Span<Float>) -> Double { product(a, a) }

  static func squaredDistance(_ a: Span<Float>, _ b: Span<Float>) -> Double {
    sum(a, b) { a, b in
      let difference = a - b
      return difference * difference
    }
  }

  @inline(__always)
  private static func sum(
    _ a: Span<Float>, _ b: Span<Float>, _ term: (SIMD4<Double>, SIMD4<Double>) -> SIMD4<Double>
  ) -> Double {
    let count = a.count
    precondition(count == b.count, "\(count) numbers with \(b.count)")
    // Within what was just checked: a check of each number would take longer than the sum.
    @inline(__always) func four(_ row: Span<Float>, _ i: Int) -> SIMD4<Double> {
      SIMD4(
        Double(row[unchecked: i]), Double(row[unchecked: i + 1]), Double(row[unchecked: i + 2]),
        Double(row[unchecked: i + 3]))
    }
    var lanes = SIMD4<Double>()
    var i = 0
    while i + 4 <= count {
      lanes += term(four(a, i), four(b, i))
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

/// Scaling to unit length, in Float64 and a fixed order.
package enum UnitLength {
  static func squares(_ values: ArraySlice<Float>) -> Double {
    values.withUnsafeBufferPointer { Self.squares($0) }
  }

  static func squares(_ values: UnsafeBufferPointer<Float>) -> Double {
    var squares = 0.0
    for value in values { squares += Double(value) * Double(value) }
    return squares
  }

  /// Divides every row of `values` by its length; rows of length 0 stay as they are, and so do
  /// those whose squared length differs from 1 by less than `tolerance`.
  package static func scale(_ values: inout [Float], dimension: Int, tolerance: Double = 0) {
    for start in stride(from: 0, to: values.count, by: dimension) {
      let row = start..<start + dimension
      let squares = squares(values[row])
      guard squares > 0, abs(squares - 1) >= tolerance else { continue }
      let length = squares.squareRoot()
      for i in row { values[i] = Float(Double(values[i]) / length) }
    }
  }

  /// Returns every row of `values` divided by its length; rows of length 0 stay as they are.
  package static func scaled(_ values: [Float], dimension: Int) -> [Float] {
    var values = values
    scale(&values, dimension: dimension)
    return values
  }
}

extension Vectors {
  /// Returns every row divided by its length; rows of length 0 stay as they are.
  package func unitLength() throws(TesseraError) -> Vectors {
    try Vectors(UnitLength.scaled(widened(), dimension: dimension), dimension: dimension)
  }
}
