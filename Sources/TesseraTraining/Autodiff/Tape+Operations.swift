public import TesseraCompute

extension Tape {
  // MARK: Element by element

  /// Applies a formula to variables, which are repeated to one shape (NumPy's rule). Returns its
  /// results.
  ///
  /// - Parameter random: What random numbers of the formula depend on. Their formula's gradient uses
  ///   the same numbers again.
  /// - Precondition: The formula's inputs and results together are at most ``Formula/inputLimit``.
  /// - Throws: `.invalidShape` for shapes that cannot be repeated to one.
  public func apply(
    _ formula: Formula, to inputs: [Variable], parameters: [Float] = [],
    random: RandomKey = RandomKey(seed: 0)
  ) throws(TesseraError) -> [Variable] {
    let shape = try Self.commonShape(inputs.map(\.shape))
    let values = try formula.outputs.map { _ throws(TesseraError) in try memory.tensor(shape) }
    try device.apply(
      formula, to: inputs.map(\.value), parameters: parameters, random: random, into: values)
    return record(values, from: inputs) { [unowned self] gradients throws(TesseraError) in
      let gradients = try filled(gradients, shape)
      try addGradients(
        formula, by: inputs, inputs.map(\.value) + gradients, parameters, shape, random)
    }
  }

  /// Applies a formula with one result.
  public func apply(
    _ inputs: Variable..., parameters: [Float] = [], random: RandomKey = RandomKey(seed: 0),
    _ term: (_ inputs: [Term], _ parameters: [Term]) -> Term
  ) throws(TesseraError) -> Variable {
    let formula = Formula(inputs: inputs.count, parameters: parameters.count) { [term($0, $1)] }
    return try apply(formula, to: inputs, parameters: parameters, random: random)[0]
  }

  // MARK: Along a side

  /// The sums of a formula's results along a side, which becomes 1.
  ///
  /// - Precondition: The formula's inputs and results together are at most ``Formula/inputLimit``.
  /// - Throws: `.invalidShape`.
  public func sums(
    _ formula: Formula, of inputs: [Variable], parameters: [Float] = [], along side: Int
  ) throws(TesseraError) -> [Variable] {
    let shape = try Self.commonShape(inputs.map(\.shape))
    let combined = try shape.combined(along: side)
    let values = try formula.outputs.map { _ throws(TesseraError) in try memory.tensor(combined) }
    try device.reduce(
      formula, of: inputs.map(\.value), parameters: parameters, by: .sum, along: side,
      into: values)
    return record(values, from: inputs) { [unowned self] gradients throws(TesseraError) in
      // Gradients are repeated along the side.
      let sources = inputs.map(\.value) + (try filled(gradients, combined))
      try addGradients(formula, by: inputs, sources, parameters, shape)
    }
  }

  /// The sum of a formula's only result along a side, which becomes 1.
  ///
  /// - Throws: `.invalidShape`.
  public func sum(
    _ formula: Formula, of inputs: [Variable], parameters: [Float] = [], along side: Int
  ) throws(TesseraError) -> Variable {
    try sums(formula, of: inputs, parameters: parameters, along: side)[0]
  }

  /// The sum of the numbers along a side, which becomes 1.
  public func sum(of x: Variable, along side: Int) throws(TesseraError) -> Variable {
    try sum(.copy, of: [x], along: side)
  }

  /// The sum of all numbers, as a tensor of one number.
  public func sum(of x: Variable) throws(TesseraError) -> Variable {
    var x = try reshaped(x, [x.value.count])
    x = try sum(of: x, along: 0)
    return x
  }

  /// The mean of all numbers, as a tensor of one number.
  public func mean(of x: Variable) throws(TesseraError) -> Variable {
    let count = Float(x.value.count)
    return try apply(sum(of: x), parameters: [1 / count]) { x, p in x[0] * p[0] }
  }

  /// The largest number along a side, which becomes 1. All numbers that equal it get its gradient.
  public func maximum(of x: Variable, along side: Int) throws(TesseraError) -> Variable {
    let value = try memory.tensor(try x.shape.combined(along: side))
    try device.reduce(
      .copy, of: [x.value], parameters: [], by: .maximum, along: side, into: [value])
    return record([value], from: [x]) { [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      let result = try memory.tensor(x.shape)
      try device.apply(.ofLargest, to: [x.value, value, gradient], into: [result])
      try add(result, to: x)
    }[0]
  }

  // MARK: Products

  /// The product of matrices, for each place along the sides in front, which are repeated to one
  /// shape.
  ///
  /// - Throws: `.invalidShape`.
  public func product(_ a: Variable, _ b: Variable) throws(TesseraError) -> Variable {
    guard a.shape.count >= 2, b.shape.count >= 2 else {
      throw TesseraError(
        .invalidShape, "product: shapes \(a.shape) and \(b.shape) have two sides or more")
    }
    let front = try Self.commonShape([
      Array(a.shape.dropLast(2)), Array(b.shape.dropLast(2)),
    ])
    let (left, right) = (try dense(a.value), try dense(b.value))
    let value = try memory.tensor(front + [a.shape[a.shape.count - 2], b.shape[b.shape.count - 1]])
    try device.product(left, right, adding: false, into: value)
    return record([value], from: [a, b]) { [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      if a.hasGradient {
        let full = front + a.shape.suffix(2)
        let result = try memory.tensor(full)
        try device.product(gradient, right.transposed, adding: false, into: result)
        try add(sum(.copy, of: [result], [], from: full, to: a.shape), to: a)
      }
      if b.hasGradient {
        let full = front + b.shape.suffix(2)
        let result = try memory.tensor(full)
        try device.product(left.transposed, gradient, adding: false, into: result)
        try add(sum(.copy, of: [result], [], from: full, to: b.shape), to: b)
      }
    }[0]
  }

  /// The product of a sparse matrix, whose values do not change, with a matrix.
  ///
  /// - Throws: `.invalidShape`.
  public func product(
    _ matrix: SparseOperator, _ x: Variable
  ) throws(TesseraError) -> Variable {
    let value = try memory.tensor([matrix.forward.rows] + x.shape.dropFirst())
    try device.product(matrix.forward, x.value, adding: false, into: value)
    return record([value], from: [x]) { [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      let result = try memory.tensor(x.shape)
      try device.product(matrix.backward, gradient, adding: false, into: result)
      try add(result, to: x)
    }[0]
  }

  // MARK: Rows

  /// Rows of a variable, in the order of `rows`, without copying them.
  ///
  /// - Throws: `.invalidArgument` for a row that is not there.
  public func rows(_ rows: [Int32], of x: Variable) throws(TesseraError) -> Variable {
    let source = try dense(x.value)
    let selection = try device.select(rows, below: x.shape[0])
    return record([try source.selecting(selection)], from: [x]) {
      [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      let matrix = try device.makeSparse(
        rows: x.shape[0], columns: rows.count, entryRows: rows,
        entryColumns: Array(0..<Int32(rows.count)))
      let result = try memory.tensor([x.shape[0], x.value.count / max(1, x.shape[0])])
      try device.product(
        matrix, dense(gradient).reshaped([rows.count, result.shape[1]]), adding: false,
        into: result)
      try add(result.reshaped(x.shape), to: x)
    }[0]
  }

  // MARK: Views

  /// The same numbers along other sides.
  ///
  /// - Throws: `.invalidShape` unless there are as many.
  public func reshaped(_ x: Variable, _ shape: [Int]) throws(TesseraError) -> Variable {
    let value = try dense(x.value).reshaped(shape)
    return record([value], from: [x]) { [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      try add(dense(gradient).reshaped(x.shape), to: x)
    }[0]
  }

  /// The same numbers with the last two sides exchanged.
  public func transposed(_ x: Variable) throws(TesseraError) -> Variable {
    let value = try dense(x.value)
    return record([value.transposed], from: [x]) { [unowned self] gradients throws(TesseraError) in
      if let gradient = gradients[0] { try add(gradient.transposed, to: x) }
    }[0]
  }

  /// The numbers of `range` along a side.
  public func slice(
    _ x: Variable, _ range: Range<Int>, of side: Int
  ) throws(TesseraError) -> Variable {
    let value = try dense(x.value).slice(range, of: side)
    return record([value], from: [x]) { [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      let result = try memory.tensor(x.shape, filledWith: 0)
      try device.apply(.copy, to: [gradient], into: [result.slice(range, of: side)])
      try add(result, to: x)
    }[0]
  }

  /// Variables one after the other along a side.
  ///
  /// - Throws: `.invalidShape` unless they have one shape but for that side.
  public func joined(_ parts: [Variable], along side: Int) throws(TesseraError) -> Variable {
    guard let first = parts.first, first.shape.indices.contains(side),
      parts.allSatisfy({ $0.shape.without(side) == first.shape.without(side) })
    else {
      throw TesseraError(
        .invalidShape, "joined: shapes \(parts.map(\.shape)) along side \(side)")
    }
    var shape = first.shape
    shape[side] = parts.reduce(0) { $0 + $1.shape[side] }
    let value = try memory.tensor(shape)
    var ranges: [Range<Int>] = []
    for part in parts {
      let start = ranges.last?.upperBound ?? 0
      ranges.append(start..<start + part.shape[side])
      try device.apply(
        .copy, to: [part.value], into: [value.slice(ranges[ranges.count - 1], of: side)])
    }
    return record([value], from: parts) { [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      for (part, range) in zip(parts, ranges) where part.hasGradient {
        try add(gradient.slice(range, of: side), to: part)
      }
    }[0]
  }

  // MARK: Less memory

  /// Computes `body` of the inputs and keeps the result only: what leads to it is computed once more
  /// when gradients are asked for (Chen, Xu, Zhang, Guestrin 2016).
  ///
  /// - Parameter body: Computes the result on the tape it is given; it must do the same both times.
  public func checkpointed(
    _ inputs: [Variable],
    _ body: @escaping (_ tape: Tape, _ inputs: [Variable]) throws(TesseraError) -> Variable
  ) throws(TesseraError) -> Variable {
    let spare = TensorMemory(on: device)
    let first = Tape(spare)
    let computed = try body(first, inputs.map { first.constant($0.value) }).value
    let value = try memory.tensor(computed.shape)
    try device.apply(.copy, to: [computed], into: [value])
    return record([value], from: inputs) { [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      let again = Tape(memory)
      let sources = inputs.map {
        $0.hasGradient ? again.variable($0.value) : again.constant($0.value)
      }
      try again.backward(from: body(again, sources), gradient: gradient)
      for (input, source) in zip(inputs, sources) {
        if let gradient = again.gradient(by: source) { try add(gradient, to: input) }
      }
    }[0]
  }

  // MARK: Gradients of formulas

  /// Adds the gradients by all inputs that have one.
  ///
  /// - Parameters:
  ///   - sources: The inputs of the formula and the gradients by its results.
  ///   - shape: The shape that inputs are repeated to.
  private func addGradients(
    _ formula: Formula, by inputs: [Variable], _ sources: [TensorView<Float>],
    _ parameters: [Float], _ shape: [Int], _ random: RandomKey = RandomKey(seed: 0)
  ) throws(TesseraError) {
    let wanted = inputs.indices.filter { inputs[$0].hasGradient }
    // Inputs of the full shape together, as many as a formula has results.
    for some in wanted.filter({ inputs[$0].shape == shape }).cut(by: Formula.outputLimit) {
      let results = try some.map { _ throws(TesseraError) in try memory.tensor(shape) }
      try device.apply(
        formula.gradient(by: some), to: sources, parameters: parameters, random: random,
        into: results)
      for (place, input) in some.enumerated() { try add(results[place], to: inputs[input]) }
    }
    for input in wanted where inputs[input].shape != shape {
      var (partial, sources, parameters) = (formula.gradient(by: [input]), sources, parameters)
      if partial.isRandom {
        // Sums have no random numbers.
        let all = try memory.tensor(shape)
        try device.apply(
          partial, to: sources, parameters: parameters, random: random, into: [all])
        (partial, sources, parameters) = (.copy, [all], [])
      }
      try add(
        sum(partial, of: sources, parameters, from: shape, to: inputs[input].shape),
        to: inputs[input])
    }
  }

  // MARK: Shapes

  /// Gradients with zeros where there are none.
  private func filled(
    _ gradients: [TensorView<Float>?], _ shape: [Int]
  ) throws(TesseraError) -> [TensorView<Float>] {
    try gradients.map { gradient throws(TesseraError) in
      if let gradient { return gradient }
      return try memory.tensor([1], filledWith: 0).broadcast(to: shape)
    }
  }

  /// A copy whose numbers lie one after the other, or the view itself if they do.
  func dense(_ view: TensorView<Float>) throws(TesseraError) -> TensorView<Float> {
    guard view.rows != nil || !view.isDense else { return view }
    let copy = try memory.tensor(view.shape)
    try device.apply(.copy, to: [view], into: [copy])
    return copy
  }

  /// Sums a formula's result along all sides that were repeated to get from `target` to `shape`.
  private func sum(
    _ formula: Formula, of inputs: [TensorView<Float>], _ parameters: [Float], from shape: [Int],
    to target: [Int]
  ) throws(TesseraError) -> TensorView<Float> {
    let added = shape.count - target.count
    let sides = shape.indices.filter { $0 < added || target[$0 - added] != shape[$0] }
    if sides.isEmpty, formula == .copy { return try dense(inputs[0]).reshaped(target) }
    var (formula, inputs, parameters) = (formula, inputs, parameters)
    var current = shape
    for side in sides {
      current[side] = 1
      let result = try memory.tensor(current)
      try device.reduce(
        formula, of: inputs, parameters: parameters, by: .sum, along: side, into: [result])
      (formula, inputs, parameters) = (.copy, [result], [])
    }
    return try inputs[0].reshaped(target)
  }

  /// The shape that all can be repeated to.
  ///
  /// - Throws: `.invalidShape` if there is none.
  static func commonShape(_ shapes: [[Int]]) throws(TesseraError) -> [Int] {
    let count = shapes.map(\.count).max() ?? 0
    var common = [Int](repeating: 1, count: count)
    for shape in shapes {
      for (place, length) in shape.enumerated() {
        let side = place + count - shape.count
        guard common[side] == length || length == 1 || common[side] == 1 else {
          throw TesseraError(.invalidShape, "shapes \(shapes) cannot be repeated to one shape")
        }
        if common[side] == 1 { common[side] = length }
      }
    }
    return common
  }
}

/// A sparse matrix that does not change, with its transpose, which gradients need.
public struct SparseOperator: Sendable {
  /// The matrix.
  public let forward: SparseMatrix
  /// Its transpose.
  public let backward: SparseMatrix

  /// Makes both of a list of entries.
  ///
  /// - Throws: As ``TesseraCompute/Device/makeSparse(rows:columns:entryRows:entryColumns:values:)``.
  public init(
    rows: Int, columns: Int, entryRows: [Int32], entryColumns: [Int32], values: [Float]?,
    on device: any Device
  ) throws(TesseraError) {
    forward = try device.makeSparse(
      rows: rows, columns: columns, entryRows: entryRows, entryColumns: entryColumns,
      values: values)
    backward = try device.makeSparse(
      rows: columns, columns: rows, entryRows: entryColumns, entryColumns: entryRows,
      values: values)
  }
}

extension Formula {
  /// The third input where the first equals the second, else 0.
  fileprivate static let ofLargest = Formula(inputs: 3) { x, _ in
    [.select(x[0].isEqual(to: x[1]), x[2], 0)]
  }
}

extension [Int] {
  fileprivate func without(_ place: Int) -> [Int] { Array(self[..<place] + self[(place + 1)...]) }

  /// The shape after a side was combined.
  fileprivate func combined(along side: Int) throws(TesseraError) -> [Int] {
    guard indices.contains(side) else {
      throw TesseraError(.invalidShape, "side \(side) of a tensor of \(count)")
    }
    var shape = self
    shape[side] = 1
    return shape
  }

  /// At most `count` at a time.
  fileprivate func cut(by count: Int) -> [[Int]] {
    stride(from: 0, to: self.count, by: count).map {
      Array(self[$0..<Swift.min($0 + count, self.count)])
    }
  }
}
