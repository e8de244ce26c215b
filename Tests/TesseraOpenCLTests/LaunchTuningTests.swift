import TesseraCompute
import Testing

@testable import TesseraOpenCL

@Suite struct LaunchTuningTests {
  /// Devices of this suite alone, because it changes their launches.
  private static let devices: [Subject] = KernelBody.allCases.flatMap { body in
    var options = OpenCLOptions()
    options.body = body
    return OpenCLDevice.all(options).devices.map { Subject(device: $0) }
  }

  /// A class of shapes with one knob turned.
  private func turned(_ shapes: LaunchClass, _ knob: LaunchKnob, _ value: Int) -> LaunchTuning {
    var tuning = LaunchTuning()
    var values = LaunchValues()
    values[knob] = value
    tuning[shapes] = values
    #expect(tuning[shapes][knob] == value)
    return tuning
  }

  private func every(
    _ operation: LaunchClass.Operation, _ shapes: LaunchClass, on device: OpenCLDevice,
    _ body: (Comment) throws -> Void
  ) throws {
    for knob in device.knobs(of: operation) {
      for value in knob.alternatives {
        device.tuning = turned(shapes, knob, value)
        defer { device.tuning = LaunchTuning() }
        try body("\(knob.rawValue) \(value)")
      }
    }
  }

  @Test("no value of a knob changes the hits", arguments: devices)
  func search(_ subject: Subject) throws {
    let device = subject.device
    for (rows, queries, dimension) in [(2000, 70, 19), (33, 300, 7), (4500, 1, 40)] {
      var numbers = Numbers(seed: 5)
      let base = try Vectors(numbers.floats(rows * dimension), dimension: dimension)
      let asked = try Vectors(numbers.floats(queries * dimension), dimension: dimension)
      let set = try device.prepare(base, metric: .squaredL2)
      let want = try device.nearest(asked, in: set, k: 5)
      let shapes = LaunchClass.search(queries: queries, rows: rows, dimension: dimension)
      try every(.search, shapes, on: device) { comment in
        let got = try device.nearest(asked, in: set, k: 5)
        #expect(got.ids == want.ids && bits(got.scores) == bits(want.scores), comment)
      }
    }
  }

  @Test("no value of a knob changes a product", arguments: devices)
  func multiply(_ subject: Subject) throws {
    let device = subject.device
    // More columns than the smallest block holds, and an inner size that is cut.
    for (rows, columns, inner) in [(3, 1500, 600), (400, 70, 33)] {
      var numbers = Numbers(seed: 6)
      let a = try device.upload(numbers.floats(rows * inner), rows: rows, columns: inner)
      let b = try device.upload(numbers.floats(columns * inner), rows: columns, columns: inner)
      let scores = try device.allocate(Float.self, rows: rows, columns: columns)
      try device.innerProducts(a, b, into: scores)
      let want = bits(try device.download(scores))
      let shapes = LaunchClass.multiply(rows: rows, columns: columns, inner: inner)
      try every(.multiply, shapes, on: device) { comment in
        try device.innerProducts(a, b, into: scores)
        #expect(bits(try device.download(scores)) == want, comment)
      }
    }
  }

  @Test("no value of a knob changes a selection", arguments: devices)
  func topK(_ subject: Subject) throws {
    let device = subject.device
    for (rows, width, k) in [(2, 70_000, 100), (1, 5000, 3000), (9, 2049, 1)] {
      var numbers = Numbers(seed: 7)
      let scores = try device.upload(
        numbers.floats(rows * width).map { ($0 * 100).rounded() }, rows: rows, columns: width)
      let values = try device.allocate(Float.self, rows: rows, columns: k)
      let columns = try device.allocate(Int32.self, rows: rows, columns: k)
      try device.topK(scores, order: .smallestFirst, into: values, columns)
      let want = try device.download(columns)
      try every(.topK, .topK(rows: rows, columns: width), on: device) { comment in
        try device.topK(scores, order: .smallestFirst, into: values, columns)
        #expect(try device.download(columns) == want, comment)
      }
    }
  }

  @Test("what is written is read again; what no knob has is refused")
  func names() throws {
    let shapes = LaunchClass.search(queries: 1000, rows: 10, dimension: 200)
    #expect(shapes.description == "search many some few" && LaunchClass("\(shapes)") == shapes)
    for text in ["", "search", "search many some", "search many some few x", "sort few few few"] {
      #expect(LaunchClass(text) == nil)
    }
    var values = LaunchValues()
    values[.growth] = 8
    values[.sliceKiB] = LaunchKnob.sliceKiB.defaultValue
    #expect(values.byName == ["growth": 8])
    #expect(try LaunchValues(byName: values.byName) == values)
    for bad in [["growth": 0], ["growth": 5], ["sliceKiB": -64], ["speed": 2], ["tile": .max]] {
      let error = #expect(throws: TesseraError.self) { try LaunchValues(byName: bad) }
      #expect(error?.code == .malformedFile)
    }
  }
}
