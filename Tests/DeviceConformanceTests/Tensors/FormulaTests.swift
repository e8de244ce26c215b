import TesseraCompute
import TestSupport
import Testing

@Suite("apply")
struct FormulaTests {
  /// Numbers at which functions turn: zeros, infinities, NaN, subnormals, whole and large numbers.
  private static let corners: [Float] = [
    0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3.1415927, -1.5707964, 0.6931472, 88.72284, -87.33655, 89,
    -104,
    0x1p-149, -0x1p-149, Float(bitPattern: 0x007F_FFFF), 0x1p-126, .greatestFiniteMagnitude,
    -.greatestFiniteMagnitude, .infinity, -.infinity, .nan, 8388607.5, 16777216, 1e10, -1e10, 1e-8,
    0.99999994, 1.0000001, 10, -10, 20, 0.1,
  ]

  private static let operators = FormulaOperator.allCases.filter { $0.operandCount > 0 }

  @Test("each operator gives the reference's bits", arguments: Subject.present)
  func operators(_ subject: Subject) throws {
    let device = try subject.device
    let corners = Self.corners
    var generator = RepeatableGenerator(seed: 5)
    var numbers: [[Float]] = [[], [], []]
    for first in corners {
      for second in corners {
        numbers[0].append(first)
        numbers[1].append(second)
        numbers[2].append(generator.pick(corners))
      }
    }
    for _ in 0..<700 {
      for place in 0..<3 { numbers[place].append(generator.unit() * 30) }
    }
    for operation in Self.operators {
      let formula = Formula(inputs: operation.operandCount) { x, _ in
        [Term.of(operation, x)]
      }
      func results(_ device: any Device) throws -> [Float] {
        let inputs = try numbers[..<operation.operandCount].map {
          TensorView(try device.upload($0, rows: 1, columns: $0.count))
        }
        let result = TensorView(
          try device.allocate(Float.self, rows: 1, columns: numbers[0].count))
        try device.apply(formula, to: inputs, into: [result])
        return try device.memory(of: result)
      }
      let difference = try bitDifference(results(device), results(ReferenceDevice.shared))
      #expect(difference == nil, "\(operation)")
    }
  }

  struct Case: Workload, CustomStringConvertible {
    var seed: UInt64
    var work: Int { 200_000 }
    var description: String { "seed \(seed)" }
  }

  @Test(
    "random formulas on tensors that lie anyhow give the reference's bits",
    arguments: Subject.present)
  func randomFormulas(_ subject: Subject) throws {
    let device = try subject.device
    // A new program for each on OpenCL, which its compiler takes a second for.
    let isCompiled = device.info.accelerated.contains(.apply) && device.info.kind != .reference
    let count =
      subject.description.hasPrefix("opencl") ? 12 : isCompiled ? 500 : 60
    for seed in 0..<count {
      let trial = RandomFormula(seed: UInt64(seed))
      let found = try trial.results(on: device)
      let expected = try trial.results(on: ReferenceDevice.shared)
      for (place, pair) in zip(found, expected).enumerated() {
        #expect(
          bitDifference(pair.0, pair.1) == nil, "seed \(seed), result \(place): \(trial.summary)")
      }
    }
  }

  @Test("works in place, each result from what was there before", arguments: Subject.present)
  func inPlace(_ subject: Subject) throws {
    let device = try subject.device
    var generator = RepeatableGenerator(seed: 9)
    let (x, y) = (generator.units(3000), generator.units(3000))
    let formula = Formula(inputs: 2, parameters: 1) { x, p in
      [x[0] + p[0] * x[1], x[0] - x[1]]
    }
    let first = TensorView(try device.upload(x, rows: 30, columns: 100))
    let second = TensorView(try device.upload(y, rows: 30, columns: 100))
    try device.apply(formula, to: [first, second], parameters: [0.25], into: [first, second])
    #expect(
      try bitDifference(device.memory(of: first), zip(x, y).map { $0 + 0.25 * $1 }) == nil)
    #expect(try bitDifference(device.memory(of: second), zip(x, y).map { $0 - $1 }) == nil)
    // Exchanged, which no order of copying does without another place.
    let exchange = Formula(inputs: 2) { x, _ in [x[1], x[0]] }
    let before = (try device.memory(of: first), try device.memory(of: second))
    try device.apply(exchange, to: [first, second], into: [first, second])
    #expect(try device.memory(of: first) == before.1)
    #expect(try device.memory(of: second) == before.0)
  }

  @Test("random numbers depend on seed, step, draw and place only", arguments: Subject.present)
  func randomNumbers(_ subject: Subject) throws {
    let device = try subject.device
    let formula = Formula(inputs: 0) { _, _ in
      [.random(draw: 0), .random(draw: 1), .random(draw: 6)]
    }
    for key in [RandomKey(seed: 1), RandomKey(seed: 1 << 40 + 3, step: 7)] {
      func results(_ device: any Device) throws -> [[Float]] {
        let views = try (0..<3).map { _ in
          TensorView(try device.allocate(Float.self, rows: 40, columns: 60))
        }
        try device.apply(formula, to: [], parameters: [], random: key, into: views)
        return try views.map { view in try device.memory(of: view) }
      }
      let found = try results(device)
      #expect(try found == results(ReferenceDevice.shared))
      #expect(Set(found[0] + found[1] + found[2]).count > 7100)
      #expect(found.joined().allSatisfy { (0..<1).contains($0) })
      #expect(abs(found.joined().reduce(0, +) / 7200 - 0.5) < 0.02)
    }
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    func tensor(_ shape: [Int]) throws -> TensorView<Float> {
      TensorView(try device.allocate(byteCount: 4 * shape.reduce(1, *)), shape: shape)
    }
    let sum = Formula(inputs: 2) { x, _ in [x[0] + x[1]] }
    for (inputs, result) in [
      ([[2, 3], [2, 4]], [2, 3]), ([[2, 3], [3, 2]], [2, 3]), ([[2, 3], [1, 2, 3]], [2, 3]),
      ([[2, 3], [2, 3]], [1, 3]),
    ] {
      let error = refusal {
        try device.apply(sum, to: inputs.map(tensor), into: [tensor(result)])
      }
      #expect(error?.code == .invalidShape, "\(inputs) into \(result)")
    }
    let error = refusal { try device.apply(sum, to: [tensor([2])], into: [tensor([2])]) }
    #expect(error?.code == .invalidShape)
    let repeated = try tensor([1]).broadcast(to: [4])
    #expect(
      refusal { try device.apply(sum, to: [tensor([4]), tensor([4])], into: [repeated]) }?.code
        == .invalidShape)
  }

  @Test("the test vector of Philox4x32-10")
  func philox() {
    #expect(
      Philox.words(SIMD4(0, 0, 0, 0), key: SIMD2(0, 0))
        == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(
      Philox.words(
        SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
        key: SIMD2(0xa409_3822, 0x299f_31d0))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }
}

/// A formula of random terms on tensors of a random shape.
struct RandomFormula {
  let formula: Formula
  let inputs: [TensorSample]
  let results: [TensorSample]
  let parameters: [Float]
  let key: RandomKey

  init(seed: UInt64) {
    var generator = RepeatableGenerator(seed: seed)
    let shapes = [
      [1], [31], [1030], [2, 3], [33, 17], [1, 70], [70, 1], [3, 5, 7], [4, 1, 33], [2, 3, 4, 5],
      [2, 600, 2], [5, 64],
    ]
    let shape = generator.pick(shapes)
    let inputCount = 1 + generator.below(5)
    let (stepCount, outputCount) = (1 + generator.below(14), 1 + generator.below(3))
    let operators = FormulaOperator.allCases.filter { $0.operandCount > 0 }
    parameters = generator.units(2)
    formula = Formula(inputs: inputCount, parameters: 2) { x, p in
      var terms = x + p + [.constant(0.5), .random(draw: 2)]
      for _ in 0..<stepCount {
        let chosen = (0..<3).map { _ in generator.pick(terms) }
        terms.append(.of(generator.pick(operators), chosen))
      }
      return (0..<outputCount).map { terms[terms.count - 1 - $0 % terms.count] }
    }
    key = RandomKey(seed: generator.next(), step: seed)
    var samples: [TensorSample] = []
    for place in 0..<inputCount + outputCount {
      var own = shape
      var layouts = TensorSample.Layout.allCases
      if place >= inputCount {
        layouts = [.dense, .transposed, .spaced, .selected]
      } else if generator.below(3) == 0 {
        // Repeated by the operation.
        own = own.map { generator.below(2) == 0 ? 1 : $0 }
        layouts = [.dense, .spaced]
        if own[0] == 1, generator.below(2) == 0 { own = Array(own.drop { $0 == 1 }) }
        if own.isEmpty { own = [1] }
      }
      let layout = generator.pick(layouts)
      samples.append(TensorSample(own, layout) { generator.units($0).map { $0 * 4 } })
    }
    inputs = Array(samples[..<inputCount])
    results = Array(samples[inputCount...])
  }

  var summary: String {
    "\(formula.steps.map(\.operation)) on \(inputs.map { "\($0.shape) \($0.layout)" }) into "
      + "\(results.map { "\($0.shape) \($0.layout)" })"
  }

  /// The memory of each result.
  func results(on device: any Device) throws(TesseraError) -> [[Float]] {
    let targets = try results.map { sample throws(TesseraError) in try sample.view(on: device) }
    try device.apply(
      formula, to: inputs.map { sample throws(TesseraError) in try sample.view(on: device) },
      parameters: parameters, random: key, into: targets)
    return try targets.map { target throws(TesseraError) in try device.memory(of: target) }
  }
}
