import TestSupport
import TesseraTraining
import Testing

@Suite("Optimisers")
struct OptimiserTests {
  /// Does three steps with gradient (1, -2, 0.5), twice that, and once more the first.
  private func weights(after optimiser: any Optimiser) throws -> [Float] {
    let device = ReferenceDevice.shared
    let tape = Tape(TensorMemory(on: device))
    let parameter = Parameter("w", TensorView(try device.upload([1, 2, 3], rows: 1, columns: 3)))
    for factor: Float in [1, 2, 1] {
      let slopes = TensorView(
        try device.upload([1, -2, 0.5].map { $0 * factor }, rows: 1, columns: 3))
      let product = try tape.apply(tape.weights(of: parameter), tape.constant(slopes)) { x, _ in
        x[0] * x[1]
      }
      try tape.backward(from: tape.sum(of: product))
      try optimiser.step([parameter], on: device)
      tape.reset()
    }
    return try device.memory(of: parameter.value)
  }

  private func expectClose(_ found: [Float], _ expected: [Float]) {
    for (found, expected) in zip(found, expected) { #expect(abs(found - expected) < 1e-6) }
  }

  @Test("gradient descent, with momentum and decay")
  func descent() throws {
    try expectClose(weights(after: GradientDescent(rate: 0.1)), [0.6, 2.8, 2.8])
    // v: 1, 2.5, 2.25 times the slopes.
    try expectClose(
      weights(after: GradientDescent(rate: 0.1, momentum: 0.5)),
      [1 - 0.575, 2 + 1.15, 3 - 0.2875])
    // w -= 0.1 * (slope + 0.5 * w), three times.
    var expected: [Float] = [1, 2, 3]
    for factor: Float in [1, 2, 1] {
      for (place, slope) in [1, -2, 0.5].enumerated() as EnumeratedSequence<[Float]> {
        expected[place] -= 0.1 * (slope * factor + 0.5 * expected[place])
      }
    }
    try expectClose(weights(after: GradientDescent(rate: 0.1, decay: 0.5)), expected)
  }

  @Test("Adam and AdamW give what their papers' formulas give in Float64")
  func adam() throws {
    for isDecoupled in [false, true] {
      var weights: [Double] = [1, 2, 3]
      var (m, v) = ([0.0, 0, 0], [0.0, 0, 0])
      var (firstPower, secondPower) = (1.0, 1.0)
      for factor in [1.0, 2, 1] {
        firstPower *= 0.9
        secondPower *= 0.999
        for (place, slope) in [1, -2, 0.5].enumerated() {
          var gradient = slope * factor
          if isDecoupled {
            weights[place] -= 0.1 * 0.01 * weights[place]
          } else {
            gradient += 0.01 * weights[place]
          }
          m[place] = 0.9 * m[place] + 0.1 * gradient
          v[place] = 0.999 * v[place] + 0.001 * gradient * gradient
          weights[place] -=
            0.1 * (m[place] / (1 - firstPower))
            / ((v[place] / (1 - secondPower)).squareRoot() + 1e-8)
        }
      }
      try expectClose(
        self.weights(after: Adam(rate: 0.1, decay: 0.01, isDecoupled: isDecoupled)),
        weights.map { Float($0) })
    }
  }

  @Test("rows without a gradient stay, and so does their state")
  func rows() throws {
    let device = ReferenceDevice.shared
    let tape = Tape(TensorMemory(on: device))
    let parameter = Parameter(
      "table", TensorView(try device.upload([1, 2, 3, 4, 5, 6], rows: 3, columns: 2)))
    let optimiser = Adam(rate: 0.5)
    for _ in 0..<2 {
      try tape.backward(from: tape.sum(of: tape.rows([2, 0], of: parameter)))
      try optimiser.step([parameter], on: device)
      tape.reset()
    }
    let values = try device.memory(of: parameter.value)
    #expect(values[2...3] == [3, 4])
    expectClose([values[0], values[1], values[4], values[5]], [0, 1, 4, 5])
    let mean = try device.memory(of: optimiser.state.tensors[0].tensor)
    #expect(mean[2...3] == [0, 0] && mean[0] > 0)
  }

  @Test("limits of gradients")
  func limits() throws {
    let device = ReferenceDevice.shared
    let memory = TensorMemory(on: device)
    let tape = Tape(memory)
    let parameter = Parameter("w", TensorView(try device.upload([3, -4], rows: 1, columns: 2)))
    func gradient(_ limit: GradientLimit) throws -> ([Float], Float?) {
      defer { tape.reset() }
      let square = try tape.apply(tape.weights(of: parameter)) { x, _ in
        .constant(0.5) * x[0] * x[0]
      }
      try tape.backward(from: tape.sum(of: square))
      let length = try limit.apply(to: [parameter], in: memory)
      guard case .dense(let gradient) = parameter.gradient else { return ([], nil) }
      return (try device.memory(of: gradient), length)
    }
    #expect(try gradient(.value(3.5)) == ([3, -3.5], nil))
    #expect(try gradient(.norm(10)) == ([3, -4], 5))
    let (shorter, length) = try gradient(.norm(1))
    expectClose(shorter, [0.6, -0.8])
    #expect(length == 5)
  }

  @Test("schedules")
  func schedules() {
    #expect(Schedule.constant.factor(at: 9) == 1)
    #expect([0, 9, 10, 25].map(Schedule.step(every: 10, factor: 0.5).factor) == [1, 1, 0.5, 0.25])
    let cosine = Schedule.cosine(warmUp: 4, steps: 24)
    #expect([0, 3, 4].map(cosine.factor) == [0.25, 1, 1])
    #expect(abs(cosine.factor(at: 14) - 0.5) < 1e-6)
    #expect(abs(cosine.factor(at: 24)) < 1e-6)
    #expect(abs(cosine.factor(at: 100)) < 1e-6)
  }
}
