import TesseraCompute
import TestSupport
import Testing

@Suite("reduce")
struct ReductionTests {
  /// Lengths around lanes, runs and tiles, along each side of shapes of every kind.
  private static let cases: [(shape: [Int], side: Int)] = [
    ([5, 1], 1), ([5, 15], 1), ([5, 16], 1), ([5, 17], 1), ([3, 255], 1), ([3, 256], 1),
    ([3, 257], 1), ([2, 1023], 1), ([2, 1024], 1), ([2, 1025], 1), ([2, 2700], 1), ([7], 0),
    ([900], 0), ([15, 5], 0), ([16, 64], 0), ([17, 65], 0), ([257, 130], 0), ([600, 1], 0),
    ([1, 70], 0), ([3, 40, 5], 1), ([3, 40, 5], 0), ([40, 3, 5], 2), ([2, 3, 270, 4], 2),
    ([2, 3, 4, 33], 3), ([0, 4], 0), ([4, 0], 1), ([0, 4], 1),
  ]

  @Test("gives the reference's bits along every side", arguments: Subject.present)
  func matches(_ subject: Subject) throws {
    let device = try subject.device
    let isCompiled = subject.description.hasPrefix("opencl")
    let formula = Formula(inputs: 2, parameters: 1) { x, p in
      [x[0] * x[1] + p[0], x[0] - x[1]]
    }
    for (number, (shape, side)) in Self.cases.enumerated() {
      for reduction in Reduction.allCases {
        for layouts in [
          [TensorSample.Layout.dense, .dense], [.transposed, .spaced], [.selected, .repeated],
        ] where !(layouts[0] == .selected && shape[0] == 0) {
          // A program for each on OpenCL, which differ in one line: its compiler takes a second.
          if isCompiled, reduction != .sum, layouts[0] != .dense { continue }
          func results(_ device: any Device) throws(TesseraError) -> [[Float]] {
            var generator = RepeatableGenerator(seed: UInt64(number))
            let inputs = try layouts.map { layout throws(TesseraError) in
              try TensorSample(shape, layout) { generator.units($0) }.view(on: device)
            }
            var reduced = shape
            reduced[side] = 1
            let targets = try [TensorSample.Layout.dense, .spaced].map {
              layout throws(TesseraError) in
              try TensorSample(reduced, layout) { generator.units($0) }.view(on: device)
            }
            try device.reduce(
              formula, of: inputs, parameters: [0.125], by: reduction, along: side, into: targets)
            return try targets.map { target throws(TesseraError) in
              try device.memory(of: target)
            }
          }
          let (found, expected) = (try results(device), try results(ReferenceDevice.shared))
          for place in found.indices {
            #expect(
              bitDifference(found[place], expected[place]) == nil,
              "\(shape) along \(side) by \(reduction), \(layouts), result \(place)")
          }
        }
      }
    }
  }

  @Test("hands NaN on, and gives what no numbers give", arguments: Subject.present)
  func corners(_ subject: Subject) throws {
    let device = try subject.device
    for reduction in Reduction.allCases {
      for place in [0, 3, 16, 299] {
        var numbers = [Float](repeating: 1, count: 300)
        numbers[place] = .nan
        let result = TensorView(try device.allocate(Float.self, rows: 1, columns: 1))
        try device.reduce(
          .copy, of: [TensorView(try device.upload(numbers, rows: 1, columns: 300))],
          parameters: [], by: reduction, along: 1, into: [result])
        #expect(try device.memory(of: result)[0].isNaN, "\(reduction) at \(place)")
      }
      let empty = TensorView<Float>(try device.allocate(byteCount: 4), shape: [3, 0])
      let result = TensorView(try device.allocate(Float.self, rows: 3, columns: 1))
      try device.reduce(
        .copy, of: [empty], parameters: [], by: reduction, along: 1, into: [result])
      #expect(try device.memory(of: result) == [Float](repeating: reduction.start, count: 3))
    }
  }

  @Test("refuses shapes that do not fit and random numbers", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    func tensor(_ shape: [Int]) throws -> TensorView<Float> {
      TensorView(try device.allocate(byteCount: 4 * shape.reduce(1, *)), shape: shape)
    }
    for (input, side, result) in [
      ([2, 3], 1, [2, 3]), ([2, 3], 1, [3, 1]), ([2, 3], 2, [2, 1]), ([1, 2, 3], 1, [2, 1]),
    ] {
      let error = refusal {
        try device.reduce(.copy, of: [tensor(input)], along: side, into: [tensor(result)])
      }
      #expect(error?.code == .invalidShape, "\(input) along \(side) into \(result)")
    }
    let random = Formula(inputs: 1) { x, _ in [x[0] * .random(draw: 0)] }
    let error = refusal {
      try device.reduce(random, of: [tensor([2, 3])], along: 1, into: [tensor([2, 1])])
    }
    #expect(error?.code == .invalidArgument)
  }
}
