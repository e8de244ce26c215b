internal import TesseraCompute

/// The steps of a formula as statements of OpenCL C. Steps that no result needs are left out.
struct FormulaText {
  /// The inputs that results depend on.
  let inputs: [Int]
  /// Statements that compute every step. Numbers of input i are in `a<i>`, parameter i is `p<i>`, and
  /// `element` is the place of the first lane's element in the result.
  let statements: [String]
  /// The names of the results.
  let results: [String]
  /// The parameters that results depend on.
  private let parameters: [Int]
  private let isRandom: Bool
  /// The arithmetic of one element, roughly, in operations.
  let work: Int

  init(_ formula: Formula) {
    var isUsed = [Bool](repeating: false, count: formula.steps.count)
    for output in formula.outputs { isUsed[output] = true }
    for (place, step) in formula.steps.enumerated().reversed() where isUsed[place] {
      for slot in 0..<step.operation.operandCount { isUsed[Int(step.operands[slot])] = true }
    }
    let steps = formula.steps.enumerated().filter { isUsed[$0.offset] }
    func numbers(_ operation: FormulaOperator) -> [Int] {
      steps.filter { $0.element.operation == operation }.map { Int($0.element.number) }.sorted()
    }
    inputs = numbers(.input)
    parameters = numbers(.parameter)
    let groups = Set(numbers(.random).map { $0 / 4 }).sorted()
    isRandom = !groups.isEmpty
    statements =
      groups.map {
        "tessera_words w\($0) = tessera_draw(element, \($0)u, seed_low, seed_high, step_low, "
          + "step_high);"
      } + steps.map { "tessera_float s\($0.offset) = \(Self.expression($0.element));" }
    results = formula.outputs.map { "s\($0)" }
    work = steps.reduce(0) { $0 + Self.work($1.element.operation) }
  }

  /// Adds parameters of the formula and what random numbers depend on.
  func declare(
    _ values: [Float], _ random: RandomKey, in kernel: inout KernelParameters
  ) {
    for place in parameters { kernel.add("p\(place)", values[place]) }
    guard isRandom else { return }
    for (name, word) in [("seed", random.seed), ("step", random.step)] {
      kernel.add("\(name)_low", UInt32(truncatingIfNeeded: word))
      kernel.add("\(name)_high", UInt32(truncatingIfNeeded: word >> 32))
    }
  }

  private static func expression(_ step: Formula.Step) -> String {
    let (a, b, c) = ("s\(step.operands.x)", "s\(step.operands.y)", "s\(step.operands.z)")
    return switch step.operation {
    case .input: "a\(step.number)"
    case .parameter: "TESSERA_FLOAT(p\(step.number))"
    case .constant: "TESSERA_FLOAT(as_float(\(step.number)u))"
    case .random: "tessera_unit(w\(step.number / 4).\(["x", "y", "z", "w"][Int(step.number % 4)]))"
    case .negate: "-\(a)"
    case .magnitude: "tessera_magnitude(\(a))"
    case .floor: "floor(\(a))"
    case .exp: "tessera_exp(\(a))"
    case .log: "tessera_log(\(a))"
    case .sin: "tessera_sin(\(a))"
    case .cos: "tessera_cos(\(a))"
    case .tanh: "tessera_tanh(\(a))"
    case .erf: "tessera_erf(\(a))"
    case .sigmoid: "tessera_sigmoid(\(a))"
    case .softplus: "tessera_softplus(\(a))"
    case .squareRoot: "tessera_sqrt(\(a))"
    case .reciprocalSquareRoot: "tessera_rsqrt(\(a))"
    case .add: "\(a) + \(b)"
    case .subtract: "\(a) - \(b)"
    case .multiply: "\(a) * \(b)"
    case .divide: "tessera_divide(\(a), \(b))"
    case .minimum: "tessera_smaller(\(a), \(b))"
    case .maximum: "tessera_larger(\(a), \(b))"
    case .isLess: "TESSERA_ONE_WHERE(\(a) < \(b))"
    case .isEqual: "TESSERA_ONE_WHERE(\(a) == \(b))"
    case .multiplyAdd: "fma(\(a), \(b), \(c))"
    case .select: "TESSERA_SELECT(\(a) != 0.0f, \(b), \(c))"
    }
  }

  private static func work(_ operation: FormulaOperator) -> Int {
    switch operation {
    case .exp, .log, .sin, .cos, .tanh, .erf, .sigmoid, .softplus, .divide, .squareRoot,
      .reciprocalSquareRoot, .random:
      40
    default: 1
    }
  }
}
