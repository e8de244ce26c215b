/// Scaling to unit length, in Float64 and a fixed order.
enum UnitLength {
  static func squares(_ values: ArraySlice<Float>) -> Double {
    var squares = 0.0
    for value in values { squares += Double(value) * Double(value) }
    return squares
  }

  /// Every row of `values` divided by its length; rows of length 0 stay as they are.
  static func scaled(_ values: [Float], dimension: Int) -> [Float] {
    var values = values
    for start in stride(from: 0, to: values.count, by: dimension) {
      let row = start..<start + dimension
      let length = squares(values[row]).squareRoot()
      guard length > 0 else { continue }
      for i in row { values[i] = Float(Double(values[i]) / length) }
    }
    return values
  }
}
