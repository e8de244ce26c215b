import TesseraCompute
import TestSupport
import Testing

@Suite("product")
struct ProductTests {
  struct Input: Workload, CustomStringConvertible {
    var a: [Int]
    var b: [Int]
    var result: [Int]
    var work: Int { result.reduce(1, *) * a[a.count - 1] }
    var description: String { "\(a) x \(b)" }

    static let cases: [Input] = [
      ([1, 1], [1, 1], [1, 1]), ([3, 0], [0, 4], [3, 4]), ([0, 3], [3, 4], [0, 4]),
      ([5, 7], [7, 9], [5, 9]), ([14, 255], [255, 32], [14, 32]), ([6, 256], [256, 16], [6, 16]),
      ([13, 257], [257, 33], [13, 33]), ([1, 600], [600, 70], [1, 70]),
      ([70, 600], [600, 1], [70, 1]), ([130, 520], [520, 131], [130, 131]),
      ([3, 5, 7], [3, 7, 4], [3, 5, 4]), ([1, 5, 7], [3, 7, 4], [3, 5, 4]),
      ([5, 7], [2, 3, 7, 4], [2, 3, 5, 4]), ([2, 1, 9, 300], [1, 4, 300, 8], [2, 4, 9, 8]),
      ([300, 64], [64, 300], [300, 300]),
    ].map { Input(a: $0.0, b: $0.1, result: $0.2) }
  }

  @Test("gives the reference's bits", arguments: Subject.trials(.product, Input.cases))
  func matches(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    let dense = TensorSample.Layout.dense
    for (layouts, adding) in [
      ([dense, .dense, .dense], false), ([.transposed, .dense, .dense], true),
      ([.dense, .transposed, .dense], false), ([.spaced, .spaced, .spaced], true),
      ([.dense, .dense, .transposed], false), ([.transposed, .transposed, .transposed], true),
    ] {
      func result(_ device: any Device) throws(TesseraError) -> [Float] {
        var generator = RepeatableGenerator(seed: 3)
        let a = try TensorSample(input.a, layouts[0]) { generator.units($0) }.view(on: device)
        let b = try TensorSample(input.b, layouts[1]) { generator.units($0) }.view(on: device)
        let target = try TensorSample(input.result, layouts[2]) { generator.units($0) }
          .view(on: device)
        try device.product(a, b, adding: adding, into: target)
        return try device.memory(of: target)
      }
      let difference = try bitDifference(result(device), result(ReferenceDevice.shared))
      #expect(difference == nil, "\(layouts), adding \(adding)")
    }
  }

  @Test("keeps subnormals and infinity", arguments: Subject.present)
  func corners(_ subject: Subject) throws {
    let device = try subject.device
    let a: [Float] = [0x1p-100, -0x1p-100, 0x1p-140, 1e30, -1e30, .infinity]
    let b: [Float] = [0x1p-40, 0x1p-30, 3, 1e20, 1e20, 0]
    func result(_ device: any Device) throws -> [Float] {
      let target = TensorView(try device.allocate(Float.self, rows: 6, columns: 6))
      try device.product(
        TensorView(device.upload(a, rows: 6, columns: 1)),
        TensorView(device.upload(b, rows: 1, columns: 6)), adding: false, into: target)
      return try device.memory(of: target)
    }
    #expect(try bitDifference(result(device), result(ReferenceDevice.shared)) == nil)
  }

  @Test("sparse products give the reference's bits", arguments: Subject.present)
  func sparse(_ subject: Subject) throws {
    let device = try subject.device
    // Rows with 0, 1, 256, 257 and more entries among others.
    for (lengths, columns, width) in [
      ([0, 1, 5, 0, 256, 257, 700, 3], 50, 64), ([2, 9, 0], 7, 1), ([3, 600], 900, 33),
      ([0, 0], 3, 5), ([4, 4, 4], 5, 130),
    ] {
      for (hasValues, adding, layout) in [
        (true, false, TensorSample.Layout.dense), (false, true, .dense), (true, true, .transposed),
        (false, false, .selected),
      ] {
        func result(_ device: any Device) throws(TesseraError) -> [Float] {
          var generator = RepeatableGenerator(seed: 8)
          let starts = lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
          let entryColumns = (0..<starts[lengths.count]).map { _ in
            Int32(generator.below(columns))
          }
          let matrix = try device.makeSparse(
            columns: columns, starts: starts, entryColumns: entryColumns,
            values: hasValues ? generator.units(entryColumns.count) : nil)
          let source = try TensorSample([columns, width], layout) { generator.units($0) }
            .view(on: device)
          let target = try TensorSample([lengths.count, width], layout) { generator.units($0) }
            .view(on: device)
          try device.product(matrix, source, adding: adding, into: target)
          return try device.memory(of: target)
        }
        let difference = try bitDifference(result(device), result(ReferenceDevice.shared))
        #expect(difference == nil, "rows of \(lengths), values \(hasValues), \(layout)")
      }
    }
  }

  @Test("entries in any order make the same matrix as row by row", arguments: Subject.present)
  func entries(_ subject: Subject) throws {
    let device = try subject.device
    let matrix = try device.makeSparse(
      rows: 3, columns: 2, entryRows: [2, 0, 2, 0], entryColumns: [1, 0, 0, 0],
      values: [1, 2, 3, 4])
    let source = TensorView(try device.upload([10, 100] as [Float], rows: 2, columns: 1))
    let result = TensorView(try device.allocate(Float.self, rows: 3, columns: 1))
    try device.product(matrix, source, adding: false, into: result)
    #expect(try device.memory(of: result) == [60, 0, 130])
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    func tensor(_ shape: [Int]) throws -> TensorView<Float> {
      TensorView(try device.allocate(byteCount: 4 * shape.reduce(1, *)), shape: shape)
    }
    for (a, b, result) in [
      ([2, 3], [2, 3], [2, 3]), ([2, 3], [3, 4], [2, 3]), ([2, 3], [3], [2, 3]),
      ([2, 2, 3], [3, 3, 4], [3, 2, 4]), ([2, 2, 3], [3, 4], [2, 4]),
    ] {
      let error = refusal {
        try device.product(tensor(a), tensor(b), adding: false, into: tensor(result))
      }
      #expect(error?.code == .invalidShape, "\(a) x \(b) into \(result)")
    }
    let matrix = try device.makeSparse(columns: 4, starts: [0, 1], entryColumns: [3])
    #expect(
      refusal {
        try device.product(matrix, tensor([3, 2]), adding: false, into: tensor([1, 2]))
      }?.code == .invalidShape)
    #expect(
      refusal { _ = try device.makeSparse(columns: 4, starts: [0, 1], entryColumns: [4]) }?.code
        == .invalidArgument)
    #expect(
      refusal { _ = try device.makeSparse(columns: 4, starts: [0, 2], entryColumns: [3]) }?.code
        == .invalidShape)
    #expect(
      refusal {
        _ = try device.makeSparse(rows: 1, columns: 4, entryRows: [1], entryColumns: [3])
      }?.code == .invalidArgument)
  }
}
