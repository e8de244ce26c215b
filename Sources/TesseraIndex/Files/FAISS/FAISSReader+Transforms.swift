internal import TesseraCompute
internal import TesseraHost

extension FAISSReader {
  /// Reads a change of rows.
  mutating func transform() throws(TesseraError) -> FAISSTransform {
    let name = try source.name("the name of a transform")
    let kind: FAISSTransform.Kind
    switch name {
    case "LTra", "rrot": kind = try linear(nil)
    case "Pcam":
      kind = try linear(
        FAISSTransform.PrincipalAxes(
          eigenPower: try source.float("the power of eigenvalues"),
          epsilon: try source.float("the least eigenvalue"),
          isRotated: try source.flag("whether axes are rotated"),
          balancedBins: try source.integer(Int32.self, "balanced bins"),
          mean: try source.values(Float.self, "the mean"),
          eigenvalues: try source.values(Float.self, "eigenvalues"),
          axes: try source.values(Float.self, "axes")))
    case "VNrm": kind = .unitLength(order: try source.float("the order of the norm"))
    case "VCnt": kind = .center(try source.values(Float.self, "the mean"))
    default:
      guard let reason = Self.reason(name) else {
        throw source.malformed(
          "\"\(name.printable)\" is not the name of a transform", at: source.offset - 4)
      }
      throw source.unsupported("\(name), \(reason)")
    }
    let inputs = Int(try source.integer(Int32.self, "the dimensions of a transform"))
    let outputs = Int(try source.integer(Int32.self, "the dimensions of a transform"))
    guard (1...1 << 20).contains(inputs), (1...1 << 20).contains(outputs) else {
      throw source.malformed("\(name) makes \(outputs) dimensions of \(inputs)")
    }
    guard try source.flag("whether the transform is trained") else {
      throw source.unsupported("\(name) is not trained; train the index and write it again")
    }
    try check(name, kind, inputs, outputs)
    return FAISSTransform(name: name, kind: kind, inputs: inputs, outputs: outputs)
  }

  private mutating func linear(
    _ axes: FAISSTransform.PrincipalAxes?
  ) throws(TesseraError) -> FAISSTransform.Kind {
    let hasBias = try source.flag("whether something is added")
    let matrix = try source.values(Float.self, "a matrix")
    let bias = try source.values(Float.self, "what is added")
    guard hasBias || bias.isEmpty else {
      throw source.unsupported(
        "a transform keeps a vector that it does not add; train it again and write the index again")
    }
    return .linear(matrix: matrix, bias: hasBias ? bias : nil, axes)
  }

  /// Compares what was read with the dimensions, which come after it, and refuses NaN and infinity.
  private func check(
    _ name: String, _ kind: FAISSTransform.Kind, _ inputs: Int, _ outputs: Int
  ) throws(TesseraError) {
    var all: [(values: [Float], count: Int)] = []
    switch kind {
    case .linear(let matrix, let bias, let axes):
      all.append((matrix, inputs * outputs))
      if let bias { all.append((bias, outputs)) }
      if let axes { all.append((axes.mean, inputs)) }
    case .center(let mean): all.append((mean, inputs))
    case .unitLength: break
    }
    if name == "VNrm" || name == "VCnt", inputs != outputs {
      throw source.malformed("\(name) makes \(outputs) dimensions of \(inputs)")
    }
    for (values, count) in all {
      guard values.count == count else {
        throw source.malformed("\(name) has \(values.count) numbers, expected \(count)")
      }
      guard values.allSatisfy(\.isFinite) else {
        throw source.malformed("\(name) has NaN or infinity")
      }
    }
  }
}
