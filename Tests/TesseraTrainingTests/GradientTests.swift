import TestSupport
import TesseraTraining
import Testing

/// Functions of one tensor, checked by what small steps change.
@Suite("Gradients")
struct GradientTests {
  struct Case: Sendable, CustomStringConvertible {
    let description: String
    let shape: [Int]
    let function: @Sendable (Tape, Variable) throws(TesseraError) -> Variable

    init(
      _ description: String, _ shape: [Int],
      _ function: @escaping @Sendable (Tape, Variable) throws(TesseraError) -> Variable
    ) {
      (self.description, self.shape, self.function) = (description, shape, function)
    }
  }

  /// Numbers that are not the tensor's own.
  private static func other(_ tape: Tape, _ shape: [Int]) throws(TesseraError) -> Variable {
    var generator = RepeatableGenerator(seed: 77)
    let count = shape.reduce(1, *)
    let matrix = try tape.device.upload(generator.units(count), rows: 1, columns: count)
    return tape.constant(try TensorView(matrix).reshaped(shape))
  }

  private static let cases: [Case] =
    [
      Case("repeated along both sides", [1, 1]) { tape, x throws(TesseraError) in
        try tape.apply(x, other(tape, [4, 5])) { x, _ in x[0] * x[1] * x[0] }
      },
      Case("repeated along the first side", [1, 5]) { tape, x throws(TesseraError) in
        try tape.apply(x, other(tape, [4, 5])) { x, _ in (x[0] * x[1]).tanh }
      },
      Case("repeated along a side in front", [5]) { tape, x throws(TesseraError) in
        try tape.apply(x, other(tape, [4, 5])) { x, _ in x[0] * x[1] }
      },
      Case("dropped at random", [6, 7]) { tape, x throws(TesseraError) in
        try Dropout(share: 0.4)(x, key: RandomKey(seed: 3, step: 4), on: tape)
      },
      Case("random and repeated", [1, 7]) { tape, x throws(TesseraError) in
        try tape.apply(x, other(tape, [6, 7]), random: RandomKey(seed: 5)) { x, _ in
          x[0] * .random(draw: 1) + x[1]
        }
      },
      Case("sum along the first side", [5, 3]) { tape, x throws(TesseraError) in
        try tape.sum(Formula(inputs: 1) { x, _ in [x[0] * x[0]] }, of: [x], along: 0)
      },
      Case("sum of a repeated factor", [1, 3]) { tape, x throws(TesseraError) in
        try tape.sum(
          Formula(inputs: 2) { x, _ in [x[0] * x[1]] }, of: [x, other(tape, [5, 3])], along: 1)
      },
      Case("two sums", [5, 3]) { tape, x throws(TesseraError) in
        let sums = try tape.sums(
          Formula(inputs: 1) { x, _ in [x[0].exp, x[0] * x[0]] }, of: [x], along: 1)
        return try tape.apply(sums[0], sums[1]) { x, _ in x[0] * x[1] }
      },
      Case("the second of two sums", [5, 3]) { tape, x throws(TesseraError) in
        try tape.sums(
          Formula(inputs: 1) { x, _ in [x[0].exp, x[0] * x[0]] }, of: [x], along: 1)[1]
      },
      Case("largest along a side", [4, 6]) { tape, x throws(TesseraError) in
        try tape.maximum(of: x, along: 1)
      },
      Case("left factor", [4, 6]) { tape, x throws(TesseraError) in
        try tape.product(x, other(tape, [6, 3]))
      },
      Case("right factor", [6, 3]) { tape, x throws(TesseraError) in
        try tape.product(other(tape, [4, 6]), x)
      },
      Case("both factors", [4, 6]) { tape, x throws(TesseraError) in
        try tape.product(x, tape.transposed(x))
      },
      Case("a factor of many products", [6, 3]) { tape, x throws(TesseraError) in
        try tape.product(other(tape, [2, 4, 6]), x)
      },
      Case("products side by side", [2, 4, 6]) { tape, x throws(TesseraError) in
        try tape.product(x, other(tape, [2, 6, 3]))
      },
      Case("sparse product", [4, 3]) { tape, x throws(TesseraError) in
        let matrix = try SparseOperator(
          rows: 5, columns: 4, entryRows: [0, 4, 4, 2, 0], entryColumns: [1, 0, 3, 3, 1],
          values: [1, -2, 0.5, 3, 2], on: tape.device)
        return try tape.product(matrix, x)
      },
      Case("rows, some twice", [4, 3]) { tape, x throws(TesseraError) in
        let rows = try tape.rows([3, 0, 3, 1], of: x)
        return try tape.apply(rows, other(tape, [4, 3])) { x, _ in x[0] * x[1] * x[0] }
      },
      Case("other sides", [4, 6]) { tape, x throws(TesseraError) in
        try tape.apply(tape.reshaped(x, [3, 8]), other(tape, [3, 8])) { x, _ in x[0] * x[1] }
      },
      Case("slice", [4, 6]) { tape, x throws(TesseraError) in
        try tape.apply(tape.slice(x, 1..<4, of: 1)) { x, _ in x[0] * x[0] }
      },
      Case("joined with itself", [4, 3]) { tape, x throws(TesseraError) in
        let joined = try tape.joined([x, other(tape, [4, 2]), x], along: 1)
        return try tape.apply(joined, other(tape, [4, 8])) { x, _ in x[0] * x[0] * x[1] }
      },
      Case("used three times", [4, 3]) { tape, x throws(TesseraError) in
        let first = try tape.apply(x) { x, _ in x[0].tanh }
        let second = try tape.apply(x, first) { x, _ in x[0] * x[1] }
        return try tape.apply(second, first, x) { x, _ in x[0] + x[1] * x[2] }
      },
      Case("kept by its inputs only", [4, 3]) { tape, x throws(TesseraError) in
        try tape.checkpointed([x]) { tape, x throws(TesseraError) in
          let first = try tape.apply(x[0]) { x, _ in x[0].tanh }
          return try tape.apply(first, x[0]) { x, _ in x[0] * x[1] }
        }
      },
      Case("log of the sum of exponentials", [4, 6]) { tape, x throws(TesseraError) in
        try tape.logSumExp(x)
      },
      Case("unit lines", [4, 6]) { tape, x throws(TesseraError) in
        try tape.apply(tape.unitLines(x), other(tape, [4, 6])) { x, _ in x[0] * x[1] }
      },
      Case("layer norm", [4, 6]) { tape, x throws(TesseraError) in
        try tape.apply(
          LayerNorm("n", width: 6, on: tape.device)(x, on: tape), other(tape, [4, 6])
        ) { x, _ in x[0] * x[1] }
      },
      Case("root mean square norm", [4, 6]) { tape, x throws(TesseraError) in
        try tape.apply(
          RMSNorm("n", width: 6, on: tape.device)(x, on: tape), other(tape, [4, 6])
        ) { x, _ in x[0] * x[1] }
      },
      Case("linear", [4, 6]) { tape, x throws(TesseraError) in
        try Linear("l", inputs: 6, outputs: 3, seed: 2, on: tape.device)(x, on: tape)
      },
      Case("cross-entropy", [4, 6]) { tape, x throws(TesseraError) in
        try Loss.crossEntropy(x, [5, 0, 5, 2], on: tape)
      },
      Case("binary cross-entropy", [4, 3]) { tape, x throws(TesseraError) in
        try Loss.binaryCrossEntropy(x, targets: other(tape, [4, 3]).value, on: tape)
      },
      Case("squared error", [4, 3]) { tape, x throws(TesseraError) in
        try Loss.squaredError(x, targets: other(tape, [4, 3]).value, on: tape)
      },
      Case("BPR by users", [4, 3]) { tape, x throws(TesseraError) in
        try Loss.bpr(
          users: x, positives: other(tape, [4, 3]), negatives: tape.apply(x) { x, _ in x[0].sin },
          on: tape)
      },
      Case("InfoNCE", [4, 3]) { tape, x throws(TesseraError) in
        try Loss.infoNCE(x, other(tape, [6, 3]), temperature: 0.5, on: tape)
      },
      Case("DirectAU", [4, 3]) { tape, x throws(TesseraError) in
        try Loss.directAU(users: x, items: other(tape, [4, 3]), weight: 0.7, on: tape)
      },
      Case("orthogonal projection", [4, 3]) { tape, x throws(TesseraError) in
        try Loss.orthogonalProjection(x, [1, 0, 1, 0], weight: 0.5, on: tape)
      },
      Case("convolution", [2, 5, 6, 2]) { tape, x throws(TesseraError) in
        try Convolution(
          "c", channels: 2, outputs: 3, size: (3, 2), seed: 4, on: tape.device)(x, on: tape)
      },
      Case("convolution with steps and padding", [2, 5, 6, 2]) { tape, x throws(TesseraError) in
        try Convolution(
          "c", channels: 2, outputs: 3, size: (3, 3), stride: 2, padding: (1, 1), seed: 4,
          on: tape.device)(x, on: tape)
      },
      Case("convolution of sequences", [2, 1, 9, 2]) { tape, x throws(TesseraError) in
        try Convolution(
          "c", channels: 2, outputs: 3, size: (1, 3), padding: (0, 1), seed: 4, on: tape.device)(
            x, on: tape)
      },
      Case("pooling", [2, 5, 4, 2]) { tape, x throws(TesseraError) in
        try tape.apply(MaxPooling()(x, on: tape), other(tape, [2, 2, 2, 2])) { x, _ in x[0] * x[1] }
      },
      Case("softmax", [3, 5]) { tape, x throws(TesseraError) in try tape.softmax(x) },
      Case("attention of two heads", [2, 3, 4]) { tape, x throws(TesseraError) in
        let attention = try MultiHeadAttention(
          "a", width: 4, heads: 2, seed: 3, on: tape.device)
        let mask = try other(tape, [1, 1, 3, 3]).value
        return try attention(x, mask: mask, on: tape)
      },
      Case("target attention", [2, 3, 4]) { tape, x throws(TesseraError) in
        let attention = try TargetAttention("a", width: 4, hidden: 5, seed: 3, on: tape.device)
        let mask = TensorView(
          try tape.device.upload([1, 1, 0, 1, 0, 0] as [Float], rows: 6, columns: 1))
        return try attention(
          history: x, candidates: other(tape, [2, 4]), mask: mask.reshaped([2, 3, 1]), on: tape)
      },
    ]
    + Activation.allCases.map { activation in
      Case(activation.rawValue, [4, 6]) { tape, x throws(TesseraError) in
        try activation(x, on: tape)
      }
    }

  @Test("equal what small steps change", arguments: cases)
  func differences(_ input: Case) throws {
    let device = ReferenceDevice.shared
    let tape = Tape(TensorMemory(on: device))
    var generator = RepeatableGenerator(seed: 21)
    var numbers = generator.units(input.shape.reduce(1, *))
    let parameter = Parameter(
      "x",
      try TensorView(device.upload(numbers, rows: 1, columns: numbers.count))
        .reshaped(input.shape))

    /// The result, weighted so that all of it counts differently.
    func loss() throws(TesseraError) -> Variable {
      try device.upload(
        numbers, to: Matrix<Float>(parameter.value.storage, rows: 1, columns: numbers.count))
      let result = try input.function(tape, tape.weights(of: parameter))
      let weights = try Self.other(tape, [result.value.count]).value.reshaped(result.shape)
      return try tape.sum(
        of: tape.apply(result, tape.constant(weights)) { x, _ in x[0] * x[1] })
    }
    func value() throws -> Double {
      defer { tape.reset() }
      return Double(try device.memory(of: loss().value)[0])
    }

    try tape.backward(from: loss())
    guard case .dense(let gradient) = parameter.gradient else {
      Issue.record("there is no gradient")
      return
    }
    let copy = try tape.memory.tensor(input.shape)
    try device.apply(.copy, to: [gradient], into: [copy])
    let found = try device.memory(of: copy)
    tape.reset()
    for place in numbers.indices {
      let before = numbers[place]
      let step: Float = 0x1p-7
      numbers[place] = before + step
      let above = try value()
      numbers[place] = before - step
      let below = try value()
      numbers[place] = before
      let expected = (above - below) / Double(2 * step)
      // Float32 numbers of about 1, and the third derivative times the square of the step.
      #expect(
        abs(Double(found[place]) - expected) <= 4e-3 * max(1, abs(expected)),
        "by number \(place): \(found[place]), expected \(expected)")
    }
  }

  @Test("rows of weights have gradients of their own, added up in a fixed order")
  func rowsOfWeights() throws {
    let device = ReferenceDevice.shared
    let tape = Tape(TensorMemory(on: device))
    var generator = RepeatableGenerator(seed: 4)
    let parameter = Parameter(
      "table", TensorView(try device.upload(generator.units(20), rows: 5, columns: 4)))
    let first = try tape.rows([3, 1, 3], of: parameter)
    let second = try tape.rows([4, 3, 1], of: parameter)
    let sum = try tape.sum(
      of: tape.apply(first, second) { x, _ in x[0] * x[1] })
    try tape.backward(from: sum)
    guard case .rows(let rows, let gradient) = parameter.gradient else {
      Issue.record("the gradient is not by rows")
      return
    }
    #expect(try device.download(rows.numbers) == [1, 3, 4])
    let values = try device.memory(of: gradient)
    let table = try device.memory(of: parameter.value)
    // Row 1 met row 3, row 3 met rows 4, 1 and 3 (as second), row 4 met row 3.
    for column in 0..<4 {
      func at(_ row: Int) -> Float { table[row * 4 + column] }
      #expect(values[column] == at(3) + at(3))
      #expect(values[4 + column] == (at(4) + at(1)) + at(1))
      #expect(values[8 + column] == at(3))
    }
  }

  @Test("memory is steady from the second step on")
  func steadyMemory() throws {
    let memory = TensorMemory(on: ReferenceDevice.shared)
    let tape = Tape(memory)
    let layer = try Linear("l", inputs: 6, outputs: 3, seed: 1, on: memory.device)
    let optimiser = Adam()
    var held: [Int] = []
    for _ in 0..<4 {
      let result = try layer(Self.other(tape, [8, 6]), on: tape)
      try tape.backward(from: tape.mean(of: result))
      try optimiser.step(layer.parameters, on: memory.device)
      tape.reset()
      held.append(memory.heldBytes)
    }
    #expect(held[0] > 0 && Set(held).count == 1)
  }

  @Test("refuses gradients of more than one number, and shapes that do not fit")
  func refusals() throws {
    let tape = Tape(TensorMemory(on: ReferenceDevice.shared))
    let x = try Self.other(tape, [4, 3])
    #expect(refusal { try tape.backward(from: x) }?.code == .invalidShape)
    #expect(refusal { _ = try tape.product(x, x) }?.code == .invalidShape)
    #expect(refusal { _ = try tape.reshaped(x, [5, 3]) }?.code == .invalidShape)
    #expect(
      refusal { _ = try tape.joined([x, Self.other(tape, [3, 3])], along: 1) }?.code
        == .invalidShape)
    #expect(refusal { _ = try tape.rows([4], of: x) }?.code == .invalidArgument)
    #expect(
      refusal { _ = try Loss.crossEntropy(x, [0, 1, 2, 3], on: tape) }?.code
        == .invalidArgument)
    #expect(refusal { _ = try Loss.crossEntropy(x, [0, 1], on: tape) }?.code == .invalidShape)
  }
}
