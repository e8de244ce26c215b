/// Element-wise mathematics that a device does in one pass: numbers of up to eight tensors in, up to
/// four out.
///
///     let step = Formula(inputs: 2, parameters: 1) { x, p in [x[0] - p[0] * x[1]] }
///     try device.apply(step, to: [weights, gradient], parameters: [0.1], into: [weights])
///
/// A formula is a list of at most 200 steps, each of which uses results of steps before it; equal
/// steps are made once. It gives the same bits on every device: each step is rounded by itself, and
/// `a * b + c` is two steps unless ``Term/multiplyAdd(_:_:_:)`` asks for one.
public struct Formula: Sendable, Hashable {
  /// An operator with the steps that it uses.
  public struct Step: Sendable, Hashable {
    /// What is computed.
    public let operation: FormulaOperator
    /// The steps used, as many as the operator has operands; the rest are 0.
    public let operands: SIMD3<Int32>
    /// The input or parameter meant, the constant's bits, or the number of the random draw.
    public let number: UInt32
  }

  /// The tensors that it reads, at most ``inputLimit``.
  public let inputCount: Int
  /// The numbers that are given each time it is applied.
  public let parameterCount: Int
  /// The steps in order.
  public let steps: [Step]
  /// The steps that are results, at most ``outputLimit``.
  public let outputs: [Int]

  /// The most tensors that a formula reads.
  public static let inputLimit = 8
  /// The most tensors that a formula writes.
  public static let outputLimit = 4
  /// The most steps of a formula.
  public static let stepLimit = 200

  /// Makes the formula whose results are the terms that `results` returns.
  ///
  /// - Precondition: No more inputs, results or steps than the limits above.
  public init(
    inputs: Int, parameters: Int = 0, _ results: (_ inputs: [Term], _ parameters: [Term]) -> [Term]
  ) {
    self.init(
      inputs: inputs, parameters: parameters,
      results: results((0..<inputs).map(Term.input), (0..<parameters).map(Term.parameter)))
  }

  init(inputs: Int, parameters: Int, results: [Term]) {
    precondition(
      inputs <= Self.inputLimit && (1...Self.outputLimit).contains(results.count),
      "a formula has at most \(Self.inputLimit) inputs and one to \(Self.outputLimit) results")
    var list = StepList()
    outputs = results.map { list.place(of: $0) }
    steps = list.steps
    inputCount = inputs
    parameterCount = parameters
    precondition(
      steps.count <= Self.stepLimit, "a formula has at most \(Self.stepLimit) steps")
    precondition(
      steps.allSatisfy {
        switch $0.operation {
        case .input: $0.number < UInt32(inputs)
        case .parameter: $0.number < UInt32(parameters)
        default: true
        }
      }, "a formula uses its own inputs and parameters only")
  }

  /// True if results depend on the ``RandomKey``.
  public var isRandom: Bool { steps.contains { $0.operation == .random } }

  /// Computes the results for one element, on `Float` by the rules of this page.
  ///
  /// - Parameters:
  ///   - inputs: One number of each input.
  ///   - random: Returns the number of a draw.
  public func results<Number: FormulaNumber>(
    of inputs: [Number], parameters: [Number], random: (_ draw: UInt32) -> Float
  ) -> [Number] {
    var values: [Number] = []
    values.reserveCapacity(steps.count)
    for step in steps {
      let (a, b, c) = (Int(step.operands.x), Int(step.operands.y), Int(step.operands.z))
      let value: Number
      switch step.operation {
      case .input: value = inputs[Int(step.number)]
      case .parameter: value = parameters[Int(step.number)]
      case .constant: value = Number(Float(bitPattern: step.number))
      case .random: value = Number(random(step.number))
      case .negate: value = -values[a]
      case .magnitude: value = values[a].magnitude
      case .floor: value = values[a].rounded(.down)
      case .exp: value = .elementary(.exp, values[a])
      case .log: value = .elementary(.log, values[a])
      case .sin: value = .elementary(.sin, values[a])
      case .cos: value = .elementary(.cos, values[a])
      case .tanh: value = .elementary(.tanh, values[a])
      case .erf: value = .elementary(.erf, values[a])
      case .sigmoid: value = .elementary(.sigmoid, values[a])
      case .softplus: value = .elementary(.softplus, values[a])
      case .squareRoot: value = values[a].squareRoot()
      case .reciprocalSquareRoot: value = .elementary(.reciprocalRoot, values[a])
      case .add: value = values[a] + values[b]
      case .subtract: value = values[a] - values[b]
      case .multiply: value = values[a] * values[b]
      case .divide: value = values[a] / values[b]
      case .minimum: value = values[a] < values[b] || values[a].isNaN ? values[a] : values[b]
      case .maximum: value = values[a] > values[b] || values[a].isNaN ? values[a] : values[b]
      case .isLess: value = values[a] < values[b] ? 1 : 0
      case .isEqual: value = values[a] == values[b] ? 1 : 0
      case .multiplyAdd: value = values[c].addingProduct(values[a], values[b])
      case .select: value = values[a] != 0 ? values[b] : values[c]
      }
      values.append(value)
    }
    return outputs.map { values[$0] }
  }
}

/// A number type that formulas can be computed in.
public protocol FormulaNumber: BinaryFloatingPoint, Sendable {
  /// The value of an elementary function.
  static func elementary(_ function: ElementaryFunction, _ x: Self) -> Self
}

extension Float: FormulaNumber {
  /// The value by fixed arithmetic, the same on every device.
  public static func elementary(_ function: ElementaryFunction, _ x: Float) -> Float {
    function(x)
  }
}

extension Double: FormulaNumber {
  /// The value of the platform's mathematical library: for checks, which need not be the same
  /// everywhere.
  public static func elementary(_ function: ElementaryFunction, _ x: Double) -> Double {
    function(x)
  }
}

/// Puts terms in order, equal ones once.
private struct StepList {
  var steps: [Formula.Step] = []
  private var places: [Formula.Step: Int] = [:]
  private var known: [ObjectIdentifier: Int] = [:]

  /// Returns the place of the term's step, after adding it and all that it uses.
  mutating func place(of term: Term) -> Int {
    if let place = known[ObjectIdentifier(term)] { return place }
    var operands = SIMD3<Int32>(0, 0, 0)
    for (slot, operand) in term.operands.enumerated() {
      operands[slot] = Int32(place(of: operand))
    }
    let step = Formula.Step(operation: term.operation, operands: operands, number: term.number)
    let place = places[step] ?? steps.count
    if place == steps.count {
      steps.append(step)
      places[step] = place
    }
    known[ObjectIdentifier(term)] = place
    return place
  }
}

extension Formula {
  /// The number itself: a copy.
  public static let copy = Formula(inputs: 1) { x, _ in [x[0]] }
}
