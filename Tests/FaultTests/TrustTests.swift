import Foundation
import TesseraCompute
import Testing

@testable import TesseraOpenCL

extension FaultTests {
  func gathered(_ device: OpenCLDevice) throws -> [Float] {
    let target = try device.allocate(Float.self, rows: 3, columns: 1)
    try device.gather(
      device.upload([Float(5), 6], rows: 2, columns: 1),
      rows: device.upload([Int32(1), 0, 1], rows: 3, columns: 1), into: target)
    return try device.download(target)
  }

  @Test("kernels are tried by the first process, not by the next")
  func triedOnce() throws {
    let folder = NSTemporaryDirectory() + "tessera-trust-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var options = OpenCLOptions()
    options.cacheDirectory = folder
    var launches: [Int] = []
    for _ in 0..<2 {
      let device = try FaultyDriver.device(options)
      for _ in 0..<2 {
        FaultyDriver.inject(Fault("", [], .doesNothing, throws: nil))
        #expect(try gathered(device) == [6, 5, 6])
        launches.append(FaultyDriver.launchCount)
      }
    }
    #expect(launches[0] > launches[1] && launches[1...].allSatisfy { $0 == launches[1] })
    #expect(launches[1] == 2)
  }

  @Test("an operation with wrong kernels goes to the host, is no longer native, and it is said")
  func wrongKernel() throws {
    let folder = NSTemporaryDirectory() + "tessera-trust-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var options = OpenCLOptions()
    options.cacheDirectory = folder
    // A failed trial is not remembered: a driver may be mended without a new name.
    for _ in 0..<2 {
      let device = try FaultyDriver.device(options)
      #expect(device.info.accelerated.contains(.gather))
      FaultyDriver.inject(Fault("", [.launch], .doesNothing, kernel: "gather", throws: nil))
      #expect(try gathered(device) == [6, 5, 6])
      #expect(!device.info.accelerated.contains(.gather))
      #expect(device.info.accelerated.contains(.topK))
      try #require(device.faults.count == 1)
      #expect(device.faults[0].message.contains("gather gives wrong numbers; the host does it"))
      #expect(device.faults[0].message.contains(device.info.driver))
    }
    FaultyDriver.clear()
    let mended = try FaultyDriver.device(options)
    #expect(try gathered(mended) == [6, 5, 6])
    #expect(mended.faults.isEmpty)
  }

  @Test("a search with wrong kernels is refused before rows are uploaded, with the remedy")
  func wrongSearch() throws {
    let device = try FaultyDriver.device(Self.options(isTried: false))
    FaultyDriver.inject(Fault("", [.launch], .doesNothing, kernel: "search_filter", throws: nil))
    for _ in 0..<2 {
      let error = #expect(throws: TesseraError.self) {
        try device.prepare(Vectors([1, 2], dimension: 2), metric: .cosine, firstID: 0)
      }
      #expect(error?.code == .deviceFailure)
      #expect(error?.message.contains("nearest float32 gives wrong numbers; use another") == true)
    }
    #expect(device.faults.count == 1)
  }

  @Test("what keeps a trial from being done says nothing of the kernels")
  func interruptedTrial() throws {
    let device = try FaultyDriver.device(Self.options(isTried: false))
    FaultyDriver.inject(Fault("", [.launch], .fails(-5), times: 1, throws: nil))
    let error = #expect(throws: TesseraError.self) { try gathered(device) }
    #expect(error?.code == .outOfMemory)
    #expect(try gathered(device) == [6, 5, 6])
    #expect(device.faults.isEmpty && device.info.accelerated.contains(.gather))
  }

  @Test("every trial passes on every device here", arguments: KernelBody.allCases)
  func trials(_ body: KernelBody) throws {
    var options = OpenCLOptions()
    options.body = body
    let truths = [false, true]
    let tests: [SelfTest] =
      ElementType.allCases.flatMap { element in
        truths.map { .nearest(element, isSelected: $0, .float32, on: nil) }
      }
      + truths.flatMap { a in
        truths.flatMap { b in
          [0, 3].map { .multiply(aTransposed: a, bTransposed: b, largeTiles: $0) }
        }
      } + [1, 2, 3, 8, 16, 17].map { .encode(width: $0) }
      + [
        .topK(.largestFirst), .topK(.smallestFirst), .assignNearest, .gather,
        .accumulateClusters, .lookupScores, .nearestCodes(bits: 4), .nearestCodes(bits: 8),
        .apply, .reduce, .product(largeTiles: 0), .product(largeTiles: 3), .sparseProduct,
      ]
    #expect(Set(tests.map(\.name)).count == tests.count)
    for device in OpenCLDevice.all(options).devices {
      for test in tests {
        let passed = try device.trusts(test)
        #expect(passed, "\(device.info.identifier) \(body): \(test.name)")
      }
    }
  }

  @Test("filters on rounded numbers are tried too", arguments: [SearchFilter.float16, .int8])
  func roundedTrials(_ filter: SearchFilter) throws {
    var options = OpenCLOptions()
    options.body = .tile
    options.matrixUnits = .emulated
    options.filter = filter
    let device = try FaultyDriver.device(options)
    let test = device.trial(.float32, dimension: 100)
    #expect(test.name == "nearest float32, \(filter.rawValue) on emulated nvidia")
    let passed = try device.trusts(test)
    #expect(passed)
    let wrong = try FaultyDriver.device(options)
    FaultyDriver.inject(
      Fault("", [.launch], .doesNothing, kernel: "search_matrix", throws: nil))
    let isTrusted = try wrong.trusts(test)
    #expect(!isTrusted)
  }

  @Test("tiles for much work are tried before little work is done")
  func largeTiles() throws {
    var options = OpenCLOptions()
    options.body = .tile
    let device = try FaultyDriver.device(options)
    FaultyDriver.inject(
      Fault(
        "", [.launch], .doesNothing, kernel: "search_filter", macro: "-DITEM_QUERIES=8",
        throws: nil))
    #expect(throws: TesseraError.self) {
      try device.prepare(Vectors([1, 2], dimension: 2), metric: .cosine, firstID: 0)
    }
    #expect(FaultyDriver.strikes > 0)
  }

  @Test("a product by large tiles that are wrong goes to the host")
  func largeProducts() throws {
    var options = OpenCLOptions()
    options.body = .tile
    let device = try FaultyDriver.device(options)
    FaultyDriver.inject(
      Fault("", [.launch], .doesNothing, kernel: "multiply", macro: "-DITEM_SIDE=8", throws: nil))
    func products(_ side: Int) throws -> [Float] {
      let numbers = try device.upload(
        [Float](repeating: 1, count: side), rows: side, columns: 1)
      let result = try device.allocate(Float.self, rows: side, columns: side)
      try device.innerProducts(numbers, numbers, into: result)
      return try device.download(result)
    }
    #expect(try products(3) == [Float](repeating: 1, count: 9))
    #expect(device.faults.isEmpty && FaultyDriver.strikes == 0)
    let side = 128 * (device.info.computeUnits + 1)
    #expect(try products(side) == [Float](repeating: 1, count: side * side))
    #expect(device.faults.count == 1 && FaultyDriver.strikes > 0)
    #expect(!device.info.accelerated.contains(.innerProducts))
  }
}
