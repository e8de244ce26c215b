/// Scaling to unit length, in Float64 and a fixed order.
enum UnitLength {
  /// Every row of `values` divided by its length, and the rows of length 0, which stay as they are.
  static func scaled(_ values: [Float], dimension: Int) -> (values: [Float], zeroRows: [Int]) {
    var values = values
    var zeroRows: [Int] = []
    for start in stride(from: 0, to: values.count, by: dimension) {
      let row = start..<start + dimension
      var squares = 0.0
      for i in row { squares += Double(values[i]) * Double(values[i]) }
      guard squares > 0 else {
        zeroRows.append(start / dimension)
        continue
      }
      let length = squares.squareRoot()
      for i in row { values[i] = Float(Double(values[i]) / length) }
    }
    return (values, zeroRows)
  }
}
