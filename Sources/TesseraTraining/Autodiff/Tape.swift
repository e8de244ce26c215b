public import TesseraCompute

/// A record of what was computed, from which gradients follow: reverse-mode differentiation.
///
///     let tape = Tape(memory)
///     let scores = try tape.product(tape.constant(inputs), tape.weights(of: parameter))
///     let loss = try tape.mean(of: scores)
///     try tape.backward(from: loss)
///     tape.reset()
///
/// Work is done at once, on the device of the memory, and every number has the same bits on every
/// device. For one thread.
public final class Tape {
  /// The memory that results lie in, until ``reset()``.
  public let memory: TensorMemory
  /// The device that computes.
  public var device: any Device { memory.device }

  private var steps: [Step] = []
  private var gradients: [TensorView<Float>?] = []
  private var parameters: [ObjectIdentifier: Use] = [:]
  /// Parameters in the order of their first use, so that gradients are made in that order.
  private var order: [Parameter] = []

  private struct Step {
    let results: [Int]
    let backward: ([TensorView<Float>?]) throws(TesseraError) -> Void
  }

  /// How a parameter was used: as a whole, or rows of it.
  private struct Use {
    var whole: Variable?
    var rows: [(rows: [Int32], variable: Variable)] = []
  }

  /// Starts an empty record.
  public init(_ memory: TensorMemory) { self.memory = memory }

  // MARK: Inputs

  /// Takes numbers that no gradient is asked for.
  public func constant(_ value: TensorView<Float>) -> Variable {
    Variable(value: value, number: nil)
  }

  /// Takes all weights of a parameter.
  public func weights(of parameter: Parameter) -> Variable {
    note(parameter) { use in
      if let whole = use.whole { return whole }
      let variable = variable(parameter.value)
      use.whole = variable
      return variable
    }
  }

  /// Takes rows of a parameter, without copying them. The gradient is by those rows only.
  ///
  /// - Throws: `.invalidArgument` for a row that is not there.
  public func rows(_ rows: [Int32], of parameter: Parameter) throws(TesseraError) -> Variable {
    let selection = try device.select(rows, below: parameter.value.shape[0])
    let value = try parameter.value.selecting(selection)
    return note(parameter) { use in
      let variable = variable(value)
      use.rows.append((rows, variable))
      return variable
    }
  }

  private func note(_ parameter: Parameter, _ body: (inout Use) -> Variable) -> Variable {
    let key = ObjectIdentifier(parameter)
    if parameters[key] == nil {
      parameters[key] = Use()
      order.append(parameter)
    }
    return body(&parameters[key, default: Use()])
  }

  // MARK: For operations

  /// A variable whose gradient is asked for.
  func variable(_ value: TensorView<Float>) -> Variable {
    gradients.append(nil)
    return Variable(value: value, number: gradients.count - 1)
  }

  /// Notes how the gradients by `inputs` follow from those by results.
  ///
  /// - Parameter backward: Gets the gradient by each result, nil where it is 0, and calls
  ///   ``add(_:to:)`` for each input that has one.
  /// - Returns: A variable for each of `values`, without gradients if no input has one.
  func record(
    _ values: [TensorView<Float>], from inputs: [Variable],
    backward: @escaping ([TensorView<Float>?]) throws(TesseraError) -> Void
  ) -> [Variable] {
    guard inputs.contains(where: \.hasGradient) else { return values.map(constant) }
    let results = values.map(variable)
    steps.append(Step(results: results.compactMap(\.number), backward: backward))
    return results
  }

  /// Adds to the gradient by a variable. The tensor is the tape's from then on.
  func add(_ gradient: TensorView<Float>, to variable: Variable) throws(TesseraError) {
    guard let number = variable.number else { return }
    guard let known = gradients[number] else {
      gradients[number] = gradient
      return
    }
    // A gradient may be a view that another variable's gradient shares: the sum gets its own memory.
    let sum = try memory.tensor(variable.shape)
    try device.apply(.sum, to: [known, gradient], into: [sum])
    gradients[number] = sum
  }

  // MARK: Gradients

  /// Computes the gradient of `result`, one number, by every parameter that it depends on, and leaves
  /// it in ``Parameter/gradient``.
  ///
  /// - Throws: `.invalidShape` if the result is not one number.
  public func backward(from result: Variable) throws(TesseraError) {
    guard result.value.count == 1 else {
      throw TesseraError(
        .invalidShape, "backward: the result has the shape \(result.shape), expected one number")
    }
    try backward(from: result, gradient: memory.tensor(result.shape, filledWith: 1))
    for parameter in order { parameter.gradient = try gradient(by: parameter) }
  }

  /// Follows the record back from `result`, whose gradient is given.
  func backward(
    from result: Variable, gradient: TensorView<Float>
  ) throws(TesseraError) {
    try add(gradient, to: result)
    for step in steps.reversed() {
      let known = step.results.map { gradients[$0] }
      guard known.contains(where: { $0 != nil }) else { continue }
      try step.backward(known)
      for number in step.results { gradients[number] = nil }
    }
  }

  /// The gradient by a variable that no step made, after ``backward(from:gradient:)``.
  func gradient(by variable: Variable) -> TensorView<Float>? {
    variable.number.flatMap { gradients[$0] }
  }

  private func gradient(
    by parameter: Parameter
  ) throws(TesseraError) -> Parameter.Gradient? {
    guard let use = parameters[ObjectIdentifier(parameter)] else { return nil }
    let whole = use.whole.flatMap(gradient(by:))
    var parts: [(rows: [Int32], gradient: TensorView<Float>)] = []
    for part in use.rows {
      if let gradient = gradient(by: part.variable) { parts.append((part.rows, gradient)) }
    }
    guard !parts.isEmpty else { return whole.map { .dense($0) } }
    let rows = try RowGradient(parts, of: parameter.value.shape[0], in: memory)
    guard let whole else { return .rows(rows.selection, rows.sums) }
    let sum = try memory.tensor(parameter.value.shape)
    try device.apply(.copy, to: [whole], into: [sum])
    let touched = try sum.selecting(rows.selection)
    try device.apply(.sum, to: [touched, rows.sums], into: [touched])
    return .dense(sum)
  }

  /// Forgets everything and gives the memory back; gradients of parameters are gone too.
  public func reset() {
    for parameter in order { parameter.gradient = nil }
    steps.removeAll(keepingCapacity: true)
    gradients.removeAll(keepingCapacity: true)
    parameters.removeAll(keepingCapacity: true)
    order.removeAll(keepingCapacity: true)
    memory.reuseAll()
  }
}

/// Numbers on a tape, and the place where their gradient is kept.
public struct Variable {
  /// The numbers.
  public let value: TensorView<Float>
  /// The place of the gradient; nil for numbers that no gradient is asked for.
  let number: Int?

  /// The length of each side.
  public var shape: [Int] { value.shape }
  /// True if a gradient is asked for.
  public var hasGradient: Bool { number != nil }
}

/// Gradients by rows that may be named more than once, added up row by row.
struct RowGradient {
  /// The rows that have a gradient, rising.
  let selection: RowSelection
  /// One line for each.
  let sums: TensorView<Float>

  /// Adds up lines that belong to equal rows: those of one part in their order, in runs of 256, and
  /// part after part.
  ///
  /// - Parameters:
  ///   - parts: Rows, and a gradient line for each.
  ///   - limit: The number of rows there are.
  init(
    _ parts: [(rows: [Int32], gradient: TensorView<Float>)], of limit: Int, in memory: TensorMemory
  ) throws(TesseraError) {
    var isUsed = [Bool](repeating: false, count: limit)
    for part in parts { for row in part.rows { isUsed[Int(row)] = true } }
    var place = [Int32](repeating: 0, count: limit)
    var used: [Int32] = []
    for row in 0..<limit where isUsed[row] {
      place[row] = Int32(used.count)
      used.append(Int32(row))
    }
    let device = memory.device
    selection = try device.select(used, below: limit)
    sums = try memory.tensor([used.count] + parts[0].gradient.shape.dropFirst())
    for (number, part) in parts.enumerated() {
      let matrix = try device.makeSparse(
        rows: used.count, columns: part.rows.count, entryRows: part.rows.map { place[Int($0)] },
        entryColumns: Array(0..<Int32(part.rows.count)))
      try device.product(matrix, part.gradient, adding: number > 0, into: sums)
    }
  }
}
