public import TesseraCompute

extension RaBitQ {
  /// The center as Float32, and the random signs of the rotation as Int8.
  public var arrays: [String: StoredArray] {
    [
      "center": .of(center, shape: [dimension]),
      "rotation.signs": .of(
        rotation.signs.map(Int8.init), shape: [HadamardRotation.roundCount, dimension]),
    ]
  }

  /// Reads the center and the signs; each sign must be 1 or -1.
  public init(specification: String, arrays: [String: StoredArray]) throws(TesseraError) {
    let table = StoredArrayTable(specification: specification, arrays: arrays)
    guard let recipe = try RaBitQRecipe(parsing: specification) else {
      throw table.malformed("the name is not that of a RaBitQ, such as RaBitQ4")
    }
    let center = try table.values("center", Float.self, [nil]).values
    let signs = try table.values(
      "rotation.signs", Int8.self, [HadamardRotation.roundCount, center.count]
    ).values
    guard signs.allSatisfy({ $0 == 1 || $0 == -1 }) else {
      throw table.malformed("tensor \"rotation.signs\" holds other numbers than 1 and -1")
    }
    self.init(
      bits: recipe.bits, center: center,
      rotation: HadamardRotation(dimension: center.count, signs: signs.map(Float.init)))
  }
}
