import TesseraCompute
package import TesseraHost

/// What a code of ``RaBitQ`` holds, for programs that keep it in other ways.
package struct RaBitQParts: Sendable {
  /// The level of each dimension, 0 to `2^bits - 1`: the grid point is that less half the largest.
  package var levels: [UInt16]
  /// The distance of the vector from the point that the code is relative to.
  package var length: Float
  /// What the grid point is multiplied by, so that products with it are not biased.
  package var scale: Float
  /// The product of the difference with the point that it is from.
  package var centerProduct: Float

  package init(levels: [UInt16], length: Float, scale: Float, centerProduct: Float) {
    self.levels = levels
    self.length = length
    self.scale = scale
    self.centerProduct = centerProduct
  }
}

extension RaBitQ {
  /// The code that holds `parts`; nil if no vector has such a code.
  package func code(_ parts: RaBitQParts) -> [UInt8]? {
    let factors = RaBitQFactors(
      length: parts.length, scale: parts.scale, centerProduct: parts.centerProduct)
    return factors.isPossible ? levels.pack(parts.levels) + factors.bytes : nil
  }

  /// What each code holds.
  ///
  /// - Throws: As ``decode(_:on:control:)``.
  package func parts(of codes: Codes) throws(TesseraError) -> [RaBitQParts] {
    var numbers = [UInt16](repeating: 0, count: dimension)
    return try factors(of: codes).enumerated().map { row, own in
      levels.unpack(
        row: codes.bytes.span.extracting(.row(row, of: codeByteCount)), to: &numbers)
      return RaBitQParts(
        levels: numbers, length: own.length, scale: own.scale, centerProduct: own.centerProduct)
    }
  }

  /// The rotation as `dimension` rows of a matrix; nil where nothing is rotated.
  package var rotationMatrix: [Float]? {
    guard rotation.roundCount > 0 else { return nil }
    var matrix = [Float](repeating: 0, count: dimension * dimension)
    for column in 0..<dimension {
      var unit = [Float](repeating: 0, count: dimension)
      unit[column] = 1
      rotation.apply(&unit)
      for row in 0..<dimension { matrix[row * dimension + column] = unit[row] }
    }
    return matrix
  }

  /// Rotates a vector.
  package func rotated(_ vector: [Float]) -> [Float] {
    var turned = vector
    rotation.apply(&turned)
    return turned
  }
}
