import TesseraCompute
import TestSupport
import Testing

@testable import TesseraDevices

@Suite struct DeviceChoiceTests {
  @Test(
    "reads what people write, and writes it back",
    arguments: [
      ("auto", DeviceChoice.auto), ("cpu", .cpu), ("reference", .reference),
      ("opencl", .openCL(nil)), ("opencl:0", .openCL(0)), ("opencl:12", .openCL(12)),
      ("opencl:all", .allOpenCL),
    ])
  func reads(_ text: String, _ choice: DeviceChoice) throws {
    #expect(try DeviceChoice(text) == choice)
    #expect(choice.description == text)
  }

  @Test(
    "refuses the rest", arguments: ["", "gpu", "opencl:", "opencl:-1", "opencl:x", "CPU", "cpu:0"])
  func refuses(_ text: String) {
    let error = #expect(throws: TesseraError.self) { try DeviceChoice(text) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("opencl:N") == true)
  }

  static let fast = DeviceProfile(
    overheadSeconds: 0.01, preparedBytesPerSecond: 1e9, productsPerSecond: 1e12)
  static let slow = DeviceProfile(
    overheadSeconds: 0, preparedBytesPerSecond: 4e9, productsPerSecond: 1e10)

  static func search(rows: Int, queries: Int) -> SearchShape {
    SearchShape(
      rows: rows, dimension: 100, element: .float32, metric: .innerProduct, queryCount: queries,
      k: 10)
  }

  @Test("the estimate is preparation, overhead and work")
  func estimate() {
    let search = Self.search(rows: 1_000_000, queries: 1000)
    #expect(abs(Self.fast.seconds(for: search) - (0.4 + 0.01 + 0.1)) < 1e-9)
    #expect(abs(Self.slow.seconds(for: search) - (0.1 + 0 + 10)) < 1e-9)
  }

  private let cpu = FakeDevice("cpu", kind: .cpu)
  private let gpu = FakeDevice("opencl:0")

  private func backends(
    _ openCL: [FakeDevice], problems: [TesseraError] = [], unmeasurable: [String] = []
  ) -> Backends {
    Backends(
      cpu: { () throws(TesseraError) in self.cpu }, openCL: { (openCL, problems) },
      profile: { device throws(TesseraError) in
        guard !unmeasurable.contains(device.info.identifier) else {
          throw TesseraError(.deviceFailure, "it hung")
        }
        return device.info.identifier == "cpu" ? Self.slow : Self.fast
      })
  }

  @Test(
    "auto takes small work to the CPU and large work to the GPU",
    arguments: [(1000, 1, "cpu"), (1_000_000, 1, "cpu"), (1_000_000, 1000, "opencl:0")])
  func crossover(_ rows: Int, _ queries: Int, _ expected: String) throws {
    let selection = try backends([gpu]).select(
      .auto, for: Self.search(rows: rows, queries: queries))
    #expect(selection.device.info.identifier == expected)
    #expect(selection.fallback?.info.identifier == (expected == "cpu" ? nil : "cpu"))
    // Little work is done before anything could be measured.
    #expect(selection.estimates.map(\.identifier) == (rows == 1000 ? [] : ["cpu", "opencl:0"]))
    #expect(selection.notes.isEmpty)
  }

  @Test("auto never fails: without another device it is the CPU, and says why")
  func nothingElse() throws {
    let problem = TesseraError(.deviceUnavailable, "no library; install one")
    let selection = try backends([], problems: [problem]).select(
      .auto, for: Self.search(rows: 1_000_000, queries: 1000))
    #expect(selection.device === cpu && selection.notes == ["no library; install one"])
    #expect(selection.estimates.isEmpty, "nothing to compare, nothing measured")
  }

  @Test("a device that cannot be measured is not chosen, and that is said")
  func unmeasurable() throws {
    let selection = try backends([gpu], unmeasurable: ["opencl:0"]).select(
      .auto, for: Self.search(rows: 1_000_000, queries: 1000))
    #expect(selection.device === cpu)
    #expect(selection.notes.first?.contains("it hung") == true)
  }

  @Test("a device that leaves searches to the host is no rival")
  func hostOnly() throws {
    let selection = try backends([FakeDevice("opencl:0", searches: false)]).select(
      .auto, for: Self.search(rows: 1_000_000, queries: 1000))
    #expect(selection.device === cpu && selection.estimates.isEmpty)
  }

  @Test("an explicit device is that device or an error with the remedy")
  func explicit() throws {
    let two = [gpu, FakeDevice("opencl:1")]
    let search = Self.search(rows: 10, queries: 1)
    #expect(try backends(two).select(.cpu, for: search).device === cpu)
    #expect(try backends(two).select(.openCL(nil), for: search).device === gpu)
    #expect(try backends(two).select(.openCL(1), for: search).device === two[1])
    #expect(try backends(two).select(.openCL(1), for: search).fallback == nil)
    #expect(
      try backends(two).select(.reference, for: search).device === ReferenceDevice.shared)
    let absent = #expect(throws: TesseraError.self) {
      try backends(two).select(.openCL(2), for: search)
    }
    #expect(absent?.code == .deviceUnavailable)
    #expect(absent?.message.contains("opencl:0 (Fake opencl:0) or opencl:1") == true)
    let none = #expect(throws: TesseraError.self) {
      try backends([], problems: [TesseraError(.deviceUnavailable, "no driver")])
        .select(.openCL(nil), for: search)
    }
    #expect(none?.code == .deviceUnavailable)
    #expect(none?.message.contains("no driver") == true)
    #expect(none?.message.contains("--device cpu") == true)
  }

  @Test("all OpenCL devices share a search by their speeds; those that cannot are named")
  func sharing() throws {
    let search = Self.search(rows: 1_000_000, queries: 1000)
    let four = [
      gpu, FakeDevice("opencl:1"), FakeDevice("opencl:2"), FakeDevice("opencl:3", searches: false),
    ]
    let backends = Backends(
      cpu: { () throws(TesseraError) in self.cpu }, openCL: { (four, []) },
      profile: { device throws(TesseraError) in
        switch device.info.identifier {
        case "opencl:0":
          DeviceProfile(
            overheadSeconds: 0, preparedBytesPerSecond: .infinity, productsPerSecond: 3e9)
        case "opencl:1":
          DeviceProfile(
            overheadSeconds: 9, preparedBytesPerSecond: .infinity, productsPerSecond: 1e9)
        default: throw TesseraError(.deviceFailure, "it hung")
        }
      })
    let selection = try backends.select(.allOpenCL, for: search)
    #expect(selection.device.info.identifier == "opencl:all")
    #expect(selection.device.info.variant == "75 % opencl:0, 25 % opencl:1")
    #expect(selection.fallback == nil)
    #expect(selection.notes.contains { $0.contains("opencl:2") && $0.contains("it hung") })
    #expect(selection.notes.contains { $0.contains("opencl:3") && $0.contains("left out") })
  }

  @Test("one OpenCL device is all of them, and none is an error")
  func sharingAlone() throws {
    let search = Self.search(rows: 10, queries: 1)
    #expect(try backends([gpu]).select(.allOpenCL, for: search).device === gpu)
    let none = #expect(throws: TesseraError.self) {
      try backends([]).select(.allOpenCL, for: search)
    }
    #expect(none?.code == .deviceUnavailable)
    let unmeasured = #expect(throws: TesseraError.self) {
      try backends([gpu, FakeDevice("opencl:1")], unmeasurable: ["opencl:0", "opencl:1"])
        .select(.allOpenCL, for: search)
    }
    #expect(unmeasured?.code == .deviceUnavailable)
    #expect(unmeasured?.message.contains("it hung") == true)
  }

  @Test("this machine has a CPU and the reference, and auto finds one of its devices")
  func live() throws {
    let (devices, _) = Devices.all()
    #expect(devices.first?.info.identifier == "cpu")
    #expect(devices.last === ReferenceDevice.shared)
    #expect(try Devices.choose(.cpu, threads: 1).info.computeUnits == 1)
    #expect(throws: TesseraError.self) { try Devices.choose(.cpu, threads: 0) }
  }
}

/// A device in name only.
final class FakeDevice: NoMemory {
  let info: DeviceInfo
  let absence = TesseraError(.outOfMemory, "a fake has no memory")

  init(_ identifier: String, kind: DeviceInfo.Kind = .gpu, searches: Bool = true) {
    info = DeviceInfo(
      identifier: identifier, name: "Fake \(identifier)", kind: kind, vendor: "NVIDIA", driver: "1",
      variant: "none", memoryBytes: 1 << 30, computeUnits: 1,
      accelerated: searches ? [.nearest] : [.multiply])
  }
}
