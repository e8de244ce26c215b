extension Formula {
  /// The formula of the gradients of a sum that depends on this formula's results.
  ///
  /// It reads this formula's inputs and then, for each result, the gradient of the sum by it. Its
  /// results are the gradients by the inputs in `wanted`, in that order. Where a function has a corner
  /// the gradient is that of one side: 0 for the magnitude at 0, and for two equal numbers the second
  /// is taken as the smaller or larger one.
  ///
  /// - Precondition: There are inputs wanted, at most ``outputLimit``, and inputs and results together
  ///   are at most ``inputLimit``.
  public func gradient(by wanted: [Int]) -> Formula {
    var terms: [Term] = []
    for step in steps {
      let operands = (0..<step.operation.operandCount).map { terms[Int(step.operands[$0])] }
      terms.append(Term(step.operation, operands, number: step.number))
    }
    var sums = [Term?](repeating: nil, count: steps.count)
    for (result, step) in outputs.enumerated() {
      sums.add(.input(inputCount + result), at: step)
    }
    for (place, step) in steps.enumerated().reversed() {
      guard let gradient = sums[place] else { continue }
      let operands = (0..<step.operation.operandCount).map { terms[Int(step.operands[$0])] }
      for (slot, part) in step.operation.gradients(gradient, terms[place], operands).enumerated() {
        if let part { sums.add(part, at: Int(step.operands[slot])) }
      }
    }
    let results = wanted.map { input -> Term in
      let place = steps.firstIndex { $0.operation == .input && $0.number == UInt32(input) }
      return place.flatMap { sums[$0] } ?? .constant(0)
    }
    return Formula(
      inputs: inputCount + outputs.count, parameters: parameterCount, results: results)
  }
}

extension [Term?] {
  fileprivate mutating func add(_ term: Term, at place: Int) {
    self[place] = self[place].map { $0 + term } ?? term
  }
}

extension FormulaOperator {
  /// The gradients by the operands, where `gradient` is that by the result; nil where there is none.
  fileprivate func gradients(
    _ gradient: Term, _ result: Term, _ operands: [Term]
  ) -> [Term?] {
    var x: Term { operands[0] }
    var y: Term { operands[1] }
    switch self {
    case .input, .parameter, .constant, .random: return []
    case .floor: return [nil]
    case .isLess, .isEqual: return [nil, nil]
    case .negate: return [-gradient]
    case .magnitude:
      return [
        .select(x.isLess(than: 0), -gradient, .select(x.isEqual(to: 0), 0, gradient))
      ]
    case .exp: return [gradient * result]
    case .log: return [gradient / x]
    case .sin: return [gradient * x.cos]
    case .cos: return [-(gradient * x.sin)]
    case .tanh: return [gradient * .multiplyAdd(-result, result, 1)]
    // 2 / sqrt(pi).
    case .erf: return [gradient * (.constant(1.128379167) * (-(x * x)).exp)]
    case .sigmoid: return [gradient * (result * (1 - result))]
    case .softplus: return [gradient * x.sigmoid]
    case .squareRoot: return [gradient * (.constant(0.5) / result)]
    case .reciprocalSquareRoot:
      return [gradient * (.constant(-0.5) * (result * (result * result)))]
    case .add: return [gradient, gradient]
    case .subtract: return [gradient, -gradient]
    case .multiply: return [gradient * y, gradient * x]
    case .divide:
      let first = gradient / y
      return [first, -(first * result)]
    case .minimum: return Self.chosen(x.isLess(than: y), gradient)
    case .maximum: return Self.chosen(y.isLess(than: x), gradient)
    case .multiplyAdd: return [gradient * y, gradient * x, gradient]
    case .select: return [nil] + Self.chosen(x, gradient)
    }
  }

  private static func chosen(_ first: Term, _ gradient: Term) -> [Term?] {
    [.select(first, gradient, 0), .select(first, 0, gradient)]
  }
}
