import TesseraCompute
import Testing

@testable import TesseraOpenCL

/// A device that filters on rounded numbers: by an emulated unit, or by its own.
struct MatrixSubject: Sendable, CustomTestStringConvertible {
  let emulated: EmulatedUnit
  let device: OpenCLDevice

  var testDescription: String { "\(device.info.identifier) \(device.info.variant)" }

  /// Every unit with everything it multiplies.
  static let all = EmulatedUnit.all.flatMap { emulated in
    emulated.devices().devices.map { MatrixSubject(emulated: emulated, device: $0) }
  }
  /// One unit for halves, one for bytes: what does not depend on the unit.
  static let one = [SearchFilter.float16, .int8].compactMap { filter in
    all.first { $0.emulated.filter == filter }
  }

  /// Devices whose own unit multiplies bytes, such as a CPU's dot products; none where there is no
  /// such unit.
  static let own = KernelBody.allCases.flatMap { body in
    var options = Subject.options
    (options.body, options.filter) = (body, .int8)
    return OpenCLDevice.all(options).devices.compactMap { device in
      device.matrixUnit.map {
        MatrixSubject(emulated: EmulatedUnit(unit: $0, filter: .int8), device: device)
      }
    }
  }

  var search: SearchSubject { SearchSubject(device: device, scoresOnDevice: true) }
}

@Suite struct SearchMatrixTests {
  @Test("every emulated unit is found to work, and is said to be in use")
  func found() {
    for emulated in EmulatedUnit.all {
      let (devices, problems) = emulated.devices()
      #expect(problems == [])
      #expect(devices.count == Subject.all.count / 2)
      for device in devices {
        #expect(device.filter == emulated.filter && device.matrixUnit == emulated.unit)
        #expect(
          device.info.variant == "tile, \(emulated.filter.rawValue) on \(emulated.unit.name)")
      }
    }
  }

  @Test(
    "products of packed bytes are in use where bytes are asked for, with either body",
    .enabled(
      if: EmulatedUnit.hasPackedProducts, "no driver here has cl_khr_integer_dot_product"))
  func packedProducts() throws {
    let names = MatrixSubject.own.map(\.device.info.variant)
    #expect(names.contains { $0.hasPrefix("tile, int8 on ") })
    #expect(names.contains { $0.hasPrefix("wide-item, int8 on ") })
    #expect(names.allSatisfy { !$0.contains("emulated") })
  }

  @Test(
    "hits are the reference's, bit for bit", arguments: MatrixSubject.all + MatrixSubject.own,
    [(1, 1, 1, 1), (33, 17, 9, 38), (300, 33, 40, 7), (700, 75, 5, 3)])
  func matchesReference(
    _ subject: MatrixSubject, _ size: (rows: Int, dimension: Int, queries: Int, k: Int)
  ) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 31)
      try SearchInput(
        numbers.floats(size.rows * size.dimension), numbers.floats(size.queries * size.dimension),
        dimension: size.dimension, metric: metric, k: size.k
      ).expectReference(subject.search, firstID: 1 << 40, comment: "\(metric), seed 31")
    }
  }

  @Test(
    "magnitudes at both ends of Float32, and mixed ones, change nothing",
    arguments: MatrixSubject.one,
    [
      [Float(1e38)], [0x1p-133], [0x1p-149], [1e19], [1e-19], [1e-20, 1, 1e20],
      [0x1p-133, 1e38, 1], [0, 1], [0], [4.6e18, 4.7e18], [2.1e-19, 2.2e-19],
    ])
  func magnitudes(_ subject: MatrixSubject, _ scales: [Float]) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 32)
      func vectors(_ count: Int) -> [Float] {
        (0..<count).flatMap { row in numbers.floats(13).map { $0 * scales[row % scales.count] } }
      }
      let rows = vectors(200)
      try SearchInput(
        rows, vectors(9) + rows.prefix(13 * 5), dimension: 13, metric: metric, k: 20
      ).expectReference(subject.search, comment: "\(metric), seed 32")
    }
  }

  @Test(
    "rows whose numbers differ by orders of magnitude are not lost", arguments: MatrixSubject.one)
  func outliers(_ subject: MatrixSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 33)
      // One number takes all of a byte's range, and is orthogonal to the queries.
      func vectors(_ count: Int, outlier: Float) -> [Float] {
        (0..<count).flatMap { _ in [outlier] + numbers.floats(40).map { $0 * 1e-3 } }
      }
      try SearchInput(
        vectors(300, outlier: 1), vectors(9, outlier: 0), dimension: 41, metric: metric, k: 10
      ).expectReference(subject.search, comment: "\(metric), seed 33")
    }
  }

  @Test(
    "rows that rounding makes look worse than worse rows are found", arguments: MatrixSubject.one)
  func rowsRoundedAway(_ subject: MatrixSubject) throws {
    // A step of a byte's levels where the largest number is 127, and of halves from 1 on.
    let (base, step): (Float, Float) = subject.emulated.filter == .int8 ? (20, 1) : (1, 0x1p-10)
    // Ten rows that lose 0.49 steps in each of 63 dimensions; then many that gain as much, and are
    // worse by less than a step in all.
    let rows = (0..<500).flatMap { row -> [Float] in
      let rest: Float = row < 10 ? 0.49 : 0.51
      let values = (0..<63).map { base + (Float($0) + rest) * step }
      return [127 * step] + (row < 10 ? values : [values[0] - 2 * step] + values[1...])
    }
    let counted = try SearchInput(
      rows, [0] + [Float](repeating: 1, count: 63), dimension: 64, metric: .innerProduct, k: 10
    ).expectReference(subject.search)
    #expect(counted.rescored >= 500)
  }

  @Test("rows that a query's rounding makes look worse are found", arguments: MatrixSubject.one)
  func queriesRoundedAway(_ subject: MatrixSubject) throws {
    let (base, step): (Float, Float) = subject.emulated.filter == .int8 ? (64, 1) : (1, 0x1p-10)
    // Rounding moves every other number up, the others down, by 0.49 steps. Ten rows are parallel to
    // that, and lose all of it; of the others' numbers all but one are zero.
    let signs = (0..<64).map { Float($0 % 2 * 2 - 1) }
    let query = [127 * step] + signs.map { base + 0.49 * step * $0 }
    let product = 3 * 64 * 0.49 * step
    let rows = (0..<500).flatMap { row -> [Float] in
      let other = (0..<64).map { $0 == 5 ? 0.8 * product / base : 0 }
      return [0] + (row < 10 ? signs.map { 3 * $0 } : other)
    }
    let counted = try SearchInput(rows, query, dimension: 65, metric: .innerProduct, k: 10)
      .expectReference(subject.search)
    #expect(counted.rescored >= 10)
  }

  @Test(
    "near ties and exact ones are told apart by the canonical score", arguments: MatrixSubject.one)
  func nearTies(_ subject: MatrixSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 34)
      let base = numbers.floats(40)
      let rows = (0..<400).flatMap { _ in
        base.map { $0 * (1 + Float(Int.random(in: -2...2, using: &numbers)) * 0x1p-23) }
      }
      try SearchInput(rows, base + numbers.floats(40), dimension: 40, metric: metric, k: 25)
        .expectReference(subject.search, comment: "\(metric), seed 34")
    }
  }

  @Test(
    "rows that rounding makes alike are searched again in Float32", arguments: MatrixSubject.one)
  func overflow(_ subject: MatrixSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 35)
      // Apart by more than Float32's error and by less than halves', so only the second pass helps;
      // and 300 equal rows, which only the third does.
      let base = numbers.floats(8)
      let rows = (0..<900).flatMap { row -> [Float] in
        let factor: Float = row % 3 == 0 ? 0.9 : 1 + Float(row) * 1e-6
        return base.map { $0 * factor }
      }
      try SearchInput(
        rows, base + numbers.floats(8 * 8), dimension: 8, metric: metric, k: 7
      ).expectReference(
        subject.search, subject.search.limits(capacity: 64), comment: "\(metric), seed 35")
    }
  }

  @Test("only selected rows are hits", arguments: MatrixSubject.one)
  func selected(_ subject: MatrixSubject) throws {
    let selectors: [IDSelector] = [
      .range(5..<6), .range(40..<200), .flags((0..<400).map { $0 % 3 == 0 && $0 / 32 % 2 == 0 }),
    ]
    for metric in Metric.allCases {
      for selector in selectors {
        var numbers = Numbers(seed: 36)
        try SearchInput(
          numbers.floats(400 * 20), numbers.floats(35 * 20), dimension: 20, metric: metric, k: 9
        ).expectReference(subject.search, only: selector, comment: "\(metric), seed 36")
      }
    }
  }

  @Test("element types, segments, staging and batches leave no trace", arguments: MatrixSubject.one)
  func segments(_ subject: MatrixSubject) throws {
    for (metric, element) in zip(Metric.allCases, [ElementType.int8, .float16, .float32]) {
      var numbers = Numbers(seed: 37)
      let input = try SearchInput(
        numbers.floats(500 * 11), numbers.floats(50 * 11), dimension: 11, metric: metric, k: 30,
        element: element)
      var limits = subject.search.limits(segmentBytes: 64 * 32 * 5)
      limits.stagingBytes = 32 * 11 * 4 * 2
      limits.batchBytes = 1
      try input.expectReference(subject.search, limits, comment: "\(metric), seed 37")
    }
  }

  @Test("points are assigned as the reference does", arguments: MatrixSubject.one)
  func assign(_ subject: MatrixSubject) throws {
    var numbers = Numbers(seed: 38)
    let (points, centroids) = (numbers.floats(90 * 18), numbers.floats(70 * 18))
    func assigned(_ device: any Device) throws -> ([Int32], [UInt32]) {
      let labels = try device.allocate(Int32.self, rows: 90, columns: 1)
      let scores = try device.allocate(Float.self, rows: 90, columns: 1)
      try device.assignNearest(
        device.upload(points, rows: 90, columns: 18),
        to: device.upload(centroids, rows: 70, columns: 18), metric: .squaredL2, into: labels,
        scores)
      return try (device.download(labels), device.download(scores).map(\.bitPattern))
    }
    let (got, want) = try (assigned(subject.device), assigned(ReferenceDevice.shared))
    #expect(got == want, "seed 38")
  }

  @Test(
    "whole numbers lose nothing as bytes, and rounding spares most rows the canonical score",
    arguments: MatrixSubject.one)
  func statistics(_ subject: MatrixSubject) throws {
    var numbers = Numbers(seed: 39)
    let rows = (0..<2000 * 40).map { _ in Float(Int.random(in: -127...127, using: &numbers)) }
    let queries = (0..<8 * 40).map { _ in Float(Int.random(in: -127...127, using: &numbers)) }
    let counted = try SearchInput(rows, queries, dimension: 40, metric: .innerProduct, k: 10)
      .expectReference(subject.search, comment: "seed 39")
    #expect(counted.rescored < 8 * 20)
    let uniform = try SearchInput(
      numbers.floats(2000 * 40), numbers.floats(8 * 40), dimension: 40, metric: .cosine, k: 10
    ).expectReference(subject.search, comment: "seed 39")
    #expect(uniform.rescored < 8 * 100)
  }

  @Test("a set's bytes and its cost are what was foretold", arguments: MatrixSubject.one)
  func cost(_ subject: MatrixSubject) throws {
    let device = subject.device
    for (rows, dimension) in [(1, 1), (1000, 96), (333, 33)] {
      let shape = SearchShape(
        rows: rows, dimension: dimension, element: .float32, metric: .cosine, queryCount: 10, k: 3)
      let vectors = try Vectors(
        [Float](repeating: 1, count: rows * dimension), dimension: dimension)
      let set = try device.prepare(vectors, metric: .cosine)
      #expect(device.cost(of: shape).residentBytes == set.residentBytes)
      #expect(
        set.residentBytes >= rows * dimension * (4 + subject.emulated.filter.numberBytes))
      #expect(device.cost(of: shape).largestAllocationBytes <= device.cost(of: shape).peakBytes)
    }
  }

  @Test("a filter that needs a unit is refused where there is none")
  func refused() {
    for filter in [SearchFilter.float16, .int8] {
      var options = OpenCLOptions()
      options.filter = filter
      options.matrixUnits = .none
      let (devices, problems) = OpenCLDevice.all(options)
      #expect(devices.isEmpty)
      #expect(problems.allSatisfy { $0.code == .invalidArgument })
      #expect(
        problems.allSatisfy { $0.message.contains("TESSERA_OPENCL_FILTER is \(filter.rawValue)") })
    }
  }

  @Test("a CPU keeps to Float32 unless told otherwise")
  func automatic() {
    for subject in Subject.all where subject.device.info.kind == .cpu {
      #expect(subject.device.filter == .float32 && subject.device.matrixUnit == nil)
    }
  }

  @Test("short rows are rounded only on demand")
  func dimensions() throws {
    var options = OpenCLOptions()
    options.matrixUnits = .emulated
    let device = try #require(OpenCLDevice.all(options).devices.first)
    #expect(device.filter(dimension: 31) == .float32 && device.filter(dimension: 32) == .float16)
    options.filter = .float16
    let forced = try #require(OpenCLDevice.all(options).devices.first)
    #expect(forced.filter(dimension: 1) == .float16)
    #expect(forced.filter(dimension: 65_536) == .float16)
    #expect(forced.filter(dimension: 65_537) == .float32)
  }

  @Test("the environment chooses, and is checked")
  func environment() throws {
    func options(_ name: String, _ value: String) throws -> OpenCLOptions {
      try OpenCLOptions { $0 == name ? value : nil }
    }
    #expect(try options("TESSERA_OPENCL_FILTER", "int8").filter == .int8)
    #expect(try options("TESSERA_OPENCL_FILTER", "auto").filter == nil)
    #expect(try options("TESSERA_OPENCL_MATRIX", "emulated").matrixUnits == .emulated)
    #expect(try options("TESSERA_OPENCL_MATRIX", "auto").matrixUnits == .automatic)
    for name in ["TESSERA_OPENCL_FILTER", "TESSERA_OPENCL_MATRIX"] {
      let refused = #expect(throws: TesseraError.self) { try options(name, "float8") }
      #expect(refused?.code == .invalidArgument)
      #expect(refused?.message.contains("\(name) is \"float8\"") == true)
    }
  }
}
