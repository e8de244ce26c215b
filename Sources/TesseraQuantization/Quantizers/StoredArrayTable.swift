import TesseraCompute

/// The tensors a file kept, read with their shapes checked.
struct StoredArrayTable {
  let specification: String
  let arrays: [String: StoredArray]

  /// The numbers of a tensor and its sides.
  ///
  /// - Parameter sides: Its shape, nil where any side above 0 will do.
  /// - Throws: `.malformedFile` if it is missing, of another type or shape, or holds NaN or
  ///   infinity.
  func values<Number: StoredNumber>(
    _ name: String, _: Number.Type, _ sides: [Int?]
  ) throws(TesseraError) -> (values: [Number], shape: [Int]) {
    guard let array = arrays[name] else { throw malformed("tensor \"\(name)\" is missing") }
    let fits =
      array.shape.count == sides.count
      && zip(array.shape, sides).allSatisfy { side, wanted in
        wanted.map { $0 == side } ?? (side > 0)
      }
    guard fits else {
      let wanted = sides.map { $0.map(String.init) ?? "any" }.joined(separator: ", ")
      throw malformed("tensor \"\(name)\" has the shape \(array.shape), expected [\(wanted)]")
    }
    guard array.scalar == Number.scalar else {
      throw malformed("tensor \"\(name)\" holds \(array.scalar), expected \(Number.scalar)")
    }
    let values = try array.values(Number.self)
    if let floats = values as? [Float], !floats.allSatisfy(\.isFinite) {
      throw malformed("tensor \"\(name)\" holds NaN or infinity")
    }
    return (values, array.shape)
  }

  /// Returns the layout of `subspaceCount` subspaces from their widths.
  func layout(subspaceCount: Int) throws(TesseraError) -> SubspaceLayout {
    let (widths, _) = try values("widths", Int32.self, [subspaceCount])
    let dimension = widths.reduce(0) { $0 + max(0, Int($1)) }
    guard dimension >= subspaceCount else { throw malformed("its subspaces have no dimensions") }
    let layout = SubspaceLayout(dimension: dimension, count: subspaceCount)
    guard (0..<subspaceCount).allSatisfy({ Int(widths[$0]) == layout.range($0).count }) else {
      throw malformed("its subspaces are not as equal as possible, the longer ones first")
    }
    return layout
  }

  /// The error for tensors that make no quantizer.
  func malformed(_ problem: String) -> TesseraError {
    TesseraError(.malformedFile, "quantizer \(specification): \(problem); train it again")
  }
}
