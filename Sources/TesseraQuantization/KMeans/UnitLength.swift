/// Scaling to unit length, in Float64 and a fixed order.
enum UnitLength {
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
  static func scale(_ values: inout [Float], dimension: Int, tolerance: Double = 0) {
    for start in stride(from: 0, to: values.count, by: dimension) {
      let row = start..<start + dimension
      let squares = squares(values[row])
      guard squares > 0, abs(squares - 1) >= tolerance else { continue }
      let length = squares.squareRoot()
      for i in row { values[i] = Float(Double(values[i]) / length) }
    }
  }

  /// Returns every row of `values` divided by its length; rows of length 0 stay as they are.
  static func scaled(_ values: [Float], dimension: Int) -> [Float] {
    var values = values
    scale(&values, dimension: dimension)
    return values
  }
}
